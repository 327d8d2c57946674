//! What the server's process holds in memory: idle after its start, and idle after 200 jobs.

use std::time::Duration;

use anyhow::Context as _;
use kiln::{
    model::Outcome,
    protocol::{BuildFilter, MAX_PAGE},
};
use serde_json::json;

use crate::{
    latency::HELLO,
    report::{self, Report},
    repository::Repository,
    server::Kiln,
    throughput,
};

/// Jobs after which it is looked again; one page of builds.
const JOBS: usize = MAX_PAGE as usize;
/// Before each look, for what a start or the last job left to do.
const SETTLE: Duration = Duration::from_secs(2);

/// Resident memory in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resident {
    /// All of it, the program's own pages included.
    pub(crate) all: u64,
    /// What the program allocated.
    own: u64,
    /// The most it ever was.
    pub(crate) most: u64,
}

/// The memory of a process that is left alone for a moment.
pub(crate) async fn of(process: u32) -> anyhow::Result<Resident> {
    tokio::time::sleep(SETTLE).await;
    now(process)
}

/// The memory of a process as it is now.
pub(crate) fn now(process: u32) -> anyhow::Result<Resident> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.with_context(|| format!("no {name} in the status of a process"))
    };
    Ok(Resident { all: field("VmRSS:")?, own: field("RssAnon:")?, most: field("VmHWM:")? })
}

/// Runs as many jobs as are missing, and looks.
pub(crate) async fn measure(
    kiln: &Kiln,
    idle: Resident,
    report: &mut Report,
) -> anyhow::Result<()> {
    let filter = BuildFilter {
        outcome: Some(Outcome::Success),
        limit: Some(MAX_PAGE),
        ..BuildFilter::default()
    };
    let done = kiln.rest().builds(&filter).await?.items.len();
    if done < JOBS {
        let repository = Repository::of(HELLO.0).await?;
        throughput::round(kiln, &repository, JOBS - done).await?;
    }
    let after = of(kiln.process()).await?;
    report::title("Resident memory of `kiln serve`, its agent included");
    for (when, memory) in [("idle after its start", idle), ("idle after 200 jobs", after)] {
        let [all, own] = [memory.all, memory.own].map(mebibytes);
        report::row(when, &format!("{all:.1} MiB, of which {own:.1} MiB allocated"), None);
    }
    report::note(&format!("the most it was: {:.1} MiB", mebibytes(after.most)));
    let json = |memory: Resident| json!({"rss_kib": memory.all, "anonymous_kib": memory.own, "peak_kib": memory.most});
    report.record("memory", json!({"idle": json(idle), "after_200_jobs": json(after)}));
    Ok(())
}

pub(crate) fn mebibytes(kibibytes: u64) -> f64 {
    f64::from(u32::try_from(kibibytes).unwrap_or(u32::MAX)) / 1024.0
}
