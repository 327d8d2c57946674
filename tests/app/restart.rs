//! Whatever is restarted in the middle: no job is lost, none is done twice, no byte is missing.

use std::time::Duration;

use kiln::{
    model::{Cause, Outcome, StateName, Stream, Verdict},
    protocol::{BuildState, LogEnd},
    sandbox::{Act, Scenario},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    farm::{Farm, Setup, project},
    follow::{events, follow},
    raw::{Raw, frames, report},
    script::{endless, hello, mark, out},
    wire::Ask,
};

#[tokio::test]
async fn a_job_goes_on_while_its_server_is_away() {
    let go_on = CancellationToken::new();
    let gate = go_on.clone();
    let mut farm = Farm::new(move |_| {
        let mut acts = mark("s;0").to_vec();
        acts.extend([out(b"before\n"), Act::Until(gate.clone()), out(b"after\n")]);
        acts.extend(mark("e;0;0"));
        Scenario { acts, ..hello() }
    })
    .await;
    let repo = project([]);
    let build = farm.submit(&repo).await;
    let job = farm.until_first_leg_runs(build.id).await.summary.id;
    let target = format!("api/v1/jobs/{job}/log/stream");
    let before = events(&farm, &target, None, |event| event.2.contains("before")).await;
    let last = before.last().unwrap().0.clone();

    farm.stop_server().await;
    go_on.cancel();
    farm.restart_stopped().await;
    let build = farm.finished(build.id).await;
    assert_eq!(build.outcome, Some(Outcome::Success), "{build:#?}");
    let done = farm.job(job).await;
    assert_eq!(done.attempts.len(), 1, "it was not done twice");
    assert_eq!(farm.sandbox.seen().len(), 1);
    let whole = Ask::get(format!("/api/v1/jobs/{job}/log")).send(farm.address()).await.body;
    assert_eq!(whole.len() as u64, done.attempts[0].log_bytes);
    let stdout = Ask::get(format!("/api/v1/jobs/{job}/log?stream=stdout"));
    assert_eq!(stdout.send(farm.address()).await.text(), "before\nafter\n");
    let rest = events(&farm, &target, Some(&last), |_| false).await;
    let text: String = [before, rest]
        .concat()
        .iter()
        .filter(|(_, name, _)| name == "log")
        .map(|(_, _, data)| serde_json::from_str::<serde_json::Value>(data).unwrap())
        .map(|data| data["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(text, String::from_utf8(whole).unwrap(), "each byte once");
    farm.end().await;
}

#[tokio::test]
async fn a_follower_sees_each_byte_once_over_a_restart() {
    let mut farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, leg) = agent.leg(&farm, json!({})).await;
    let mut end = LogEnd::default();
    let mut say = |text: &str| frames(&mut end, &[(Stream::Stdout, text.as_bytes())]);
    let (one, two, three) = (say("one\n"), say("two\n"), say("three\n"));
    agent.attempt(&leg).log(one).await.unwrap();
    // The follower has its own client, so that it lives through the restart.
    let rest = farm.rest.clone();
    let following = tokio::spawn(async move {
        let mut follow =
            kiln::client::LogFollow::new(rest, leg.job, None, CancellationToken::new());
        let mut bytes = Vec::new();
        while let Some(event) = follow.next().await {
            bytes.extend(kiln::client::event_bytes(&event.unwrap()).unwrap_or_default().iter());
        }
        bytes
    });
    agent.attempt(&leg).log(two).await.unwrap();
    farm.restart_server().await;
    let lease = agent.attempt(&leg).renew(Duration::ZERO).await.unwrap().lease_ms;
    assert!((25_000..=30_000).contains(&lease), "{lease}");
    let early = agent.attempt(&leg).finish(&report(Verdict::Success, end)).await.unwrap_err();
    assert_eq!(early.log_end(), Some(LogEnd { seq: 2, offset: 8 }), "nothing was lost");
    agent.attempt(&leg).log(three).await.unwrap();
    agent.attempt(&leg).finish(&report(Verdict::Success, end)).await.unwrap();
    let bytes = tokio::time::timeout(crate::farm::PATIENCE, following).await.unwrap().unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), "one\ntwo\nthree\n");
    farm.restart_server().await;
    assert_eq!(follow(&farm, leg.job).await.bytes, b"one\ntwo\nthree\n");
    farm.end().await;
}

#[tokio::test]
async fn a_server_that_was_away_for_longer_than_the_lease_takes_no_job_away() {
    let mut farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, leg) = agent.leg(&farm, json!({})).await;
    farm.stop_server().await;
    farm.time.advance(Duration::from_hours(1));
    farm.restart_stopped().await;
    agent.attempt(&leg).renew(Duration::ZERO).await.unwrap();
    agent.end(&leg, Verdict::Success).await;
    assert_eq!(farm.job(leg.job).await.attempts.len(), 1);
    farm.end().await;
}

#[tokio::test]
async fn queued_jobs_outlive_the_server_and_keep_their_order() {
    let mut farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let mut builds = Vec::new();
    for _ in 0..3 {
        builds.push(farm.submit_raw(json!({})).await.id);
        farm.time.advance(Duration::from_millis(2));
    }
    farm.restart_server().await;
    for build in builds {
        let plan = agent.claim().await.unwrap();
        assert_eq!(plan.build, build);
        agent.end(&plan, crate::raw::COMPILE_FAILED).await;
    }
    farm.end().await;
}

#[tokio::test]
async fn a_job_whose_agent_died_is_done_by_its_next_life() {
    let setup = Setup { manual: true, ..Setup::default() };
    let mut farm = Farm::with(setup, |spec| match spec.attempt {
        1 => endless(),
        _ => hello(),
    })
    .await;
    let repo = project([]);
    let build = farm.submit(&repo).await;
    let job = farm.until_first_leg_runs(build.id).await.summary.id;
    let said = format!("/api/v1/jobs/{job}/log?attempt=1&stream=stdout");
    crate::farm::eventually("it has said something", async || {
        Ask::get(&*said).send(farm.address()).await.text() == "begun\n"
    })
    .await;
    farm.kill_agent(0).await;
    assert_eq!(farm.job(job).await.summary.state, StateName::Running, "nobody knows yet");
    assert_eq!(farm.lapse(job).await.summary.state, StateName::Queued);
    farm.start_agent(0);
    farm.time.advance(Duration::from_secs(11));
    let build = farm.finished(build.id).await;
    assert_eq!(build.outcome, Some(Outcome::Success));
    let job = farm.job(job).await;
    let causes: Vec<_> = job.attempts.iter().map(|attempt| attempt.cause).collect();
    assert_eq!(causes, [Some(Cause::AgentLost), None]);
    assert_eq!(job.attempts[0].agent, job.attempts[1].agent, "it is the same agent");
    let kept = Ask::get(&*said).send(farm.address()).await;
    assert_eq!(kept.text(), "begun\n", "what it said is kept");
    farm.end().await;
}

#[tokio::test]
async fn an_agent_that_is_stopped_gives_its_job_back() {
    let setup = Setup { manual: true, agents: 2, workers: 1, ..Setup::default() };
    let mut farm = Farm::with(setup, |spec| match spec.attempt {
        1 => endless(),
        _ => hello(),
    })
    .await;
    let repo = project([]);
    let build = farm.submit(&repo).await;
    let job = farm.until_first_leg_runs(build.id).await;
    let agents = farm.rest.agents().await.unwrap().items;
    let holder = agents.iter().find(|agent| agent.jobs.contains(&job.summary.id)).unwrap();
    let number = holder.name.strip_prefix("agent-").unwrap().parse().unwrap();
    farm.stop_agent(number).await;
    let waiting =
        farm.until_job(job.summary.id, |job| job.summary.state == StateName::Queued).await;
    assert_eq!(waiting.attempts[0].outcome, Some(Outcome::Error), "{waiting:#?}");
    farm.time.advance(Duration::from_secs(11));
    let build = farm.finished(build.id).await;
    assert_eq!((build.state, build.outcome), (BuildState::Finished, Some(Outcome::Success)));
    let job = farm.job(job.summary.id).await;
    assert_ne!(job.attempts[0].agent, job.attempts[1].agent);
    farm.end().await;
}
