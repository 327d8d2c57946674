//! The farm beside the container engine by hand: how much a build costs that is planned, isolated,
//! logged and kept, compared with typing the same compiler call.
//!
//! Both sides are measured in turns in one run, so that whatever else the machine does meets both,
//! and medians are compared. The server is the program that `KILN_BENCH_BIN` names, in a process of
//! its own; how this program was compiled does not matter. Arguments choose parts, none means all.

mod bare;
mod caching;
mod claims;
mod command;
mod followers;
mod gigabyte;
mod hand;
mod latency;
mod lines;
mod memory;
mod million;
mod packages;
mod planning;
mod queues;
mod report;
mod repository;
mod requests;
mod retention;
mod samples;
mod server;
#[path = "../../tests/support/mod.rs"]
#[expect(clippy::unwrap_used, reason = "it is made for tests")]
mod support;
mod throughput;
mod upload;
mod watching;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::{hand::Hand, report::Report, server::Kiln};

/// The parts, and whether they need the container engine.
const PARTS: [(&str, bool); 16] = [
    ("latency", true),
    ("throughput", true),
    ("upload", true),
    ("lines", true),
    ("memory", true),
    ("planning", false),
    ("packages", true),
    ("followers", false),
    ("million", false),
    ("claims", false),
    ("queues", false),
    ("gigabyte", false),
    ("requests", false),
    ("retention", false),
    ("watching", false),
    ("caching", true),
];

#[tokio::main]
async fn main() -> ExitCode {
    let mut report = Report::default();
    let measured = tokio::select! {
        measured = measure(&mut report) => measured,
        stopped = stopped() => stopped,
    };
    let written = report.write();
    for result in [measured, written] {
        if let Err(error) = result {
            report::line(&format!("the bench failed: {error:#}"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Ends with an error when a person or a script says stop; whatever runs then cleans up.
async fn stopped() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    bail!("stopped")
}

async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let wanted = parts()?;
    let wants = |part| wanted.iter().any(|one| one == part);
    if wants("planning") {
        planning::measure(report).context("the plan of a large tree")?;
    }
    if wants("followers") {
        followers::measure(report).await.context("the followers of a log")?;
    }
    if wants("requests") {
        requests::measure(report).await.context("requests with a token")?;
    }
    if wants("gigabyte") {
        gigabyte::measure(report).await.context("an artifact of 1 GiB")?;
    }
    if wants("claims") {
        claims::measure(report).await.context("claims")?;
    }
    if wants("queues") {
        queues::measure(report).await.context("claims in queues")?;
    }
    if wants("million") {
        million::measure(report).await.context("a million jobs")?;
    }
    if wants("retention") {
        retention::measure(report).await.context("retention")?;
    }
    if wants("watching") {
        watching::measure(report).await.context("watched repositories")?;
    }
    if !PARTS.iter().any(|(part, needs_engine)| *needs_engine && wants(part)) {
        return Ok(());
    }
    let kiln = Kiln::start().await.context("starting the server")?;
    report.machine(&kiln).await?;
    let idle = memory::of(kiln.process()).await?;
    let hand = Hand::new(kiln.image())?;
    if wants("latency") {
        latency::measure(&kiln, &hand, report).await.context("the latency of one job")?;
    }
    if wants("throughput") {
        throughput::measure(&kiln, &hand, report).await.context("the throughput")?;
    }
    if wants("upload") {
        upload::measure(&kiln, report).await.context("sending a working tree")?;
    }
    if wants("packages") {
        packages::measure(&kiln, report).await.context("a job with packages")?;
    }
    if wants("caching") {
        caching::measure(&kiln, report).await.context("the compiler cache")?;
    }
    if wants("memory") {
        memory::measure(&kiln, idle, report).await.context("the server's memory")?;
    }
    if wants("lines") {
        lines::measure(&kiln, &hand, report).await.context("the log of a million lines")?;
    }
    hand.clean_up().await?;
    kiln.stop().await
}

/// What the arguments choose; `--bench` is what cargo adds.
fn parts() -> anyhow::Result<Vec<String>> {
    let mut parts: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    let known = PARTS.map(|(part, _)| part);
    if let Some(odd) = parts.iter().find(|one| !known.contains(&one.as_str())) {
        bail!("{odd:?} is not a part; there are {}", known.join(", "));
    }
    if parts.is_empty() {
        parts = known.map(str::to_owned).into();
    }
    Ok(parts)
}
