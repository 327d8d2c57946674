//! Fifty hello-world jobs at once, against fifty by hand with as many at a time as kiln has workers.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kiln::{model::BuildId, protocol::BuildState};
use serde_json::json;

use crate::{
    hand::{Flags, Hand},
    latency::HELLO,
    report::{self, Report},
    repository::Repository,
    samples::Samples,
    server::Kiln,
};

/// Jobs of one round.
const JOBS: usize = 50;
const ROUNDS: usize = 3;
/// Requests at one time: each starts a process that asks the repository.
const REQUESTS: usize = 4;
/// How often it is looked whether a build has ended.
const LOOK: Duration = Duration::from_millis(50);

/// Measures rounds in turns.
pub(crate) async fn measure(kiln: &Kiln, hand: &Hand, report: &mut Report) -> anyhow::Result<()> {
    let repository = Repository::of(HELLO.0).await?;
    let at_once = kiln.agent().status.workers as usize;
    let (mut by_hand, mut by_kiln) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        stream::iter((0..JOBS).map(|_| hand.build(HELLO, Flags::Plain)))
            .buffer_unordered(at_once)
            .try_collect::<Vec<_>>()
            .await?;
        by_hand.add(began.elapsed());
        by_kiln.add(round(kiln, &repository, JOBS).await?);
    }
    let rate = |samples: &Samples| f64::from(u32::try_from(JOBS).unwrap_or(0)) / samples.median();
    report::title(&format!("{JOBS} hello-world jobs at once, {at_once} at a time"));
    report::by_hand("docker run --network none, tar cz", &by_hand);
    report::beside("kiln", &by_kiln, &by_hand);
    let (hands, kilns) = (rate(&by_hand), rate(&by_kiln));
    report::note(&format!("by hand {hands:.2} jobs/s, kiln {kilns:.2} jobs/s"));
    report.record(
        "throughput",
        json!({
            "jobs": JOBS, "at_once": at_once, "by_hand": by_hand.json(), "kiln": by_kiln.json(),
            "by_hand_jobs_per_s": hands, "kiln_jobs_per_s": kilns,
            "ratio": by_kiln.median() / by_hand.median(),
        }),
    );
    Ok(())
}

/// From the first request until the last of `jobs` builds has ended.
pub(crate) async fn round(
    kiln: &Kiln,
    repository: &Repository,
    jobs: usize,
) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let waiting: Vec<BuildId> = stream::iter((0..jobs).map(|_| kiln.submit(repository, HELLO.1)))
        .buffered(REQUESTS)
        .map_ok(|build| build.id)
        .try_collect()
        .await?;
    // They end about in the order of their requests, so that the first one is looked at; what is
    // measured is the end of the last.
    let mut builds = Vec::with_capacity(jobs);
    for id in waiting {
        loop {
            let build = kiln.look(id).await?;
            if build.state == BuildState::Finished {
                builds.push(build);
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    let took = began.elapsed();
    for build in &builds {
        kiln.check(build).await?;
    }
    ensure!(builds.len() == jobs, "{} of {jobs} builds", builds.len());
    Ok(took)
}
