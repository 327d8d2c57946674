//! Only the attempt that has a job may say anything about it.

use std::{io::Write as _, time::Duration};

use kiln::{
    model::{Cause, Outcome, StateName, Stream, Verdict},
    protocol::{ArtifactsSummary, Claimed, LogEnd, SandboxView, StartReport},
};
use serde_json::json;

use crate::{
    farm::Farm,
    raw::{COMPILE_FAILED, Raw, code, frames, planned, report, stale},
};

const DELAY_OVER: Duration = Duration::from_secs(11);

/// Every message of an attempt is refused as stale.
async fn check_silenced(agent: &Raw, claimed: &Claimed) {
    let attempt = agent.attempt(claimed);
    let mut end = LogEnd::default();
    let wire = frames(&mut end, &[(Stream::Stdout, b"late\n")]);
    assert_eq!(code(attempt.log(wire).await), stale(), "log");
    assert_eq!(code(attempt.renew(Duration::ZERO).await), stale(), "renew");
    let start = StartReport { sandbox: SandboxView::default() };
    assert_eq!(code(attempt.start(&start).await), stale(), "start");
    assert_eq!(code(attempt.put_manifest(b"{}".to_vec()).await), stale(), "manifest");
    assert_eq!(code(attempt.put_diagnostics(b"{}".to_vec()).await), stale(), "diagnostics");
    let mut archive = tempfile::tempfile().unwrap();
    archive.write_all(b"archive").unwrap();
    assert_eq!(code(attempt.put_archive(&archive, 7).await), stale(), "archive");
    let success = report(Verdict::Success, LogEnd::default());
    assert_eq!(code(attempt.finish(&success).await), stale(), "finish");
    let artifacts =
        ArtifactsSummary { files: 1, bytes: 1, archive_bytes: 7, tar_sha256: "0".repeat(64) };
    let kept = kiln::protocol::FinishReport { artifacts: Some(artifacts), ..success };
    assert_eq!(code(attempt.finish(&kept).await), stale(), "finish with artifacts");
}

#[tokio::test]
async fn an_attempt_whose_lease_lapsed_can_say_nothing_more() {
    let farm = Farm::alone().await;
    let (a, b) = (Raw::new(&farm, "a").await, Raw::new(&farm, "b").await);
    let (build, first) = a.leg(&farm, json!({})).await;
    let job = farm.lapse(first.job).await;
    assert_eq!(job.summary.state, StateName::Queued);
    assert_eq!(job.attempts[0].cause, Some(Cause::AgentLost));
    check_silenced(&a, &first).await;

    assert!(b.claim().await.is_none(), "it waits before it is tried again");
    farm.time.advance(DELAY_OVER);
    let second = b.claim().await.unwrap();
    assert_eq!((second.job, second.attempt), (first.job, 2));
    check_silenced(&a, &first).await;
    b.end(&second, Verdict::Success).await;
    check_silenced(&a, &first).await;
    let job = farm.job(first.job).await;
    assert_eq!(job.attempts.len(), 2);
    assert_eq!((job.summary.outcome, job.attempts[1].agent), (Some(Outcome::Success), b.id));
    assert_eq!(farm.build(build.id).await.outcome, Some(Outcome::Success));
    farm.end().await;
}

#[tokio::test]
async fn an_agent_cannot_speak_for_the_attempt_of_another() {
    let farm = Farm::alone().await;
    let (a, b) = (Raw::new(&farm, "a").await, Raw::new(&farm, "b").await);
    let (_, claimed) = a.leg(&farm, json!({})).await;
    check_silenced(&b, &claimed).await;
    let future = Claimed { attempt: 2, ..claimed.clone() };
    check_silenced(&a, &future).await;
    a.end(&claimed, Verdict::Success).await;
    check_silenced(&b, &claimed).await;
    farm.end().await;
}

#[tokio::test]
async fn a_job_that_is_queued_has_no_attempt_that_may_speak() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, claimed) = agent.leg(&farm, json!({"toolchains": ["gcc:14", "clang:19"]})).await;
    let build = farm.build(claimed.build).await;
    let other = build.jobs.iter().find(|job| job.id != claimed.job).unwrap();
    check_silenced(&agent, &Claimed { job: other.id, ..claimed.clone() }).await;
    agent.end(&claimed, Verdict::Success).await;
    farm.rest.cancel_build(build.id).await.unwrap();
    farm.end().await;
}

#[tokio::test]
async fn finishing_twice_is_finishing_once() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, claimed) = agent.leg(&farm, json!({})).await;
    let attempt = agent.attempt(&claimed);
    let first = report(COMPILE_FAILED, LogEnd::default());
    attempt.finish(&first).await.unwrap();
    attempt.finish(&first).await.unwrap();
    attempt.finish(&report(Verdict::Success, LogEnd::default())).await.unwrap();
    let job = farm.job(claimed.job).await;
    assert_eq!((job.summary.outcome, job.attempts.len()), (Some(Outcome::Failure), 1));
    assert_eq!(job.summary.message, "it was compile");
    farm.end().await;
}

#[tokio::test]
async fn an_error_that_was_told_twice_is_one_attempt() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, claimed) = agent.leg(&farm, json!({})).await;
    let engine = report(Verdict::Failed(Cause::Engine), LogEnd::default());
    agent.attempt(&claimed).finish(&engine).await.unwrap();
    agent.attempt(&claimed).finish(&engine).await.unwrap();
    let job = farm.job(claimed.job).await;
    assert_eq!((job.summary.state, job.summary.attempt), (StateName::Queued, 1));
    farm.rest.cancel_job(claimed.job).await.unwrap();
    agent.attempt(&claimed).finish(&engine).await.unwrap();
    assert_eq!(farm.job(claimed.job).await.summary.outcome, Some(Outcome::Cancelled));
    farm.end().await;
}

#[tokio::test]
async fn an_attempt_ends_only_when_its_log_is_whole() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, claimed) = agent.leg(&farm, json!({})).await;
    let attempt = agent.attempt(&claimed);
    let (mut end, mut whole) = (LogEnd::default(), LogEnd::default());
    let one = frames(&mut end, &[(Stream::Stdout, b"one\n")]);
    frames(&mut whole, &[(Stream::Stdout, b"one\n"), (Stream::Stderr, b"two\n")]);
    assert_eq!(attempt.log(one.clone()).await.unwrap(), end);
    assert_eq!(attempt.log(one).await.unwrap(), end, "again is the same");

    let refused = attempt.finish(&report(Verdict::Success, whole)).await.unwrap_err();
    assert_eq!(refused.log_end(), Some(end), "{refused}");
    assert_eq!(code(Err::<(), _>(refused)), (409, "log_incomplete".to_owned()));

    let mut ahead = LogEnd { seq: 2, offset: 9 };
    let refused = attempt.log(frames(&mut ahead, &[(Stream::Stdout, b"three")])).await.unwrap_err();
    assert_eq!(refused.log_end(), Some(end), "{refused}");
    assert_eq!(code(Err::<(), _>(refused)), (409, "log_gap".to_owned()));

    let mut wrong = LogEnd { seq: 1, offset: 3 };
    let refused = attempt.log(frames(&mut wrong, &[(Stream::Stdout, b"x")])).await;
    assert_eq!(code(refused), (400, "bad_request".to_owned()));
    for noise in [&b"noise"[..], b"{}\n", b"\xff\n", b"{\"seq\":1,\"offset\":4}\n"] {
        let refused = attempt.log(noise.to_vec()).await;
        assert_eq!(code(refused), (400, "bad_request".to_owned()), "{noise:?}");
    }
    let refused = attempt.log(vec![b'x'; (4 << 20) + 1]).await;
    assert_eq!(code(refused), (413, "too_large".to_owned()));

    let two = frames(&mut end, &[(Stream::Stderr, b"two\n")]);
    attempt.log(two).await.unwrap();
    attempt.finish(&report(Verdict::Success, end)).await.unwrap();
    let late = frames(&mut end, &[(Stream::Stdout, b"late\n")]);
    assert_eq!(code(attempt.log(late).await), stale());
    assert_eq!(farm.job(claimed.job).await.attempts[0].log_bytes, 8);
    farm.end().await;
}

#[tokio::test]
async fn reports_that_make_no_sense_are_refused() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let build = farm.submit_raw(json!({})).await;
    let plan = agent.claim().await.unwrap();
    let bare = report(Verdict::Success, LogEnd::default());
    let refused = agent.attempt(&plan).finish(&bare).await;
    assert_eq!(code(refused), (422, "invalid".to_owned()), "a plan without what it found");
    let refused = agent.attempt(&plan).put_manifest(b"{}".to_vec()).await;
    assert_eq!(code(refused), (422, "invalid".to_owned()), "a plan keeps nothing");
    agent.attempt(&plan).finish(&planned()).await.unwrap();
    let leg = agent.claim().await.unwrap();
    assert_eq!(code(agent.attempt(&leg).finish(&planned()).await), (422, "invalid".to_owned()));
    let artifacts =
        ArtifactsSummary { files: 1, bytes: 1, archive_bytes: 1, tar_sha256: "0".repeat(64) };
    let kept = kiln::protocol::FinishReport { artifacts: Some(artifacts), ..bare };
    let refused = agent.attempt(&leg).finish(&kept).await;
    assert_eq!(code(refused), (422, "invalid".to_owned()), "artifacts that were not stored");
    agent.end(&leg, Verdict::Success).await;
    farm.finished(build.id).await;
    farm.end().await;
}

#[tokio::test]
async fn an_agent_that_registers_again_has_a_new_token_and_only_that() {
    let farm = Farm::alone().await;
    let old = Raw::new(&farm, "a").await;
    let new = Raw::new(&farm, "a").await;
    assert_eq!(old.id, new.id);
    let refused = old.client.claim(&old.request(Duration::ZERO)).await;
    assert_eq!(code(refused), (401, "unauthorized".to_owned()));
    assert!(new.claim().await.is_none());
    farm.end().await;
}
