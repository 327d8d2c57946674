//! Much of everything: lines of log, files, bytes of source.

use std::time::Duration;

use kiln::model::Cause;
use sha2::{Digest, Sha256};

use super::{
    support::scenarios,
    world::{Plan, build_of, succeeded, with_farm, with_plan},
};

const LINES: usize = 1_000_000;

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// What the scenario prints.
fn million_lines() -> Vec<u8> {
    let mut lines = Vec::with_capacity(24 * LINES);
    for number in 1..=LINES {
        lines.extend_from_slice(format!("this is line {number:010}\n").as_bytes());
    }
    lines
}

#[test]
fn of_a_million_lines_every_byte_is_there_live_and_afterwards() {
    let repo = scenarios::repo("million-lines");
    with_farm(|farm| {
        let build = farm.submit(&[&repo.url(), "-t", "gcc:14"]);
        let job = farm.wrote(build, "this is line").summary.id;
        let live = farm.start(["log", &job.to_string(), "--follow", "--stream", "stdout"]);
        let live = live.end(Duration::from_mins(5)).exits(0).stdout;
        succeeded(&farm.job(job));
        let id = job.to_string();
        let sealed = farm.kiln(["log", &id, "--stream", "stdout"]).exits(0).stdout;
        let replayed = farm.kiln(["log", &id, "--follow", "--stream", "stdout"]).exits(0).stdout;
        let wanted = million_lines();
        for (how, log) in [("live", live), ("sealed", sealed), ("replayed", replayed)] {
            // make and the compiler speak first.
            let own = log.windows(13).position(|text| text == b"this is line ").unwrap();
            assert_eq!(log.len() - own, wanted.len(), "{how}");
            assert_eq!(sha256(&log[own..]), sha256(&wanted), "{how}");
        }
    });
}

#[test]
fn fifty_thousand_files_arrive() {
    // 50 000 files and the folders they are in are more than the default allows.
    let plan = Plan { env: &[("KILN_SOURCE_SOURCE_ENTRIES", "60000")], ..Plan::default() };
    let repo = scenarios::many_files(50_000);
    with_plan(plan, |farm| {
        let ran = farm.kiln(["build", &repo.url(), "-t", "gcc:14"]).exits(0);
        assert!(ran.text().contains("count: 49998\n"), "{}", ran.text());
        let id = build_of(&ran.text());
        assert_eq!(farm.artifacts(farm.only_job(id).summary.id), ["app"]);
    });
}

#[test]
fn a_source_of_300_mib_arrives() {
    let repo = scenarios::large_source(300);
    with_farm(|farm| {
        let ran = farm.kiln(["build", &repo.url(), "-t", "gcc:14"]).exits(0);
        assert!(ran.text().contains("bytes: 314572800\n"), "{}", ran.text());
    });
}

#[test]
fn more_source_than_the_bounds_allow_is_refused_before_anything_runs() {
    let plan = Plan { env: &[("KILN_SOURCE_SOURCE_ENTRIES", "900")], ..Plan::default() };
    let repo = scenarios::many_files(1_000);
    with_plan(plan, |farm| {
        let ran = farm.kiln(["build", &repo.url(), "-t", "gcc:14"]).exits(1);
        assert!(ran.text().contains("source_too_large"), "{}", ran.text());
        let build = farm.build(build_of(&ran.text()));
        assert!(build.jobs.is_empty(), "{build:?}");
    });
}

#[test]
fn output_beyond_the_raw_bound_ends_the_build() {
    let plan = Plan { env: &[("KILN_LIMITS_DEFAULT_OUTPUT_BYTES", "8388608")], ..Plan::default() };
    let repo = scenarios::repo("hello");
    with_plan(plan, |farm| {
        let ran = farm.kiln(["build", &repo.url(), "-t", "gcc:14", "--", "yes"]).exits(1);
        let job = farm.only_job(build_of(&ran.text()));
        assert_eq!(job.summary.cause, Some(Cause::OutputLimit), "{job:?}");
    });
}
