//! Servers that are away, forget, repeat themselves, or have given the job to somebody else.

use std::time::Duration;

use kiln::{
    config::AgentSettings,
    model::{Cause, Limits, Recipe, StepKind, Stream, Verdict},
    sandbox::{Act, Produced, Scenario},
};
use tokio_util::sync::CancellationToken;

use crate::{
    server::{Faults, Known},
    world::{Setup, World, eventually, leg, out, source_at, step},
};

fn recipe() -> Recipe {
    let mut recipe =
        Recipe { steps: vec![step("compile", StepKind::Compile, "make")], ..Recipe::default() };
    recipe.artifacts.include = vec!["app".to_owned()];
    recipe
}

/// A build of many lines, with a pause in the middle that ends with `go`.
fn many_lines(go: &CancellationToken) -> Scenario {
    let lines = |from: usize| {
        let text: Vec<String> = (from..from + 50).map(|n| format!("line {n}\n")).collect();
        out(&text.concat())
    };
    let mut acts: Vec<Act> = (0..20).map(|n| lines(n * 50)).collect();
    acts.insert(10, Act::Until(go.clone()));
    let files = vec![Produced::file("app", 0o755, b"an app")];
    Scenario { acts, files, ..Scenario::default() }
}

fn whole() -> String {
    (0..1_000).map(|n| format!("line {n}\n")).collect()
}

async fn check(faults: Faults) {
    let go = CancellationToken::new();
    go.cancel();
    let world = World::new(move |_| many_lines(&go)).await;
    world.server().change(|known| known.faults = faults);
    let key = world.queue(leg(recipe(), Limits::default()));
    let (attempt, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Success, "{}", finish.message);
    assert_eq!(attempt.text(Stream::Stdout), whole());
    assert_eq!(finish.artifacts.unwrap().files, 1);
    assert!(attempt.archive.is_some() && attempt.manifest.is_some());
    world.end().await;
}

#[tokio::test]
async fn answers_that_are_lost_neither_lose_nor_repeat_a_line() {
    check(Faults { lost_answers: 3, ..Faults::default() }).await;
}

#[tokio::test]
async fn the_log_goes_on_where_the_server_says_that_it_ends() {
    check(Faults { gaps: 3, ..Faults::default() }).await;
}

#[tokio::test]
async fn uploads_are_repeated() {
    check(Faults { lost_uploads: 3, ..Faults::default() }).await;
}

#[tokio::test]
async fn a_report_is_repeated_until_the_server_has_looked_at_its_log() {
    check(Faults { incomplete: 2, ..Faults::default() }).await;
}

#[tokio::test]
async fn a_server_that_is_away_in_the_middle_of_a_log_gets_all_of_it_later() {
    let go = CancellationToken::new();
    let paused = go.clone();
    // So little room that the build is held up, too.
    let settings = AgentSettings {
        log_memory_bytes: 2_000,
        log_disk_bytes: 3_000,
        ..Setup::default().settings
    };
    let setup = Setup { settings, ..Setup::default() };
    let world = World::with(setup, move |_| many_lines(&paused)).await;
    let key = world.queue(leg(recipe(), Limits::default()));
    world
        .server()
        .until("half of the log", |known| {
            known.attempts.get(&key)?.text(Stream::Stdout).ends_with("line 499\n").then_some(())
        })
        .await;
    world.server().change(|known| known.faults.down = true);
    go.cancel();
    let messages = || world.server().lock().attempts[&key].messages;
    let before = messages();
    eventually("the agent tries again", || messages() >= before + 3).await;
    world.server().change(|known| known.faults.down = false);
    let (attempt, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Success, "{}", finish.message);
    assert_eq!(attempt.text(Stream::Stdout), whole());
    world.end().await;
}

#[tokio::test]
async fn work_that_is_not_ours_any_more_is_dropped_without_a_word() {
    let world =
        World::new(|_| Scenario { acts: vec![out("x\n"), Act::hang()], ..Scenario::default() })
            .await;
    let key = world.queue(leg(recipe(), Limits::default()));
    let runs =
        |known: &Known| known.attempts.get(&key)?.text(Stream::Stdout).contains('x').then_some(());
    world.server().until("output", runs).await;
    world.server().change(|known| known.faults.stale = true);
    eventually("the session is gone", || world.sandbox.seen().iter().all(|seen| seen.gone)).await;
    assert!(world.sandbox.seen()[0].stopped);
    // The agent is fit for the next job, and the old one was never reported.
    world.server().change(|known| known.faults.stale = false);
    let go = leg(recipe(), Limits { wall_seconds: 1, ..Limits::default() });
    let next = world.queue(go);
    world.server().finished(next).await;
    assert!(world.server().lock().attempts[&key].finish.is_none());
    world.end().await;
}

#[tokio::test]
async fn an_agent_that_cannot_renew_for_a_whole_lease_kills_its_own_build() {
    let world =
        World::new(|_| Scenario { acts: vec![out("x\n"), Act::hang()], ..Scenario::default() })
            .await;
    let key = world.queue(leg(recipe(), Limits::default()));
    let runs =
        |known: &Known| known.attempts.get(&key)?.text(Stream::Stdout).contains('x').then_some(());
    world.server().until("output", runs).await;
    world.server().change(|known| known.faults.down = true);
    eventually("the session is gone", || world.sandbox.seen().iter().all(|seen| seen.gone)).await;
    assert!(world.sandbox.seen()[0].stopped);
    world.server().change(|known| known.faults.down = false);
    let next = world.queue(leg(recipe(), Limits { wall_seconds: 1, ..Limits::default() }));
    world.server().finished(next).await;
    assert!(world.server().lock().attempts[&key].finish.is_none());
    world.end().await;
}

/// The server is away for several leases and comes back without having given the job away: nothing
/// of the work is lost, and nothing of what was written meanwhile.
#[tokio::test]
async fn a_build_goes_on_without_its_server_for_a_grace_and_is_delivered_when_it_is_back() {
    let (gate, open) = (CancellationToken::new(), CancellationToken::new());
    let (wait, go) = (gate.clone(), open.clone());
    let settings = AgentSettings { lost_server_seconds: 60, ..Setup::default().settings };
    let world = World::with(Setup { settings, ..Setup::default() }, move |_| {
        let acts = vec![out("x\n"), Act::Until(wait.clone()), out("y\n"), Act::Until(go.clone())];
        Scenario { acts, ..Scenario::default() }
    })
    .await;
    let key = world.queue(leg(recipe(), Limits::default()));
    let says = |text: &'static str| {
        move |known: &Known| {
            known.attempts.get(&key)?.text(Stream::Stdout).contains(text).then_some(())
        }
    };
    world.server().until("output", says("x")).await;
    world.server().change(|known| known.faults.down = true);
    gate.cancel();
    // More than two leases of three seconds, by the clock that the agent goes by.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(!world.sandbox.seen()[0].stopped, "it runs on");
    world.server().change(|known| known.faults.down = false);
    world.server().until("what was written meanwhile", says("y")).await;
    open.cancel();
    let (_, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Success);
    world.end().await;
}

#[tokio::test]
async fn a_fault_in_one_job_is_its_own_error_and_the_agent_goes_on() {
    let world = World::new(|_| Scenario::default()).await;
    let mut broken = leg(recipe(), Limits::default());
    broken.source = source_at("https://example.org/panics");
    let key = world.queue(broken);
    let (_, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Failed(Cause::Engine));
    assert_eq!(finish.message, "a fault in kiln's agent: as the test says");
    let key = world.queue(leg(recipe(), Limits::default()));
    let (_, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Success);
    world.end().await;
}
