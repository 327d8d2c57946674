//! A build that somebody does not want any more.

use std::time::{Duration, Instant};

use kiln::{
    model::{Cause, Outcome},
    protocol::BuildFilter,
};

use super::{
    program::eventually,
    support::scenarios,
    world::{Plan, newest, with_farm, with_plan},
};

/// Two seconds are promised; the rest is for the program that asks, and for tests beside this one.
const DEAD_WITHIN: Duration = Duration::from_secs(4);

#[test]
fn a_cancelled_build_is_dead_at_once() {
    let repo = scenarios::repo("takes-its-time");
    with_farm(|farm| {
        let build = farm.submit(&[&repo.url(), "-t", "gcc:14"]);
        let job = farm.wrote(build, "tick 2").summary.id;
        assert!(!farm.running().is_empty(), "it runs");
        let asked = Instant::now();
        farm.kiln(["cancel", &build.to_string()]).exits(0);
        let builds = || farm.running().into_iter().any(|name| name.ends_with("-b"));
        let dead = eventually(DEAD_WITHIN, || (!builds()).then(|| asked.elapsed()));
        println!("the container was dead {dead:?} after it was asked for");
        assert!(dead.is_some(), "it runs on: {:?}", farm.running());
        let ended = farm.ended(build);
        assert_eq!(ended.outcome, Some(Outcome::Cancelled));
        let job = farm.job(job);
        assert_eq!(job.summary.cause, Some(Cause::Cancelled));
        // What it said until then is kept.
        assert!(farm.log_of(job.summary.id, newest(&job).number).contains("tick 2\n"));
        // A second time is no mistake, and changes nothing.
        farm.kiln(["cancel", &build.to_string()]).exits(0);
        assert_eq!(farm.build(build).outcome, Some(Outcome::Cancelled));
    });
}

#[test]
fn whoever_follows_a_cancelled_build_is_told() {
    let repo = scenarios::repo("never-ends");
    with_farm(|farm| {
        let follower = farm.start(["build", &repo.url(), "-t", "gcc:14", "--timeout", "2m"]);
        let id = eventually(Duration::from_mins(1), || {
            let builds = farm.ask(|rest| async move { rest.builds(&BuildFilter::default()).await });
            builds.items.first().map(|build| build.id)
        });
        let id = id.expect("the build is there");
        farm.wrote(id, "tick 3");
        farm.kiln(["cancel", &id.to_string()]).exits(0);
        let said = follower.end(Duration::from_mins(1)).exits(1).text();
        assert!(said.contains("cancelled"), "{said}");
    });
}

#[test]
fn a_build_that_waits_can_be_cancelled() {
    let repo = scenarios::repo("takes-its-time");
    let plan = Plan { env: &[("KILN_AGENT_WORKERS", "1")], ..Plan::default() };
    with_plan(plan, |farm| {
        let first = farm.submit(&[&repo.url(), "-t", "gcc:14"]);
        farm.wrote(first, "tick 1");
        let second = farm.submit(&[&repo.url(), "-t", "clang:19"]);
        farm.kiln(["cancel", &second.to_string()]).exits(0);
        assert_eq!(farm.ended(second).outcome, Some(Outcome::Cancelled));
        assert_eq!(farm.ended(first).outcome, Some(Outcome::Success));
    });
}
