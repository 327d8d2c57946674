//! How builds end: in failure, in time, or because somebody wants them to.

use std::time::{Duration, Instant};

use kiln::{
    model::{Cause, Limits, Recipe, StepKind, Stream, Verdict},
    sandbox::{Act, EntryKind, Exit, Produced, SandboxError, Scenario, Verb},
};

use crate::{
    server::Known,
    world::{World, err, leg, mark, one_step, out, source_at, step},
};

fn exits(code: i64, oom_killed: bool) -> Exit {
    Exit { code, oom_killed, stopped: false, used: None }
}

fn link(path: &str, target: &str) -> Produced {
    Produced { kind: EntryKind::Symlink, ..Produced::file(path, 0o777, target.as_bytes()) }
}

fn recipe() -> Recipe {
    Recipe { steps: vec![step("compile", StepKind::Compile, "make")], ..Recipe::default() }
}

/// Runs one leg that does this, and compares how it is reported to have ended.
async fn check(
    scenario: impl Fn() -> Scenario + Send + Sync + 'static,
    (recipe, limits): (Recipe, Limits),
    (cause, message): (Cause, &str),
) {
    let world = World::new(move |_| scenario()).await;
    let key = world.queue(leg(recipe, limits));
    let (attempt, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Failed(cause), "{}", finish.message);
    assert!(finish.message.contains(message), "{}", finish.message);
    assert!(attempt.text(Stream::Kiln).ends_with(&format!("{}\n", finish.message)));
    world.end().await;
}

#[tokio::test]
async fn a_compile_error_is_the_sentence() {
    let acts = || one_step(vec![err("a.c:12:5: error: expected ';' before '}' token\n")], 2);
    check(
        move || Scenario { acts: acts(), exit: exits(2, false), ..Scenario::default() },
        (recipe(), Limits::default()),
        (Cause::Compile, "compile failed: a.c:12:5: expected ';'"),
    )
    .await;
}

#[tokio::test]
async fn a_link_error_is_told_from_a_compile_error() {
    let said = "/usr/bin/ld: a.o: in function `main':\na.c:(.text+0x5): undefined reference to `f'\n\
                collect2: error: ld returned 1 exit status\n";
    check(
        move || Scenario {
            acts: one_step(vec![err(said)], 2),
            exit: exits(2, false),
            ..Scenario::default()
        },
        (recipe(), Limits::default()),
        (Cause::Link, "undefined reference to `f'"),
    )
    .await;
}

#[tokio::test]
async fn memory_is_judged_by_what_the_kernel_says() {
    check(
        || Scenario { acts: mark("s;0").to_vec(), exit: exits(137, true), ..Scenario::default() },
        (recipe(), Limits::default()),
        (Cause::MemoryLimit, "more memory than the 2 GiB"),
    )
    .await;
}

#[tokio::test]
async fn a_required_artifact_that_is_missing_fails_the_job() {
    let mut recipe = recipe();
    recipe.artifacts.required = vec!["build/app".to_owned()];
    check(
        Scenario::default,
        (recipe, Limits::default()),
        (Cause::ArtifactMissing, "no file matches build/app"),
    )
    .await;
}

#[tokio::test]
async fn artifacts_beyond_the_bound_fail_the_job() {
    let mut recipe = recipe();
    recipe.artifacts.include = vec!["big".to_owned()];
    check(
        || Scenario {
            files: vec![Produced::file("big", 0o644, &[0; 2_000])],
            ..Scenario::default()
        },
        (recipe, Limits { artifact_bytes: 1_000, ..Limits::default() }),
        (Cause::ArtifactLimit, "at most 1000 bytes are kept"),
    )
    .await;
}

#[tokio::test]
async fn executables_beyond_what_is_searched_fail_the_job() {
    check(
        || {
            let file = |n: usize| Produced::file(&format!("run{n}"), 0o755, &[b'x'; 1_000]);
            Scenario { files: (0..5).map(file).collect(), ..Scenario::default() }
        },
        (recipe(), Limits { artifact_bytes: 1_000, ..Limits::default() }),
        (Cause::ArtifactLimit, "5 files of 4.8 KiB may be programs or libraries"),
    )
    .await;
}

#[tokio::test]
async fn a_required_artifact_that_cannot_be_packed_is_missing() {
    let mut recipe = recipe();
    recipe.artifacts.required = vec!["build/app".to_owned()];
    check(
        || Scenario {
            files: vec![link("build/app", "/etc/passwd"), Produced::file("a", 0o644, b"")],
            ..Scenario::default()
        },
        (recipe, Limits::default()),
        (Cause::ArtifactMissing, "no file matches build/app"),
    )
    .await;
}

#[tokio::test]
async fn the_links_of_a_shared_library_are_kept() {
    let mut recipe = recipe();
    recipe.artifacts.include = vec!["lib".to_owned()];
    recipe.artifacts.required = vec!["lib/libx.so".to_owned()];
    let world = World::new(|_| Scenario {
        files: vec![
            Produced::file("lib/libx.so.1.0", 0o755, b"\x7fELF"),
            link("lib/libx.so", "libx.so.1"),
            link("lib/libx.so.1", "libx.so.1.0"),
            link("lib/out.so", "../../libx.so.1"),
        ],
        ..Scenario::default()
    })
    .await;
    let key = world.queue(leg(recipe, Limits::default()));
    let (attempt, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Success, "{}", finish.message);
    assert_eq!(finish.artifacts.unwrap().files, 3);
    let said = attempt.text(Stream::Kiln);
    assert!(said.contains("lib/out.so is a symlink that leads out of the artifacts"), "{said}");
    world.end().await;
}

#[tokio::test]
async fn a_step_that_kills_its_own_shell_fails_as_a_command() {
    check(
        || Scenario { acts: mark("s;0").to_vec(), exit: exits(137, false), ..Scenario::default() },
        (recipe(), Limits::default()),
        (Cause::Command, "the build ended with exit status 137: killed by signal 9"),
    )
    .await;
}

#[tokio::test]
async fn a_container_that_something_else_kills_is_the_engines() {
    check(
        || Scenario {
            exit: exits(137, false),
            failure: Some((Verb::List, SandboxError::Engine("gone".into()))),
            ..Scenario::default()
        },
        (recipe(), Limits::default()),
        (Cause::Engine, "something outside of kiln killed the container"),
    )
    .await;
}

#[tokio::test]
async fn a_build_that_runs_too_long_is_stopped() {
    check(
        || {
            let mut acts = mark("s;0").to_vec();
            acts.push(Act::hang());
            Scenario { acts, ..Scenario::default() }
        },
        (recipe(), Limits { wall_seconds: 1, ..Limits::default() }),
        (Cause::WallTime, "ran longer than 1 s"),
    )
    .await;
}

#[tokio::test]
async fn a_build_that_falls_silent_is_stopped() {
    check(
        || Scenario { acts: vec![out("hello\n"), Act::hang()], ..Scenario::default() },
        (recipe(), Limits { silence_seconds: 1, ..Limits::default() }),
        (Cause::NoOutput, "wrote nothing for 1 s"),
    )
    .await;
}

#[tokio::test]
async fn a_build_that_writes_too_much_is_stopped_at_the_bound() {
    let world = World::new(|_| {
        let mut acts = vec![out(&"x".repeat(1_000)); 100];
        acts.push(Act::hang());
        Scenario { acts, ..Scenario::default() }
    })
    .await;
    let key = world.queue(leg(recipe(), Limits { output_bytes: 65_536, ..Limits::default() }));
    let (attempt, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Failed(Cause::OutputLimit));
    assert_eq!(attempt.text(Stream::Stdout).len(), 65_536);
    world.end().await;
}

#[tokio::test]
async fn a_cancelled_build_is_dead_within_two_seconds() {
    let world =
        World::new(|_| Scenario { acts: vec![out("begun\n"), Act::hang()], ..Scenario::default() })
            .await;
    let key = world.queue(leg(recipe(), Limits::default()));
    world
        .server()
        .until("output", |known| {
            known.attempts.get(&key)?.text(Stream::Stdout).contains("begun").then_some(())
        })
        .await;
    let asked = Instant::now();
    world.server().change(|known| known.faults.cancel = true);
    let (_, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Failed(Cause::Cancelled));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let seen = &world.sandbox.seen()[0];
    assert!(seen.stopped && seen.gone);
    world.end().await;
}

#[tokio::test]
async fn a_job_is_cancelled_while_its_source_is_fetched() {
    let world = World::new(|_| Scenario::default()).await;
    let mut job = leg(recipe(), Limits::default());
    job.source = source_at("https://example.org/hangs");
    let key = world.queue(job);
    world.server().until("start", |known| known.attempts.get(&key)?.start.clone().map(drop)).await;
    world.server().change(|known| known.faults.cancel = true);
    let (_, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Failed(Cause::Cancelled));
    world.end().await;
}

#[tokio::test]
async fn a_job_is_cancelled_while_its_artifacts_cannot_be_sent() {
    let world = World::new(|_| Scenario {
        files: vec![Produced::file("app", 0o755, b"\x7fELF")],
        ..Scenario::default()
    })
    .await;
    world.server().change(|known| known.faults.lost_uploads = usize::MAX);
    let mut recipe = recipe();
    recipe.artifacts.include = vec!["app".to_owned()];
    let key = world.queue(leg(recipe, Limits::default()));
    let is_sending = |known: &Known| (known.faults.lost_uploads < usize::MAX).then_some(());
    world.server().until("upload", is_sending).await;
    let asked = Instant::now();
    world.server().change(|known| known.faults.cancel = true);
    let (_, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Failed(Cause::Cancelled));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    world.end().await;
}

#[tokio::test]
async fn trouble_before_the_build_has_its_cause() {
    let world = World::new(|spec| {
        let failure = (spec.limits.processes == 8)
            .then(|| (Verb::Open, SandboxError::Engine("no room".into())));
        Scenario { failure, ..Scenario::default() }
    })
    .await;
    let mut away = leg(recipe(), Limits::default());
    away.source = source_at("https://example.org/away");
    let engine = leg(recipe(), Limits { processes: 8, ..Limits::default() });
    let mut image = leg(recipe(), Limits::default());
    if let kiln::protocol::Work::Leg { toolchain, .. } = &mut image.work {
        *toolchain = "gcc:99".parse().unwrap();
    }
    for (job, cause, message) in [
        (away, Cause::SourceUnreachable, "example.org cannot be reached"),
        (engine, Cause::Engine, "the container engine: no room"),
        (image, Cause::Image, "the image of gcc:99 is not on this machine"),
    ] {
        let key = world.queue(job);
        let (_, finish) = world.server().finished(key).await;
        assert_eq!((finish.verdict, &*finish.message), (Verdict::Failed(cause), message));
    }
    world.end().await;
}

#[tokio::test]
async fn an_agent_that_ends_lets_jobs_finish_and_gives_back_those_that_do_not() {
    let world = World::new(|spec| {
        let act = if spec.limits.processes == 8 { Act::hang() } else { out("quick\n") };
        Scenario { acts: vec![act], ..Scenario::default() }
    })
    .await;
    let slow = world.queue(leg(recipe(), Limits { processes: 8, ..Limits::default() }));
    world.server().until("start", |known| known.attempts.get(&slow)?.start.clone().map(drop)).await;
    world.stop.cancel();
    let (_, finish) = world.server().finished(slow).await;
    assert_eq!(finish.verdict, Verdict::Failed(Cause::AgentLost));
    assert_eq!(finish.message, "the agent was stopped");
    world.end().await;
}
