//! One suite for both implementations: what the code around a sandbox relies on.
//!
//! Each case has the script that a real container runs and the scenario that a scripted session
//! plays; what comes out has to be the same.

use bytes::Bytes;
use kiln::{
    model::{Clock, JobId, Stream, SystemClock},
    sandbox::{
        Act, EntryKind, Exit, ImageId, Produced, Sandbox, SandboxError, Scenario, ScriptedSandbox,
        Session, SessionSpec, Verb,
    },
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::harness::{self, entries, run, source, start, with_farm};

const WRITES: &str = "printf 'out\\000\\377'; printf err >&2";

fn writes() -> Scenario {
    let write = |stream, bytes: &'static [u8]| Act::Write(stream, Bytes::from_static(bytes));
    Scenario {
        acts: vec![write(Stream::Stdout, b"out\0\xff"), write(Stream::Stderr, b"err")],
        ..Scenario::default()
    }
}

const FAILS: &str = "exit 7";

fn fails() -> Scenario {
    let exit = Exit { code: 7, oom_killed: false, stopped: false, used: None };
    Scenario { exit, ..Scenario::default() }
}

const HANGS: &str = "trap '' TERM INT HUP; echo up; while :; do sleep 1000; done";

fn hangs() -> Scenario {
    Scenario { acts: vec![Act::say("up\n"), Act::hang()], ..Scenario::default() }
}

const MAKES: &str = "mkdir d && printf made >d/-x && chmod 755 d/-x && ln -s nowhere l";

fn makes() -> Scenario {
    let entry = |path: &str, kind, mode, contents: &[u8]| Produced {
        path: path.into(),
        kind,
        mode,
        contents: contents.into(),
    };
    let files = vec![
        entry("d", EntryKind::Directory, 0o755, b""),
        entry("d/-x", EntryKind::File, 0o755, b"made"),
        entry("l", EntryKind::Symlink, 0o777, b"nowhere"),
    ];
    Scenario { files, ..Scenario::default() }
}

/// Runs the suite over `sandbox`; `at` makes what a session is opened for from the case's name.
async fn suite(sandbox: &dyn Sandbox, at: impl Fn(&str) -> SessionSpec) {
    let open = async |case: &str| sandbox.open(at(case)).await.unwrap();

    let mut session = open("writes").await;
    session.load(source(&[("a", 0o644, b"a")])).await.unwrap();
    let ran = run(session.as_mut(), WRITES).await.ok();
    assert_eq!((&ran.stdout[..], &ran.stderr[..]), (&b"out\0\xff"[..], &b"err"[..]));
    assert!(!ran.exit.stopped && !ran.exit.oom_killed);
    let again = run_again(session.as_mut()).await;
    assert!(matches!(again, SandboxError::Engine(_)), "a session runs once: {again}");
    session.close().await.unwrap();

    let mut session = open("fails").await;
    session.load(source(&[])).await.unwrap();
    assert_eq!(run(session.as_mut(), FAILS).await.exit.code, 7);
    assert!(session.list(10).await.unwrap().is_empty(), "after a failure there is still a listing");
    session.close().await.unwrap();

    let mut session = open("hangs").await;
    session.load(source(&[])).await.unwrap();
    let started = start(session, HANGS).await;
    started.stop.cancel();
    let (session, exit) = started.task.await.unwrap();
    assert_eq!((exit.code, exit.stopped), (137, true));
    session.close().await.unwrap();

    let mut session = open("hangs").await;
    session.load(source(&[])).await.unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    let exit = session.run(HANGS.into(), mpsc::channel(16).0, stop).await.unwrap();
    assert!(exit.stopped, "a token that was cancelled before the run stops it too");
    session.close().await.unwrap();

    let mut session = open("makes").await;
    session.load(source(&[("kept.sh", 0o755, b"#!/bin/sh\n")])).await.unwrap();
    run(session.as_mut(), MAKES).await.ok();
    let error = session.list(3).await.unwrap_err();
    assert!(matches!(error, SandboxError::ArtifactLimit(_)), "{error}");
    session.close().await.unwrap();

    let mut session = open("makes").await;
    session.load(source(&[("kept.sh", 0o755, b"#!/bin/sh\n")])).await.unwrap();
    run(session.as_mut(), MAKES).await.ok();
    let mut listed: Vec<_> = session
        .list(4)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| (entry.path, entry.kind, entry.mode))
        .collect();
    listed.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        listed,
        [
            (b"d".to_vec(), EntryKind::Directory, 0o755),
            (b"d/-x".to_vec(), EntryKind::File, 0o755),
            (b"kept.sh".to_vec(), EntryKind::File, 0o755),
            (b"l".to_vec(), EntryKind::Symlink, 0o777),
        ]
    );
    let chosen = [&b"l"[..], b"d/-x", b"kept.sh"].map(<[u8]>::to_vec);
    let tar = session.collect(chosen.to_vec()).await.unwrap();
    let collected = entries(tar).await;
    assert_eq!(
        collected,
        [
            (b"l".to_vec(), b"nowhere".to_vec(), 0o777),
            (b"d/-x".to_vec(), b"made".to_vec(), 0o755),
            (b"kept.sh".to_vec(), b"#!/bin/sh\n".to_vec(), 0o755),
        ]
    );
    assert!(session.collect(Vec::new()).await.is_err(), "collecting is the last verb");
    session.close().await.unwrap();

    let mut session = open("makes").await;
    session.load(source(&[])).await.unwrap();
    run(session.as_mut(), MAKES).await.ok();
    session.list(10).await.unwrap();
    for unlisted in ["d"] {
        let paths = vec![unlisted.as_bytes().to_vec()];
        assert!(session.collect(paths).await.is_err(), "{unlisted}");
    }
    session.close().await.unwrap();
}

async fn run_again(session: &mut dyn Session) -> SandboxError {
    session.run("true".into(), mpsc::channel(1).0, CancellationToken::new()).await.unwrap_err()
}

#[tokio::test]
async fn a_scripted_sandbox_conforms() {
    let sandbox = ScriptedSandbox::new(|spec| match spec.image.0.as_str() {
        "writes" => writes(),
        "fails" => fails(),
        "hangs" => hangs(),
        "makes" => makes(),
        other => panic!("no such case: {other}"),
    });
    suite(&sandbox, |case| harness::spec(ImageId(case.to_owned()))).await;
    assert!(sandbox.seen().iter().all(|seen| seen.gone));
}

#[tokio::test]
async fn a_docker_sandbox_conforms() {
    with_farm(async |farm| suite(&farm.sandbox, |_| farm.spec()).await).await;
}

#[tokio::test]
async fn a_scripted_session_remembers_what_was_asked_of_it() {
    let sandbox = ScriptedSandbox::new(|spec| Scenario {
        failure: (spec.attempt == 2)
            .then(|| (Verb::Open, SandboxError::Engine("the engine is away".to_owned()))),
        ..Scenario::default()
    });
    let mut spec = harness::spec(ImageId("any".to_owned()));
    spec.job = JobId::new(SystemClock.now());
    let mut session = sandbox.open(spec.clone()).await.unwrap();
    session.load(source(&[("a", 0o644, b"text")])).await.unwrap();
    run(session.as_mut(), "make all").await.ok();
    session.list(10).await.unwrap();
    drop(session.collect(vec![b"a".to_vec()]).await.unwrap());
    drop(session);
    spec.attempt = 2;
    assert!(sandbox.open(spec).await.is_err());

    let seen = sandbox.seen();
    assert_eq!(seen[0].verbs, [Verb::Open, Verb::Load, Verb::Run, Verb::List, Verb::Collect]);
    assert_eq!((seen[0].script.as_str(), seen[0].stopped, seen[0].gone), ("make all", false, true));
    assert_eq!(seen[0].collected, [b"a".to_vec()]);
    assert!(seen[0].source.len() > 1_024);
    assert_eq!((seen[1].spec.attempt, seen[1].gone), (2, true));
}
