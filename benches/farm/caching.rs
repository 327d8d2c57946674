//! The second build of a real project after a commit that changes one file: with the compiler cache of
//! its project, and without.

use std::time::Instant;

use anyhow::ensure;
use kiln::{
    client::{BuildWatch, WatchUpdate},
    model::{Outcome, ProjectName},
    protocol::{Build, NewProject, SubmitBuild},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    command,
    report::{self, Report},
    samples::Samples,
    server::{Kiln, TOOLCHAIN},
    support::catalog,
};

/// Commits that are built both ways.
const TURNS: usize = 5;
/// A project of some size whose Makefile knows nothing of a cache.
const PACKAGE: &str = "lua5.4";

/// Measures both in turns.
pub(crate) async fn measure(kiln: &Kiln, report: &mut Report) -> anyhow::Result<()> {
    let fetched = tokio::task::spawn_blocking(|| catalog::project(PACKAGE).fetch()).await?;
    let folder = tempfile::Builder::new().prefix("kiln-bench-").tempdir()?;
    let clone = folder.path().join("mine.git").display().to_string();
    let from = fetched.path.display().to_string();
    command::output("git", &["clone", "--quiet", "--bare", &from, &clone]).await?;
    let url = format!("file://{clone}");
    let name: ProjectName = "cached".parse()?;
    kiln.rest().add_project(&NewProject { name: Some(name), url: Some(url.clone()) }).await?;
    // The first fills the cache.
    build(kiln, &url, true).await?;
    let [mut with, mut without] = <[Samples; 2]>::default();
    let mut hits = (0, 0);
    for number in 0..TURNS {
        commit(&clone, number).await?;
        for (samples, cache) in [(&mut with, true), (&mut without, false)] {
            let began = Instant::now();
            let ended = build(kiln, &url, cache).await?;
            samples.add(began.elapsed());
            if cache {
                let job = kiln.rest().job(ended.jobs[0].id).await?;
                let usage = job.attempts.last().and_then(|attempt| attempt.usage);
                hits =
                    usage.map(|usage| (usage.cache_hits, usage.cache_misses)).unwrap_or_default();
            }
        }
    }
    ensure!(hits.0 > 0, "the cache was of no use");
    report::title(&format!(
        "{PACKAGE} {} after a commit that changes one file, with {TOOLCHAIN}",
        fetched.version
    ));
    report::by_hand("without the compiler cache", &without);
    report::beside(&format!("with it ({} found, {} compiled)", hits.0, hits.1), &with, &without);
    report.record(
        "caching",
        json!({"without": without.json(), "with": with.json(), "hits": hits.0, "misses": hits.1,
            "ratio": with.median() / without.median()}),
    );
    Ok(())
}

/// One more line in a source file of its own.
async fn commit(clone: &str, number: usize) -> anyhow::Result<()> {
    let script = format!(
        "set -e; export GIT_DIR='{clone}' GIT_INDEX_FILE='{clone}/bench-index'; \
         git read-tree main; blob=$({{ git show main:src/lapi.c; echo 'int bench_{number};'; }} | git hash-object -w --stdin); \
         git update-index --cacheinfo 100644,$blob,src/lapi.c; tree=$(git write-tree); \
         commit=$(git -c user.name=A -c user.email=a@example.org commit-tree -p main -m one $tree); \
         git update-ref refs/heads/main $commit"
    );
    command::output("sh", &["-c", &script]).await.map(drop)
}

async fn build(kiln: &Kiln, url: &str, cache: bool) -> anyhow::Result<Build> {
    let submission = json!({
        "source": {"git": {"url": url, "ref": "main"}}, "toolchains": [TOOLCHAIN], "cache": cache,
    });
    let submission: SubmitBuild = serde_json::from_value(submission)?;
    let key = format!("{:032x}", rand::random::<u128>());
    let mut last = kiln.rest().submit(&submission, &key).await?;
    let mut watch = BuildWatch::new(kiln.rest().clone(), last.id, CancellationToken::new());
    while let Some(update) = watch.next().await? {
        if let WatchUpdate::Build(build) = update {
            last = *build;
        }
    }
    ensure!(last.outcome == Some(Outcome::Success), "{last:?}");
    Ok(last)
}
