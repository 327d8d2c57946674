//! More than one try in one attempt: another build system of the tree, or one job at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use kiln::{
    model::{FrameKind, Limits, Recipe, Stream, Verdict},
    protocol::FinishReport,
    sandbox::{Act, Exit, Produced, Scenario, Seen},
};

use crate::{
    server::Attempt,
    world::{Setup, Tree, World, err, leg, mark, out},
};

const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0>\0\x01\0\0\0";
const TOO_NEW: &str = "CMake Error at CMakeLists.txt:1 (cmake_minimum_required):\n  CMake 99.0 or higher is required.  You are running version 3.31.6\n\n\n";
const NO_ZLIB: &str = "CMake Error at CMakeLists.txt:3 (message):\n  Could NOT find ZLIB (missing: ZLIB_LIBRARY)\n\n\n";
const NO_HEADER: &str = "main.c:1:10: fatal error: gen.h: No such file or directory\n";
const WRONG: &str = "main.c:1:2: error: expected ';' before '}' token\n";

const BOTH: &[(&str, &str)] = &[
    ("CMakeLists.txt", "project(app C)\n"),
    ("Makefile", "app: main.c\n\t$(CC) -o app main.c\n"),
    ("main.c", "int main(void) { return 0; }\n"),
];

/// A try whose only step that begins ends like this.
fn fails(text: &str, status: i32, oom_killed: bool, files: Vec<Produced>) -> Scenario {
    let mut acts: Vec<Act> = mark("s;0").to_vec();
    acts.push(err(text));
    acts.extend(mark(&format!("e;0;{status}")));
    let exit = Exit { code: status.into(), oom_killed, stopped: false, used: None };
    Scenario { acts, exit, files, ..Scenario::default() }
}

/// A try that builds.
fn builds() -> Scenario {
    let mut acts: Vec<Act> = mark("s;0").to_vec();
    acts.push(out("built\n"));
    acts.extend(mark("e;0;0"));
    let files = vec![Produced::file("app", 0o755, ELF)];
    Scenario { acts, files, ..Scenario::default() }
}

struct Ended {
    attempt: Attempt,
    finish: FinishReport,
    seen: Vec<Seen>,
}

/// Builds a tree whose tries go like this, one after the other.
async fn build(
    tree: &[(&'static str, &'static str)],
    tries: impl Fn(usize) -> Scenario + Send + Sync + 'static,
) -> Ended {
    let number = AtomicUsize::new(0);
    let setup = Setup { tree: Tree(tree.to_vec()), ..Setup::default() };
    let world = World::with(setup, move |_| tries(number.fetch_add(1, Ordering::SeqCst))).await;
    let limits = Limits { cpu_millis: 2_000, ..Limits::default() };
    let key = world.queue(leg(Recipe::default(), limits));
    let (attempt, finish) = world.server().finished(key).await;
    let sandbox = world.sandbox.clone();
    world.end().await;
    Ended { attempt, finish, seen: sandbox.seen() }
}

/// Which steps the log has: their numbers, names and exit statuses.
fn steps(attempt: &Attempt) -> Vec<String> {
    let steps = attempt.frames.iter().filter_map(|frame| match &frame.kind {
        FrameKind::StepStart { name, .. } => Some(format!("{} {name}", frame.step?)),
        FrameKind::StepEnd { exit_code } => Some(format!("{} ends {exit_code}", frame.step?)),
        FrameKind::Data(..) => None,
    });
    steps.collect()
}

#[tokio::test]
async fn the_next_system_is_tried_in_the_same_attempt() {
    let ended = build(BOTH, |number| match number {
        0 => fails(TOO_NEW, 1, false, Vec::new()),
        _ => builds(),
    })
    .await;
    assert_eq!((ended.finish.verdict, &*ended.finish.message), (Verdict::Success, ""));
    let expected = ["0 configure", "0 ends 1", "1 compile", "1 ends 0"];
    assert_eq!(steps(&ended.attempt), expected);
    let kiln = ended.attempt.text(Stream::Kiln);
    let says = "CMake does not work here: it asks for a newer CMake.";
    assert!(kiln.contains(says) && kiln.contains("Building with Make"), "{kiln}");
    // Two sessions, each with the source, and nothing of either is left.
    assert_eq!(ended.seen.len(), 2);
    assert!(ended.seen.iter().all(|seen| seen.gone && !seen.source.is_empty()));
    assert!(ended.seen[1].script.contains("make"), "{}", ended.seen[1].script);
    let used = ended.finish.diagnostics.unwrap();
    assert_eq!(used.errors, 0, "errors of the try that was given up do not count");
}

#[tokio::test]
async fn a_failure_tells_of_the_systems_before() {
    let ended = build(BOTH, |number| match number {
        0 => fails(TOO_NEW, 1, false, Vec::new()),
        _ => fails(WRONG, 2, false, Vec::new()),
    })
    .await;
    let message = &ended.finish.message;
    assert!(message.starts_with("compile failed: main.c:1:2: expected ';'"), "{message}");
    assert!(message.contains("(before that, CMake: configure failed: "), "{message}");
    assert_eq!(ended.seen.len(), 2);
}

#[tokio::test]
async fn what_every_system_lacks_ends_the_attempt() {
    let ended = build(BOTH, |_| fails(NO_ZLIB, 1, false, Vec::new())).await;
    assert!(ended.finish.message.starts_with("configure failed"), "{}", ended.finish.message);
    assert_eq!(ended.seen.len(), 1);
}

#[tokio::test]
async fn a_file_that_was_made_too_late_is_waited_for_with_one_job() {
    let late = || vec![Produced::file("gen.h", 0o644, b"")];
    let ended = build(&BOTH[1..], move |number| match number {
        0 => fails(NO_HEADER, 2, false, late()),
        _ => builds(),
    })
    .await;
    assert_eq!(ended.finish.verdict, Verdict::Success, "{}", ended.finish.message);
    assert_eq!(steps(&ended.attempt), ["0 compile", "0 ends 2", "1 compile", "1 ends 0"]);
    let kiln = ended.attempt.text(Stream::Kiln);
    assert!(kiln.contains("gen.h was not there when it was needed"), "{kiln}");
    assert!(ended.seen[0].script.contains("'MAKEFLAGS=-j2'"), "{}", ended.seen[0].script);
    assert!(ended.seen[1].script.contains("'MAKEFLAGS=-j1'"), "{}", ended.seen[1].script);
}

#[tokio::test]
async fn other_failures_of_make_are_not_tried_again() {
    let late = || vec![Produced::file("gen.h", 0o644, b"")];
    for (text, oom_killed, files) in [
        (WRONG, false, late()),
        // It is not there later either: a header of a library.
        (NO_HEADER, false, Vec::new()),
        (NO_HEADER, true, late()),
    ] {
        let files = std::sync::Mutex::new(files);
        let ended = build(&BOTH[1..], move |_| {
            let files = std::mem::take(&mut *files.lock().unwrap());
            fails(text, 2, oom_killed, files)
        })
        .await;
        assert_eq!(ended.seen.len(), 1, "{text}");
        assert_ne!(ended.finish.verdict, Verdict::Success);
    }
    // Once is enough.
    let ended = build(&BOTH[1..], move |_| fails(NO_HEADER, 2, false, late())).await;
    assert_eq!(ended.seen.len(), 2);
    assert_ne!(ended.finish.verdict, Verdict::Success);
}
