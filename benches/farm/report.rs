//! What was found: a small table for people, `bench.json` in cargo's target folder for programs.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::{command, samples::Samples, server::Kiln};

/// What is known so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    found: Map<String, Value>,
}

impl Report {
    /// Says what is measured where.
    pub(crate) async fn machine(&mut self, kiln: &Kiln) -> anyhow::Result<()> {
        let format = "{{.Server.Version}}, {{.Server.Os}}/{{.Server.Arch}}";
        let engine = command::output("docker", &["version", "--format", format]).await?;
        let runtime = command::output(
            "docker",
            &[
                "info",
                "--format",
                "{{.Driver}}, control groups {{.CgroupVersion}} by {{.CgroupDriver}}",
            ],
        )
        .await?;
        let system = command::output("uname", &["-sr"]).await?;
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
        let status = &kiln.agent().status;
        let program = kiln.program().display();
        line(&format!("program  {program}, version {}", status.version));
        line(&format!("engine   docker {engine}, {runtime}"));
        line(&format!("machine  {system}, {} cores, load {load}", status.cpus));
        line(&format!(
            "agent    {} workers; image {} ({})",
            status.workers,
            kiln.image(),
            crate::server::TOOLCHAIN
        ));
        self.record(
            "machine",
            json!({
                "program": program.to_string(), "version": status.version, "engine": engine,
                "runtime": runtime, "kernel": system, "cpus": status.cpus, "load": load,
                "workers": status.workers, "image": kiln.image(),
            }),
        );
        Ok(())
    }

    /// Adds something for programs.
    pub(crate) fn record(&mut self, name: &str, value: Value) {
        self.found.insert(name.to_owned(), value);
    }

    /// Writes what is for programs.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        std::fs::create_dir_all(&target)?;
        let path = target.join("bench.json");
        std::fs::write(&path, serde_json::to_string_pretty(&self.found)?)
            .with_context(|| path.display().to_string())?;
        line(&format!("\nAll numbers: {}", path.display()));
        Ok(())
    }
}

/// Begins a part.
pub(crate) fn title(text: &str) {
    line(&format!("\n{text}"));
}

/// What the others are compared with.
pub(crate) fn by_hand(name: &str, samples: &Samples) {
    row(name, &samples.text(), None);
}

/// Something else, and how many times as long it took.
pub(crate) fn beside(name: &str, samples: &Samples, reference: &Samples) {
    row(name, &samples.text(), Some(samples.median() / reference.median()));
}

/// A row of the table.
pub(crate) fn row(name: &str, value: &str, ratio: Option<f64>) {
    let ratio = ratio.map(|ratio| format!("{ratio:>6.2} ×")).unwrap_or_default();
    line(format!("  {name:<36} {value:<44} {ratio}").trim_end());
}

/// A ratio that is to be at most this.
pub(crate) fn target(name: &str, ratio: f64, most: f64) {
    let verdict = if ratio <= most { "met" } else { "missed" };
    note(&format!("{name}: {ratio:.2} times by hand, at most {most} wanted: {verdict}"));
}

/// A line below a table.
pub(crate) fn note(text: &str) {
    line(&format!("  {text}"));
}

/// Writes a line at once: a run takes minutes.
#[expect(clippy::print_stdout, reason = "this program is there to print")]
pub(crate) fn line(text: &str) {
    println!("{text}");
}
