//! A working tree on its way: what `kiln build .` does before the build, beside tar, gzip and curl
//! by hand to the same route. Both sides send a tree that the server has not seen.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::ensure;
use kiln::protocol::{Build, BuildState};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    command,
    report::{self, Report},
    samples::{Samples, time},
    server::{Kiln, TOOLCHAIN},
};

/// Files, and bytes of one: together 100 MB, about as a large C project has them.
const FILES: usize = 5_000;
const FILE_BYTES: usize = 20_000;
const RUNS: u32 = 5;
/// Sending it must take at most this part of the time by hand.
const MOST: f64 = 1.0;

pub(crate) async fn measure(kiln: &Kiln, report: &mut Report) -> anyhow::Result<()> {
    report::title("A working tree of 100 MB, sent to the server");
    let folder = tree()?;
    let (mut hand, mut sent, mut unchanged) =
        (Samples::default(), Samples::default(), Samples::default());
    for run in 0..RUNS {
        change(folder.path(), run * 2)?;
        let began = Instant::now();
        by_hand(kiln, folder.path()).await?;
        hand.add(began.elapsed());
        change(folder.path(), run * 2 + 1)?;
        let (was_sent, took) = send(kiln, folder.path()).await?;
        ensure!(was_sent, "the changed tree was not sent");
        sent.add(took);
        let (was_sent, took) = send(kiln, folder.path()).await?;
        ensure!(!was_sent, "the unchanged tree was sent again");
        unchanged.add(took);
    }
    report::by_hand("tar cz | curl", &hand);
    report::beside("kiln build --detach", &sent, &hand);
    report::beside("the same, nothing changed", &unchanged, &hand);
    let ratio = sent.median() / hand.median();
    report::target("sending a working tree", ratio, MOST);
    let left = time(unchanged.median());
    report::note(&format!("an unchanged tree costs {left}: it is hashed and not sent"));
    report.record(
        "upload",
        json!({
            "bytes": FILES * FILE_BYTES, "files": FILES, "by_hand": hand.json(),
            "kiln": sent.json(), "unchanged": unchanged.json(), "ratio": ratio,
        }),
    );
    Ok(())
}

/// Text like that of a program: words that come again and numbers that do not.
fn tree() -> anyhow::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("kiln-bench-tree-").tempdir()?;
    let mut seed = 1_u64;
    for number in 0..FILES {
        let mut text = String::with_capacity(FILE_BYTES + 100);
        while text.len() < FILE_BYTES {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (name, value) = (seed >> 52, seed >> 33);
            writeln!(text, "static int value_{name} = {value}; /* of file {number} */")?;
        }
        text.truncate(FILE_BYTES);
        let below = folder.path().join(format!("part{:02}", number / 100));
        std::fs::create_dir_all(&below)?;
        std::fs::write(below.join(format!("file{number}.c")), text)?;
    }
    Ok(folder)
}

fn change(folder: &Path, number: u32) -> anyhow::Result<()> {
    Ok(std::fs::write(folder.join("changed.h"), format!("#define RUN {number}\n"))?)
}

async fn by_hand(kiln: &Kiln, folder: &Path) -> anyhow::Result<()> {
    let (folder, server) = (folder.display(), kiln.rest().http().base());
    let script = format!(
        "tar cz -C '{folder}' . | curl -sSf -X POST -T - \
         -H 'content-type: application/gzip' '{server}api/v1/uploads'"
    );
    let answer = command::output("sh", &["-c", &script]).await?;
    ensure!(answer.contains("tree-"), "{answer}");
    Ok(())
}

/// `kiln build` of the folder, without waiting for the build; whether anything was sent. The build is
/// cancelled, so that the next measurement has the machine to itself.
async fn send(kiln: &Kiln, folder: &Path) -> anyhow::Result<(bool, Duration)> {
    let began = Instant::now();
    let output = command::command(kiln.program())
        .args(["build", "--detach", "--json", "-t", TOOLCHAIN])
        .arg(folder)
        .args(["--", "true"])
        .env("KILN_SERVER", kiln.rest().http().base().as_str())
        .output()
        .await?;
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kiln build: {said}");
    let build: Build = serde_json::from_slice(&output.stdout)?;
    kiln.rest().cancel_build(build.id).await?;
    while kiln.look(build.id).await?.state != BuildState::Finished {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok((said.contains("sent in"), took))
}
