//! Trying again: by itself after errors, and because a person wants it.

use std::time::Duration;

use kiln::{
    model::{Cause, Outcome, StateName, Verdict},
    protocol::{BuildState, Retry},
    sandbox::{SandboxError, Scenario, Verb},
};
use serde_json::json;

use crate::{
    farm::{Farm, Setup, clang, gcc, project},
    raw::{COMPILE_FAILED, Raw, code, planned},
    script::hello,
};

fn conflict() -> (u16, String) {
    (409, "conflict".to_owned())
}

#[tokio::test]
async fn an_engine_that_fails_is_tried_three_times() {
    let setup = Setup { manual: true, ..Setup::default() };
    let farm = Farm::with(setup, |_| {
        let error = SandboxError::Engine("no space left on device".into());
        Scenario { failure: Some((Verb::Load, error)), ..Scenario::default() }
    })
    .await;
    let repo = project([]);
    let build = farm.submit(&repo).await;
    let build = farm.until_build(build.id, |build| !build.jobs.is_empty()).await;
    let id = build.jobs[0].id;
    for attempt in 1..3 {
        let waits = |job: &kiln::protocol::Job| {
            (job.summary.state, job.summary.attempt) == (StateName::Queued, attempt)
        };
        let job = farm.until_job(id, waits).await;
        assert!(job.summary.message.contains("no space left"), "{}", job.summary.message);
        assert_eq!(farm.build(build.id).await.outcome, None);
        farm.time.advance(Duration::from_secs(11));
    }
    let build = farm.finished(build.id).await;
    assert_eq!((build.outcome, build.cause()), (Some(Outcome::Error), Some(Cause::Engine)));
    let job = farm.job(id).await;
    let causes: Vec<_> = job.attempts.iter().map(|attempt| attempt.cause).collect();
    assert_eq!(causes, [Some(Cause::Engine); 3]);
    assert_eq!(farm.sandbox.seen().len(), 3, "each in a sandbox of its own");
    farm.end().await;
}

#[tokio::test]
async fn an_error_that_goes_away_leaves_a_success() {
    let setup = Setup { manual: true, ..Setup::default() };
    let farm = Farm::with(setup, |spec| match spec.attempt {
        1 => {
            let error = SandboxError::Engine("not now".into());
            Scenario { failure: Some((Verb::Open, error)), ..Scenario::default() }
        }
        _ => hello(),
    })
    .await;
    let repo = project([]);
    let build = farm.submit(&repo).await;
    farm.until_build(build.id, |build| build.jobs.iter().any(|job| job.attempt == 1)).await;
    farm.until_build(build.id, |build| build.jobs[0].state == StateName::Queued).await;
    farm.time.advance(Duration::from_secs(11));
    let build = farm.finished(build.id).await;
    assert_eq!((build.outcome, build.jobs[0].attempt), (Some(Outcome::Success), 2));
    farm.end().await;
}

#[tokio::test]
async fn a_retried_job_no_longer_counts() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let more = json!({"toolchains": ["gcc:14", "clang:19"]});
    let (build, first) = agent.leg(&farm, more).await;
    assert_eq!(code(farm.rest.retry_job(first.job).await), conflict(), "it runs");
    let queued = build.jobs.iter().find(|job| job.id != first.job).unwrap();
    assert_eq!(code(farm.rest.retry_job(queued.id).await), conflict(), "it waits");
    assert_eq!(code(farm.rest.retry_job(build.plan.id).await), conflict(), "the plan succeeded");
    let named = Retry { toolchains: vec![gcc()] };
    assert_eq!(code(farm.rest.retry_build(build.id, &named).await), conflict());
    agent.end(&first, COMPILE_FAILED).await;
    let second = agent.claim().await.unwrap();
    agent.end(&second, Verdict::Success).await;
    assert_eq!(farm.build(build.id).await.outcome, Some(Outcome::Failure));

    farm.time.advance(Duration::from_millis(2));
    farm.rest.retry_job(first.job).await.unwrap();
    assert_eq!(code(farm.rest.retry_job(first.job).await), conflict(), "only once");
    let running = farm.build(build.id).await;
    assert_eq!(
        (running.state, running.outcome, running.finished_at),
        (BuildState::Running, None, None)
    );
    let again = agent.claim().await.unwrap();
    let job = farm.job(again.job).await;
    assert_eq!((job.summary.retry_of, again.attempt), (Some(first.job), 1));
    assert!(farm.job(first.job).await.summary.retried);
    agent.end(&again, Verdict::Success).await;
    let build = farm.build(build.id).await;
    assert_eq!((build.outcome, build.jobs.len()), (Some(Outcome::Success), 3));
    let place = |id| build.jobs.iter().position(|job| job.id == id).unwrap();
    assert_eq!(place(again.job), place(first.job) + 1, "a retry follows what it retries");
    assert_eq!(build.jobs[0].toolchain, Some(gcc()), "legs stand in the order asked for");
    farm.end().await;
}

#[tokio::test]
async fn a_build_is_retried_where_it_failed_or_where_it_is_told() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let more = json!({"toolchains": ["gcc:14", "clang:19"]});
    let (build, first) = agent.leg(&farm, more).await;
    agent.end(&first, COMPILE_FAILED).await;
    let second = agent.claim().await.unwrap();
    agent.end(&second, Verdict::Success).await;

    farm.rest.retry_build(build.id, &Retry::default()).await.unwrap();
    let again = agent.claim().await.unwrap();
    assert_eq!(farm.job(again.job).await.summary.retry_of, Some(first.job));
    agent.end(&again, Verdict::Success).await;
    assert!(agent.claim().await.is_none(), "only what failed");
    let nothing = farm.rest.retry_build(build.id, &Retry::default()).await;
    assert_eq!(code(nothing), conflict(), "nothing failed");

    let named = Retry { toolchains: vec![clang()] };
    farm.rest.retry_build(build.id, &named).await.unwrap();
    let again = agent.claim().await.unwrap();
    assert_eq!(farm.job(again.job).await.summary.toolchain, Some(clang()));
    agent.end(&again, COMPILE_FAILED).await;
    assert_eq!(farm.build(build.id).await.outcome, Some(Outcome::Failure), "the newest counts");
    let unknown = Retry { toolchains: vec!["gcc:12".parse().unwrap()] };
    let refused = farm.rest.retry_build(build.id, &unknown).await;
    assert_eq!(code(refused), (422, "invalid".to_owned()));
    farm.end().await;
}

#[tokio::test]
async fn a_plan_that_failed_is_planned_again() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let build = farm.submit_raw(json!({})).await;
    let plan = agent.claim().await.unwrap();
    agent.end(&plan, Verdict::Failed(Cause::SourceTooLarge)).await;
    let failed = farm.build(build.id).await;
    assert_eq!((failed.state, failed.outcome), (BuildState::Finished, Some(Outcome::Failure)));

    farm.rest.retry_build(build.id, &Retry::default()).await.unwrap();
    let planning = farm.build(build.id).await;
    assert_eq!((planning.state, planning.outcome), (BuildState::Planning, None));
    assert_ne!(planning.plan.id, plan.job, "the newest plan is shown");
    let again = agent.claim().await.unwrap();
    agent.attempt(&again).finish(&planned()).await.unwrap();
    let leg = agent.claim().await.unwrap();
    agent.end(&leg, Verdict::Success).await;
    assert_eq!(farm.build(build.id).await.outcome, Some(Outcome::Success));
    farm.end().await;
}
