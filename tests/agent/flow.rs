//! Jobs that go as they should.

use std::os::unix::fs::PermissionsExt;

use kiln::{
    archive::Manifest,
    model::{ArtifactRules, FrameKind, Limits, Recipe, StepKind, Stream, Verdict},
    protocol::{DiagnosticsReport, Work},
    sandbox::{Exit, Produced, Scenario, Verb},
};

use crate::world::{Setup, Tree, World, claimed, err, leg, mark, out, step};

/// The first bytes of a position-independent ELF program.
const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0";

#[tokio::test]
async fn a_build_is_logged_kept_and_reported() {
    let world = World::new(|_| {
        let mut acts = mark("s;0").to_vec();
        acts.extend([
            out("cc -o app main.c\n"),
            err("main.c:1:2: warning: x\n"),
            out("no newline"),
        ]);
        acts.extend(mark("e;0;0"));
        acts.extend(mark("s;1"));
        acts.push(out("testing\n"));
        acts.extend(mark("e;1;0"));
        acts.extend(mark("u;5000000;42000"));
        let files = vec![
            Produced::file("app", 0o755, ELF),
            Produced::file("script.sh", 0o755, b"#!/bin/sh\n"),
            Produced::file("main.o", 0o644, b"object"),
        ];
        Scenario { acts, files, ..Scenario::default() }
    })
    .await;
    let steps = vec![
        step("compile", StepKind::Compile, "make"),
        step("test", StepKind::Test, "make check"),
    ];
    let recipe = Recipe { steps, ..Recipe::default() };
    let limits = Limits { processes: 99, ..Limits::default() };
    let key = world.queue(leg(recipe, limits));
    let (attempt, finish) = world.server().finished(key).await;

    assert_eq!((finish.verdict, &*finish.message), (Verdict::Success, ""));
    assert_eq!(attempt.text(Stream::Stdout), "cc -o app main.c\nno newlinetesting\n");
    assert_eq!(attempt.text(Stream::Stderr), "main.c:1:2: warning: x\n");
    let kiln = attempt.text(Stream::Kiln);
    for line in [
        "Toolchain: gcc:14, gcc 14.2.0, image 1234567890ab\n",
        "Source: https://example.org/project at 0123456789ab, 1.2 KiB received, ",
        "Submodules left out (submodules = true in .kiln.toml fetches them): lib/sub\n",
        "Limits: processes = 99\n",
        "The recipe gives the steps.\n",
        "Artifacts: 1 file, 24 bytes, ",
        "Success, ",
    ] {
        assert!(kiln.contains(line), "{line:?} is not in {kiln}");
    }
    let marks: Vec<_> = attempt
        .frames
        .iter()
        .filter_map(|frame| match &frame.kind {
            FrameKind::StepStart { name, .. } => Some(format!("start {name}")),
            FrameKind::StepEnd { exit_code } => Some(format!("end {exit_code}")),
            FrameKind::Data(..) => None,
        })
        .collect();
    assert_eq!(marks, ["start compile", "end 0", "start test", "end 0"]);
    let of_test = attempt.frames.iter().find(|frame| frame.data() == b"testing\n").unwrap();
    assert_eq!(of_test.step, Some(1));

    let start = attempt.start.unwrap().sandbox;
    assert_eq!((&*start.image, &*start.profile), ("sha256:1234567890abcdef", "scripted/none"));
    assert_eq!((finish.usage.peak_memory_bytes, finish.usage.cpu_millis), (5_000_000, 42));
    assert_eq!(finish.diagnostics.unwrap().warnings, 1);
    let said = attempt.diagnostics.unwrap();
    let said: DiagnosticsReport =
        serde_json::from_reader(flate2::read::GzDecoder::new(&said[..])).unwrap();
    assert_eq!((said.warnings, said.diagnostics.len()), (1, 1));
    let summary = finish.artifacts.unwrap();
    let manifest: Manifest = serde_json::from_slice(&attempt.manifest.unwrap()).unwrap();
    manifest.check().unwrap();
    let names: Vec<_> = manifest.files.iter().map(|file| file.path.to_string()).collect();
    assert_eq!(names, ["app"]);
    assert_eq!(summary.archive_bytes, attempt.archive.unwrap().len() as u64);
    assert_eq!(manifest.header.compiler.as_deref(), Some("gcc 14.2.0"));

    let seen = &world.sandbox.seen()[0];
    assert_eq!(
        seen.verbs,
        [Verb::Open, Verb::Load, Verb::Run, Verb::List, Verb::Collect, Verb::Close]
    );
    assert_eq!(seen.collected, [b"app".to_vec(), b"script.sh".to_vec()]);
    assert!(seen.script.contains("command export 'CC=gcc'"), "{}", seen.script);
    world.end().await;
}

#[tokio::test]
async fn a_build_that_made_nothing_is_a_success_that_says_so() {
    let world = World::new(|_| Scenario::default()).await;
    let key = world.queue(leg(Recipe::default(), Limits::default()));
    let (attempt, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Success);
    assert!(finish.message.contains("made no program or library"), "{}", finish.message);
    assert!(finish.artifacts.is_none() && attempt.archive.is_none());
    world.end().await;
}

#[tokio::test]
async fn a_success_that_lost_a_process_is_a_success_with_a_warning() {
    let world = World::new(|_| {
        let exit = Exit { code: 0, oom_killed: true, stopped: false, used: None };
        Scenario { exit, ..Scenario::default() }
    })
    .await;
    let key = world.queue(leg(Recipe::default(), Limits::default()));
    let (attempt, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Success);
    assert!(attempt.text(Stream::Kiln).contains("warning: a process was killed because"));
    world.end().await;
}

#[tokio::test]
async fn a_failed_build_keeps_its_artifacts_when_the_recipe_says_always() {
    let world = World::new(|_| Scenario {
        acts: crate::world::one_step(vec![err("make: *** [all] Error 1\n")], 2),
        exit: Exit { code: 2, oom_killed: false, stopped: false, used: None },
        files: vec![Produced::file("config.log", 0o644, b"why")],
        ..Scenario::default()
    })
    .await;
    let artifacts: ArtifactRules =
        serde_json::from_str(r#"{"include": ["config.log"], "when": "always"}"#).unwrap();
    let key = world.queue(leg(Recipe { artifacts, ..Recipe::default() }, Limits::default()));
    let (attempt, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Failed(kiln::model::Cause::Compile));
    assert_eq!(finish.artifacts.unwrap().files, 1);
    assert!(attempt.archive.is_some());
    world.end().await;
}

#[tokio::test]
async fn a_plan_reports_what_the_commit_says() {
    let recipe = "toolchains = [\"gcc:14\"]\n";
    let tree = Tree(vec![(".kiln.toml", recipe), ("notes.txt", "x")]);
    let setup = Setup { tree, ..Setup::default() };
    let world = World::with(setup, |_| panic!("a plan has no sandbox")).await;
    let key = world.queue(claimed(Work::Plan { submission: Box::default() }));
    let (_, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Success);
    let plan = finish.plan.unwrap();
    assert_eq!(plan.recipe_file.as_deref(), Some(recipe));
    assert_eq!(plan.info.author, "A. Author");
    assert!(plan.no_choice.unwrap().starts_with("This is not a C or C++ project"));
    world.end().await;
}

#[tokio::test]
async fn an_agent_that_is_started_again_is_the_same_agent() {
    let mut world = World::new(|_| Scenario::default()).await;
    world.server().until("a claim", |known| known.last_claim.as_ref().map(drop)).await;
    world.stop.cancel();
    world.wait_for_agent().await;
    let token = world.directory.path().join("token.json");
    let mode = std::fs::metadata(token).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    world.start_agent(Setup::default());
    let key = world.queue(leg(Recipe::default(), Limits::default()));
    world.server().finished(key).await;
    assert_eq!(world.server().lock().registered.len(), 1);

    // A server that has forgotten it is told again who it is.
    world.server().change(|known| known.registered.push("Bearer somebody else".into()));
    let key = world.queue(leg(Recipe::default(), Limits::default()));
    world.server().finished(key).await;
    assert_eq!(world.server().lock().registered.len(), 3);
    world.end().await;
}

#[tokio::test]
async fn a_claim_tells_what_the_agent_has_and_how_many_workers_are_free() {
    let world =
        World::new(|_| Scenario { acts: vec![kiln::sandbox::Act::hang()], ..Scenario::default() })
            .await;
    let status = world
        .server()
        .until("a claim that knows the images", |known| {
            let status = known.last_claim.clone()?.status;
            (!status.toolchains.is_empty()).then_some(status)
        })
        .await;
    assert_eq!((status.workers, status.busy, &*status.arch), (2, 0, "x86_64"));
    world.queue(leg(Recipe::default(), Limits::default()));
    world
        .server()
        .until("a claim with one worker busy", |known| {
            (known.last_claim.as_ref()?.status.busy == 1).then_some(())
        })
        .await;
    world.end().await;
}
