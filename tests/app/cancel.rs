//! Cancelling, in every state a job or a build can be in.

use std::time::{Duration, Instant};

use kiln::{
    model::{Cause, JobId, Outcome, StateName, Verdict},
    protocol::{BuildState, LogEnd},
};
use serde_json::json;

use crate::{
    farm::{Farm, project},
    raw::{Raw, planned, report},
    script::endless,
};

async fn check_cancelled(farm: &Farm, job: JobId, attempts: usize) {
    let job = farm.job(job).await;
    let end = (job.summary.state, job.summary.outcome, job.summary.cause);
    assert_eq!(end, (StateName::Finished, Some(Outcome::Cancelled), Some(Cause::Cancelled)));
    assert_eq!(job.summary.message, "cancelled on request");
    assert_eq!(job.attempts.len(), attempts);
}

#[tokio::test]
async fn a_build_whose_plan_waits_ends_at_once() {
    let farm = Farm::alone().await;
    let build = farm.submit_raw(json!({})).await;
    farm.rest.cancel_build(build.id).await.unwrap();
    let build = farm.build(build.id).await;
    assert_eq!((build.state, build.outcome), (BuildState::Finished, Some(Outcome::Cancelled)));
    assert!(build.finished_at.is_some() && build.jobs.is_empty());
    check_cancelled(&farm, build.plan.id, 0).await;
    let agent = Raw::new(&farm, "a").await;
    assert!(agent.claim().await.is_none(), "it is not given out");
    farm.end().await;
}

#[tokio::test]
async fn a_plan_that_succeeds_after_all_makes_no_jobs() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let build = farm.submit_raw(json!({})).await;
    let plan = agent.claim().await.unwrap();
    farm.rest.cancel_build(build.id).await.unwrap();
    assert!(agent.attempt(&plan).renew(Duration::from_secs(5)).await.unwrap().cancel);
    agent.attempt(&plan).finish(&planned()).await.unwrap();
    let build = farm.build(build.id).await;
    assert_eq!((build.state, build.outcome), (BuildState::Finished, Some(Outcome::Cancelled)));
    assert!(build.jobs.is_empty());
    check_cancelled(&farm, plan.job, 1).await;
    farm.end().await;
}

#[tokio::test]
async fn a_queued_job_ends_at_once_and_the_others_go_on() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let more = json!({"toolchains": ["gcc:14", "clang:19"]});
    let (build, running) = agent.leg(&farm, more).await;
    let queued = build.jobs.iter().find(|job| job.id != running.job).unwrap();
    farm.rest.cancel_job(queued.id).await.unwrap();
    check_cancelled(&farm, queued.id, 0).await;
    assert_eq!(farm.build(build.id).await.state, BuildState::Running);
    assert!(!agent.attempt(&running).renew(Duration::ZERO).await.unwrap().cancel);
    agent.end(&running, Verdict::Success).await;
    assert_eq!(farm.build(build.id).await.outcome, Some(Outcome::Cancelled));
    farm.end().await;
}

#[tokio::test]
async fn a_running_job_is_stopped_by_its_agent_within_two_seconds() {
    let farm = Farm::new(|_| endless()).await;
    let repo = project([]);
    let build = farm.submit(&repo).await;
    let job = farm.until_first_leg_runs(build.id).await;
    let began = Instant::now();
    farm.rest.cancel_job(job.summary.id).await.unwrap();
    let build = farm.finished(build.id).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(build.outcome, Some(Outcome::Cancelled));
    check_cancelled(&farm, job.summary.id, 1).await;
    assert!(farm.sandbox.seen()[0].stopped);
    farm.end().await;
}

#[tokio::test]
async fn a_build_is_cancelled_with_all_its_jobs() {
    let farm = Farm::new(|_| endless()).await;
    let more = json!({"toolchains": ["gcc:14", "clang:19", "gcc:12"]});
    let repo = project([]);
    let build = farm.submit_with(&repo, more).await;
    farm.until_build(build.id, |build| {
        build.jobs.iter().filter(|job| job.state == StateName::Running).count() == 2
    })
    .await;
    farm.rest.cancel_build(build.id).await.unwrap();
    let build = farm.finished(build.id).await;
    assert_eq!(build.outcome, Some(Outcome::Cancelled));
    assert!(build.jobs.iter().all(|job| job.outcome == Some(Outcome::Cancelled)), "{build:#?}");
    farm.end().await;
}

#[tokio::test]
async fn the_agent_is_told_at_once_and_may_still_say_how_it_ended() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (build, claimed) = agent.leg(&farm, json!({})).await;
    let attempt = agent.attempt(&claimed);
    let began = Instant::now();
    let (renewed, _) =
        tokio::join!(attempt.renew(Duration::from_secs(10)), farm.rest.cancel_job(claimed.job));
    assert!(renewed.unwrap().cancel && began.elapsed() < Duration::from_secs(2));
    let job = farm.job(claimed.job).await;
    assert!(job.summary.cancel_requested && job.summary.state == StateName::Running);
    agent.end(&claimed, Verdict::Success).await;
    let build = farm.build(build.id).await;
    assert_eq!(build.outcome, Some(Outcome::Success), "it was done already");
    farm.end().await;
}

#[tokio::test]
async fn a_cancelled_job_whose_agent_goes_silent_or_breaks_is_not_tried_again() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, silent) = agent.leg(&farm, json!({})).await;
    farm.rest.cancel_job(silent.job).await.unwrap();
    farm.lapse(silent.job).await;
    check_cancelled(&farm, silent.job, 1).await;

    let (_, broken) = agent.leg(&farm, json!({})).await;
    farm.rest.cancel_job(broken.job).await.unwrap();
    let engine = report(Verdict::Failed(Cause::Engine), LogEnd::default());
    agent.attempt(&broken).finish(&engine).await.unwrap();
    check_cancelled(&farm, broken.job, 1).await;
    farm.end().await;
}

#[tokio::test]
async fn cancelling_again_or_what_has_ended_changes_nothing() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (build, claimed) = agent.leg(&farm, json!({})).await;
    for _ in 0..2 {
        farm.rest.cancel_job(claimed.job).await.unwrap();
        farm.rest.cancel_build(build.id).await.unwrap();
    }
    agent.end(&claimed, Verdict::Failed(Cause::Cancelled)).await;
    let before = serde_json::to_value(farm.build(build.id).await).unwrap();
    farm.rest.cancel_job(claimed.job).await.unwrap();
    farm.rest.cancel_build(build.id).await.unwrap();
    assert_eq!(serde_json::to_value(farm.build(build.id).await).unwrap(), before);
    farm.end().await;
}
