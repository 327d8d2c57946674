//! That the look at what is left sees something: a guard that never bites is none.

use std::{fs, os::unix::process::CommandExt};

use super::{
    engine,
    program::{command, start},
    support::scenarios,
    world::{Farm, build_of, with_farm},
};

/// Builds something, so that there is an installation to leave something of.
fn build(farm: &Farm) {
    let repo = scenarios::repo("hello");
    let ran = farm.kiln(["build", &repo.url(), "-t", "gcc:14"]).exits(0);
    assert_eq!(farm.artifacts(farm.only_job(build_of(&ran.text())).summary.id), ["hello"]);
}

#[test]
#[should_panic(expected = "containers or volumes are left")]
fn a_volume_that_is_left_fails_a_test() {
    with_farm(|farm| {
        build(farm);
        engine::leave_volume(&farm.instances()[0]);
    });
}

#[test]
#[should_panic(expected = "left behind")]
fn a_file_that_is_left_fails_a_test() {
    with_farm(|farm| {
        build(farm);
        fs::write(farm.scratch("tmp").join("forgotten"), "").unwrap();
    });
}

#[test]
#[should_panic(expected = "left behind")]
fn a_process_that_is_left_fails_a_test() {
    let mut forgotten = None;
    with_farm(|farm| {
        build(farm);
        // In the server's group, as its helpers are.
        let mut sleep = command("sleep");
        sleep.arg("60").process_group(farm.server_group());
        forgotten = Some(start(&mut sleep, Vec::new()));
    });
}
