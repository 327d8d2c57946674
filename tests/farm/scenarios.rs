//! Small projects that each do one thing a build should not, or cannot, get away with.

use kiln::model::{Cause, Outcome};

use super::{
    engine,
    support::scenarios,
    world::{Farm, build_of, newest, with_farm},
};

/// A scenario, and how its build ends.
#[derive(Clone, Copy, Debug)]
struct Case {
    scenario: &'static str,
    /// On the command line, besides the URL and the toolchain.
    arguments: &'static [&'static str],
    outcome: Outcome,
    cause: Option<Cause>,
    /// The command line says all of it.
    says: &'static [&'static str],
    /// All that is kept.
    artifacts: &'static [&'static str],
}

const SUCCESS: Case = Case {
    scenario: "",
    arguments: &[],
    outcome: Outcome::Success,
    cause: None,
    says: &[],
    artifacts: &[],
};

/// A case that fails for this.
const fn failed(scenario: &'static str, cause: Cause, says: &'static [&'static str]) -> Case {
    Case { scenario, outcome: cause.outcome(), cause: Some(cause), says, ..SUCCESS }
}

fn check(case: Case) {
    check_then(case, |_, _| ());
}

/// Builds it, compares, and hands over the farm and what the command line said.
fn check_then(case: Case, then: impl FnOnce(&Farm, &str)) {
    let repo = scenarios::repo(case.scenario);
    with_farm(|farm| {
        let url = repo.url();
        let line = [&["build", &url, "-t", "gcc:14"], case.arguments].concat();
        let ran = farm.kiln(line).exits(i32::from(case.outcome != Outcome::Success));
        let said = ran.text();
        // Everything of it is dead as soon as the end is told, or very soon after.
        farm.is_clean();
        for text in case.says {
            assert!(said.contains(text), "{text:?} is not in:\n{said}");
        }
        let job = farm.only_job(build_of(&said));
        let ended = (job.summary.outcome, job.summary.cause);
        assert_eq!(ended, (Some(case.outcome), case.cause), "{said}");
        assert_eq!(job.attempts.len(), 1, "the build's own fault is not tried again");
        let kept = match &newest(&job).artifacts {
            Some(kept) if kept.files > 0 => farm.artifacts(job.summary.id),
            _ => Vec::new(),
        };
        assert_eq!(kept, case.artifacts, "{said}");
        then(farm, &said);
    });
}

#[test]
fn hello_builds_and_its_program_runs() {
    check_then(Case { scenario: "hello", artifacts: &["hello"], ..SUCCESS }, |farm, said| {
        let job = farm.only_job(build_of(said));
        let folder = farm.scratch("kept");
        let id = job.summary.id.to_string();
        farm.kiln(["artifacts", &id, "--download", folder.to_str().unwrap()]).exits(0);
        let image = &newest(&job).sandbox.as_ref().unwrap().image;
        let proof = engine::proof(image, &folder.join("gcc-14"), "./hello").exits(0);
        assert_eq!(proof.text(), "Hello, world\n");
    });
}

#[test]
fn a_compile_error_is_a_failure_with_its_place() {
    check(failed(
        "compile-error",
        Cause::Compile,
        &["broken.c:4:12: error: ", "undeclared", "kiln log "],
    ));
}

#[test]
fn a_link_error_is_told_from_a_compile_error() {
    check(failed("link-error", Cause::Link, &["undefined reference to `defined_nowhere'"]));
}

#[test]
fn a_failing_test_fails_only_who_asks_for_tests() {
    let says = &["expected 4, got 5", "test failed"];
    let case = failed("failing-test", Cause::Test, says);
    check(Case { arguments: &["--test"], ..case });
    check(Case { scenario: "failing-test", artifacts: &["app"], ..SUCCESS });
}

#[test]
fn memory_is_bounded() {
    check(failed("eats-memory", Cause::MemoryLimit, &["the 128 MiB it may have"]));
}

#[test]
fn a_daemon_dies_with_its_build_and_does_not_hold_it_up() {
    let says = &["the build is done"];
    check(Case { scenario: "forks-daemon", artifacts: &["daemon"], says, ..SUCCESS });
}

#[test]
fn a_fork_bomb_meets_the_bound_on_processes() {
    check(failed("forks-without-end", Cause::ProcessesExhausted, &["64 processes"]));
}

#[test]
fn a_build_without_end_meets_its_time_limit() {
    check(failed("never-ends", Cause::WallTime, &["tick 10", "ran longer than 5 s"]));
}

#[test]
fn a_silent_build_meets_the_limit_on_silence() {
    check(failed("silent", Cause::NoOutput, &["wrote nothing for 3 s"]));
}

#[test]
fn there_is_no_network() {
    check_then(Case { scenario: "wants-network", artifacts: &["caller"], ..SUCCESS }, |_, said| {
        assert!(!said.contains("REACHED"), "{said}");
        assert_eq!(said.matches("Network is unreachable").count(), 4, "{said}");
    });
}

#[test]
fn nothing_outside_the_workspace_can_be_written() {
    check_then(
        Case { scenario: "writes-outside", artifacts: &["writer"], ..SUCCESS },
        |_, said| {
            assert!(!said.contains("WRITABLE"), "{said}");
            assert!(said.contains("/etc/passwd: "), "{said}");
        },
    );
}

#[test]
fn links_are_not_followed_and_kept_only_to_what_is_kept() {
    let says = &["libshadow.so is a symlink that leads out of the artifacts"];
    check(Case { scenario: "symlink-artifact", artifacts: &["alias", "app"], says, ..SUCCESS });
}

#[test]
fn artifacts_are_bounded() {
    let says = &["the artifacts are 64.0 MiB, at most 16 MiB are kept"];
    check(failed("huge-artifact", Cause::ArtifactLimit, says));
}

#[test]
fn a_promised_artifact_that_is_missing_is_a_failure_and_the_others_are_kept() {
    let case = failed("missing-artifact", Cause::ArtifactMissing, &["libapp.so"]);
    check(Case { artifacts: &["app"], ..case });
}

#[test]
fn the_workspace_is_bounded() {
    check(failed("fills-workspace", Cause::WorkspaceFull, &["the workspace has 32 MiB"]));
}
