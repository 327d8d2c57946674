//! The compose file on one machine.

use std::time::Duration;

use super::{
    docker::{crash, docker},
    installation::{By, Installation, with_installation},
    program::eventually,
    work::{
        all_end_once, all_tick, build_of, builds_a_real_project, ends_whole, slow_project, submit,
    },
};

/// Enough for every agent to have one, and for some to wait.
const BUILDS: usize = 6;

#[test]
fn the_compose_file_loses_nothing_when_its_parts_die() {
    with_installation(By::Compose, |at| {
        builds_a_real_project(at);

        let slow = slow_project(at);
        let slow = slow.to_str().unwrap();
        let builds = submit(at, slow, BUILDS);
        all_tick(at, &builds, 3);
        // Somebody looks on all the time, through whichever server there is.
        let followed = at.start(["log", "-f", &format!("{}/gcc:14", builds[0])]);
        followed.says("tick");

        crash(&at.containers("server")[0], &at.images.kiln);
        crash(&at.container("agent-2"), &at.images.kiln);
        comes_back(at, "agent-2");
        restart(at, "postgres");
        restart(at, "s3");

        let lost = all_end_once(at, &builds);
        assert!(lost >= 1, "an agent was killed at its job");
        ends_whole(&followed.end(Duration::from_mins(1)).exits(0).text());
        at.is_complete();
        // After all that, it does what it did before.
        let ran = at.kiln(["build", slow, "-t", "gcc:14", "--detach"]).exits(0);
        assert_eq!(all_end_once(at, &[build_of(&ran.text())]), 0);
    });
}

/// A stop as in an update: the engine asks, waits a little, and starts it anew.
fn restart(at: &Installation, service: &str) {
    docker(["restart", "--time", "5", &at.container(service)]).exits(0);
    comes_back(at, service);
}

/// The restart policy is what brings it back.
fn comes_back(at: &Installation, service: &str) {
    let back =
        eventually(Duration::from_mins(1), || (at.containers(service).len() == 1).then_some(()));
    assert!(back.is_some(), "{service} did not start again");
}
