//! `kill -9` in the middle of a build: no job is lost, none is done twice, nothing stays behind.

use std::time::Duration;

use kiln::{
    model::{Cause, Outcome},
    protocol::Job,
};

use super::{
    program::eventually,
    support::scenarios,
    world::{Farm, Plan, newest, succeeded, with_farm, with_plan},
};

const APART: Plan = Plan { env: &[], no_agent: true };
/// A lease is 30 s.
const LAPSED: Duration = Duration::from_mins(1);

/// All that the scenario prints, in the order in which it does.
fn is_whole(log: &str) -> bool {
    let ticks: Vec<_> = log.lines().filter(|line| line.starts_with("tick ")).collect();
    let wanted: Vec<_> = (1..=12).map(|n| format!("tick {n}")).collect();
    ticks == wanted
}

/// It was lost once and built in the second attempt; the log of the first is what there was of it.
fn built_at_the_second_attempt(farm: &Farm, job: &Job) {
    succeeded(job);
    assert_eq!(job.attempts.len(), 2, "{job:?}");
    assert_eq!(job.attempts[0].cause, Some(Cause::AgentLost), "{job:?}");
    let (first, second) = (farm.log_of(job.summary.id, 1), farm.log_of(job.summary.id, 2));
    assert!(first.contains("tick 2\n") && !is_whole(&first), "{first}");
    assert!(is_whole(&second), "{second}");
    assert_eq!(farm.artifacts(job.summary.id), ["app"]);
}

#[test]
fn after_a_crash_of_everything_the_build_is_done_by_a_new_attempt() {
    let repo = scenarios::repo("takes-its-time");
    with_farm(|farm| {
        let build = farm.submit(&[&repo.url(), "-t", "gcc:14"]);
        farm.wrote(build, "tick 2");
        farm.kill_server();
        assert!(!farm.running().is_empty(), "the container outlives its agent");
        farm.start_server();
        // The same agent again: it removes what its former life left, whoever has the job now.
        assert_eq!(farm.ended(build).outcome, Some(Outcome::Success));
        built_at_the_second_attempt(farm, &farm.only_job(build));
    });
}

#[test]
fn a_crash_of_the_server_does_not_disturb_a_build_or_those_who_follow_it() {
    let repo = scenarios::repo("takes-its-time");
    with_plan(APART, |farm| {
        farm.start_agent("one");
        let build = farm.submit(&[&repo.url(), "-t", "gcc:14"]);
        let job = farm.wrote(build, "tick 2");
        let id = job.summary.id.to_string();
        let follower = farm.start(["log", &id, "--follow"]);
        // Who has not reached the server yet is told that there is none.
        follower.says("tick 2");
        farm.kill_server();
        farm.start_server();
        assert_eq!(farm.ended(build).outcome, Some(Outcome::Success));
        let job = farm.only_job(build);
        assert_eq!(job.attempts.len(), 1, "the agent went on: {job:?}");
        let log = farm.log_of(job.summary.id, 1);
        assert!(is_whole(&log), "{log}");
        let followed = follower.end(Duration::from_mins(1)).exits(0).text();
        assert_eq!(followed, log, "nothing is missing and nothing comes twice");
    });
}

#[test]
fn another_agent_takes_the_job_of_one_that_crashed() {
    let repo = scenarios::repo("takes-its-time");
    with_plan(APART, |farm| {
        farm.start_agent("one");
        let build = farm.submit(&[&repo.url(), "-t", "gcc:14"]);
        let first = newest(&farm.wrote(build, "tick 2")).agent;
        farm.start_agent("two");
        farm.kill_agent("one");
        let taken = eventually(LAPSED, || {
            let job = farm.only_job(build);
            job.attempts.last().map(|attempt| attempt.agent).filter(|agent| *agent != first)
        });
        assert!(taken.is_some(), "{:?}", farm.only_job(build));
        assert_eq!(farm.ended(build).outcome, Some(Outcome::Success));
        built_at_the_second_attempt(farm, &farm.only_job(build));
        // Its containers are its own; it removes them when it is there again.
        farm.start_agent("one");
        farm.is_clean();
    });
}
