//! Lists in pages, filters, and submissions that are sent twice.

use std::collections::BTreeSet;

use kiln::{
    model::Verdict,
    protocol::{Build, BuildFilter, SubmitBuild},
};
use serde_json::json;

use crate::{
    farm::{COMMIT, Farm, Setup, nothing},
    raw::{COMPILE_FAILED, Raw, code},
    script::hello,
    wire::Ask,
};

#[tokio::test]
async fn a_hundred_and_twenty_builds_are_paged_without_loss() {
    let farm = Farm::alone().await;
    let mut wanted = Vec::new();
    for _ in 0..120 {
        wanted.push(farm.submit_raw(json!({})).await.id);
    }
    wanted.sort_by(|a, b| b.cmp(a));
    for limit in [None, Some(1), Some(7), Some(119), Some(120), Some(200)] {
        let mut filter = BuildFilter { limit, ..BuildFilter::default() };
        let mut got = Vec::new();
        loop {
            let page = farm.rest.builds(&filter).await.unwrap();
            assert!(page.items.len() <= limit.unwrap_or(50) as usize);
            got.extend(page.items.iter().map(|build| build.id));
            let Some(next) = page.next else { break };
            assert!(!page.items.is_empty());
            filter.cursor = Some(next);
        }
        assert_eq!(got, wanted, "{limit:?}");
    }
    for id in wanted {
        farm.rest.cancel_build(id).await.unwrap();
    }
    farm.end().await;
}

#[tokio::test]
async fn limits_and_cursors_that_make_no_sense_are_refused() {
    let farm = Farm::alone().await;
    for query in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=4294967296",
        "limit=1.5",
        "cursor=garbage",
        "cursor=",
        "cursor=%00",
        "cursor=%ff",
        "cursor=' OR 1=1 --",
        "state=done",
        "outcome=great",
        "commit=abc",
        "commit=main",
        "toolchain=GCC",
        "toolchain=%00",
        "unknown=1",
        "limit=1&limit=2",
    ] {
        let target = format!("/api/v1/builds?{}", query.replace(' ', "%20"));
        let answer = Ask::get(target).send(farm.address()).await;
        let code = answer.refusal();
        assert!(["invalid", "bad_request"].contains(&&*code), "{query}: {}", answer.text());
    }
    farm.end().await;
}

#[tokio::test]
async fn filters_all_have_to_match() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (good, leg) = agent.leg(&farm, json!({"toolchains": ["clang:19"]})).await;
    agent.end(&leg, Verdict::Success).await;
    let (bad, leg) = agent.leg(&farm, json!({})).await;
    agent.end(&leg, COMPILE_FAILED).await;
    let waiting = farm.submit_raw(json!({})).await;
    for (query, expected) in [
        ("state=finished", vec![&good, &bad]),
        ("state=planning", vec![&waiting]),
        ("state=queued", vec![]),
        ("outcome=success", vec![&good]),
        ("outcome=failure", vec![&bad]),
        ("toolchain=clang:19", vec![&good]),
        ("toolchain=gcc:12", vec![]),
        ("toolchain=gcc:14&outcome=success", vec![]),
        (&*format!("commit={COMMIT}"), vec![&good, &bad, &waiting]),
        ("commit=ffffffffffffffffffffffffffffffffffffffff", vec![]),
    ] {
        let answer = Ask::get(format!("/api/v1/builds?{query}")).send(farm.address()).await;
        let got: BTreeSet<_> = answer.json()["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|build| build["id"].as_str().unwrap().to_owned())
            .collect();
        let expected = expected.iter().map(|build: &&Build| build.id.to_string()).collect();
        assert_eq!(got, expected, "{query}");
    }
    farm.rest.cancel_build(waiting.id).await.unwrap();
    farm.end().await;
}

fn request(url: &str) -> SubmitBuild {
    let source = json!({"git": {"url": url, "commit": COMMIT}});
    serde_json::from_value(json!({"source": source})).unwrap()
}

#[tokio::test]
async fn the_same_key_and_body_give_the_same_build() {
    let farm = Farm::alone().await;
    let (one, other) = (request("https://example.org/one"), request("https://example.org/other"));
    let first = farm.rest.submit(&one, "key").await.unwrap();
    let (again, at_once) =
        tokio::join!(farm.rest.submit(&one, "key"), farm.rest.submit(&one, "key"));
    assert_eq!((again.unwrap().id, at_once.unwrap().id), (first.id, first.id));
    let refused = farm.rest.submit(&other, "key").await;
    assert_eq!(code(refused), (409, "conflict".to_owned()));
    let (a, b) = tokio::join!(farm.rest.submit(&one, "new"), farm.rest.submit(&one, "new"));
    let (a, b) = (a.unwrap().id, b.unwrap().id);
    assert!(a == b && a != first.id);
    assert_eq!(farm.rest.builds(&BuildFilter::default()).await.unwrap().items.len(), 2);
    farm.time.advance(std::time::Duration::from_secs(24 * 3600 + 1));
    crate::farm::eventually("the key is forgotten", async || {
        farm.rest.submit(&one, "key").await.unwrap().id != first.id
    })
    .await;
    for key in ["", "\u{fc}", &"k".repeat(256)] {
        let body = serde_json::to_vec(&one).unwrap();
        let ask = Ask::new("POST", "/api/v1/builds").json(body).header("idempotency-key", key);
        assert_eq!(ask.send(farm.address()).await.refusal(), "bad_request", "{key:?}");
    }
    for build in farm.rest.builds(&BuildFilter::default()).await.unwrap().items {
        farm.rest.cancel_build(build.id).await.unwrap();
    }
    farm.end().await;
}

#[tokio::test]
async fn toolchains_say_which_agents_have_them() {
    let farm = Farm::new(|_| hello()).await;
    crate::farm::eventually("the agent is known", async || {
        let agents = farm.rest.agents().await.unwrap().items;
        agents.iter().any(|agent| !agent.status.toolchains.is_empty())
    })
    .await;
    let toolchains = farm.rest.toolchains().await.unwrap().items;
    for toolchain in &toolchains {
        let has = ["gcc:14", "clang:19"].contains(&toolchain.name.as_str());
        assert_eq!(toolchain.agents.len(), usize::from(has), "{}", toolchain.name);
        assert_eq!(toolchain.default, toolchain.name.as_str() == "gcc:14");
    }
    assert!(toolchains.len() > 5);
    let agent = &farm.rest.agents().await.unwrap().items[0];
    assert_eq!((&*agent.name, agent.online, agent.status.workers), ("agent-0", true, 2));
    farm.end().await;
}

#[tokio::test]
async fn an_agent_that_went_silent_is_shown_offline() {
    let setup = Setup { agents: 0, manual: true, ..Setup::default() };
    let farm = Farm::with(setup, nothing).await;
    let agent = Raw::new(&farm, "a").await;
    agent.claim().await;
    assert!(farm.rest.agents().await.unwrap().items[0].online);
    farm.time.advance(std::time::Duration::from_mins(1));
    let shown = &farm.rest.agents().await.unwrap().items[0];
    assert!(!shown.online && shown.jobs.is_empty());
    farm.end().await;
}
