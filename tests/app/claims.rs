//! Who gets which job: each job once, however many ask, and the same job for the same claim.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use kiln::{model::Verdict, protocol::BuildFilter};
use serde_json::json;

use crate::{
    farm::{Farm, clang},
    raw::{Raw, planned},
};

#[tokio::test]
async fn a_claim_that_is_repeated_gives_the_same_job() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    for _ in 0..3 {
        farm.submit_raw(json!({})).await;
    }
    let request = agent.request(Duration::ZERO);
    let at_once = join_all((0..8).map(|_| agent.client.claim(&request))).await;
    let mut at_once = at_once.into_iter().map(|claimed| claimed.unwrap().unwrap());
    let first = at_once.next().unwrap();
    for again in at_once {
        assert_eq!((first.job, first.attempt), (again.job, again.attempt));
    }
    let third = agent.client.claim(&request).await.unwrap().unwrap();
    assert_eq!(third.job, first.job);
    let other = agent.claim().await.unwrap();
    assert_ne!(other.job, first.job, "a new claim is a new job");

    let thief = Raw::new(&farm, "b").await;
    let stolen = thief.client.claim(&request).await.unwrap().unwrap();
    assert!(stolen.job != first.job && stolen.job != other.job, "a claim belongs to its agent");

    agent.attempt(&first).finish(&planned()).await.unwrap();
    let after = agent.client.claim(&request).await.unwrap();
    let after = after.expect("the leg that was planned waits");
    assert_ne!(after.job, first.job, "what has ended is not given out");
    agent.end(&after, Verdict::Success).await;
    for build in farm.rest.builds(&BuildFilter::default()).await.unwrap().items {
        farm.rest.cancel_build(build.id).await.unwrap();
    }
    agent.attempt(&other).finish(&planned()).await.unwrap();
    thief.attempt(&stolen).finish(&planned()).await.unwrap();
    farm.end().await;
}

#[tokio::test]
async fn fifty_jobs_are_each_given_out_once_however_many_ask() {
    let farm = Farm::alone().await;
    let mut wanted = BTreeSet::new();
    for _ in 0..50 {
        wanted.insert(farm.submit_raw(json!({})).await.plan.id);
    }
    let (a, b) = (Raw::new(&farm, "a").await, Raw::new(&farm, "b").await);
    let take = async |agent: &Raw| {
        let mut got = Vec::new();
        while let Some(claimed) = agent.claim().await {
            got.push(claimed.job);
            agent.end(&claimed, crate::raw::COMPILE_FAILED).await;
        }
        got
    };
    let got = tokio::join!(take(&a), take(&a), take(&b), take(&b));
    let all: Vec<_> = [got.0, got.1, got.2, got.3].concat();
    assert_eq!(all.len(), 50, "none twice");
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), wanted, "none left out");
    farm.end().await;
}

#[tokio::test]
async fn a_claim_waits_for_a_job_and_gets_it_at_once() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let request = agent.request(Duration::from_secs(10));
    let began = std::time::Instant::now();
    let (claimed, build) = tokio::join!(agent.client.claim(&request), farm.submit_raw(json!({})));
    let claimed = claimed.unwrap().unwrap();
    assert_eq!(claimed.job, build.plan.id);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    agent.end(&claimed, crate::raw::COMPILE_FAILED).await;
    farm.end().await;
}

#[tokio::test]
async fn an_agent_gets_only_jobs_whose_toolchain_it_has() {
    let farm = Farm::alone().await;
    let mut agent = Raw::new(&farm, "a").await;
    agent.toolchains = vec![clang()];
    farm.submit_raw(json!({"toolchains": ["gcc:14", "clang:19"]})).await;
    agent.plan().await;
    let leg = agent.claim().await.unwrap();
    assert_eq!(farm.job(leg.job).await.summary.toolchain, Some(clang()));
    assert!(agent.claim().await.is_none());
    agent.end(&leg, Verdict::Success).await;
    agent.toolchains = vec![crate::farm::gcc()];
    let leg = agent.claim().await.unwrap();
    agent.end(&leg, Verdict::Success).await;
    farm.end().await;
}

#[tokio::test]
async fn higher_priority_goes_first_and_then_age() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let mut builds = Vec::new();
    for priority in [0, 0, 7, -1] {
        builds.push(farm.submit_raw(json!({"priority": priority})).await.id);
        farm.time.advance(Duration::from_millis(2));
    }
    let mut order = Vec::new();
    while let Some(claimed) = agent.claim().await {
        order.push(builds.iter().position(|build| *build == claimed.build).unwrap());
        agent.end(&claimed, crate::raw::COMPILE_FAILED).await;
    }
    assert_eq!(order, [2, 0, 1, 3]);
    farm.end().await;
}
