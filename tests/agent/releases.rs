//! Servers of other releases.

use kiln::{
    model::{Limits, Recipe, Stream, Verdict},
    protocol::{Claimed, PROTOCOL_VERSION},
    sandbox::Scenario,
};
use serde_json::Value;

use crate::{
    server::Faults,
    world::{Setup, World, leg, one_step, out},
};

fn of_release(protocol: u32) -> Setup {
    Setup { faults: Faults { protocol: Some(protocol), ..Faults::default() }, ..Setup::default() }
}

/// What a server of protocol 2 answered to a claim, as it was sent.
const CLAIMED_OF_2: &str = include_str!("../app/release_2/claimed-leg.json");

#[tokio::test]
async fn a_server_of_the_release_before_is_told_nothing_that_it_would_refuse() {
    let world = World::with(of_release(2), |_| Scenario {
        acts: one_step(vec![out("x\n")], 0),
        ..Scenario::default()
    })
    .await;
    // What it said of a job is understood.
    let kept: Claimed = serde_json::from_str(CLAIMED_OF_2).unwrap();
    let job = Claimed { work: kept.work, ..leg(Recipe::default(), Limits::default()) };
    let key = world.queue(job);
    let (attempt, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Success, "{}", finish.message);
    assert_eq!(attempt.text(Stream::Stdout), "x\n");
    {
        let known = world.server().lock();
        assert_eq!(known.last_register["protocol"], 2);
        assert_eq!(known.registered.len(), 1);
    }
    world.end().await;
}

#[tokio::test]
async fn a_server_of_this_release_or_the_next_hears_which_process_it_is() {
    for protocol in [PROTOCOL_VERSION, PROTOCOL_VERSION + 1] {
        let world = World::with(of_release(protocol), |_| Scenario::default()).await;
        let key = world.queue(leg(Recipe::default(), Limits::default()));
        world.server().finished(key).await;
        let sent: Value = world.server().lock().last_claim_sent.clone();
        assert_eq!(sent["protocol"], PROTOCOL_VERSION);
        assert!(sent["process"].as_str().is_some_and(|process| process.len() == 32), "{sent}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_server_that_is_too_old_ends_the_agent_with_what_to_do() {
    let mut world = World::with(of_release(PROTOCOL_VERSION - 2), |_| Scenario::default()).await;
    let error = world.agent_ended().await.unwrap_err().to_string();
    assert!(error.contains("upgrade the server to kiln"), "{error}");
    assert_eq!(world.server().lock().registered.len(), 0, "it has used no enrollment token up");
}

/// The server was upgraded, or gone back from, under an agent that runs.
#[tokio::test]
async fn an_agent_finds_out_that_its_server_has_become_another_release() {
    let world = World::new(|_| Scenario::default()).await;
    world.server().change(|known| known.faults.protocol = Some(2));
    let key = world.queue(leg(Recipe::default(), Limits::default()));
    let (_, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Success, "{}", finish.message);
    world.end().await;
}
