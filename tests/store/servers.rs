//! Servers hear of each other, agree on the time, and outlive their database's restart.

use std::{sync::Arc, time::Duration};

use kiln::{
    model::{Clock, JobId, SystemClock},
    protocol::RenewRequest,
    store::{Notice, Store},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::database::{Place, agent, claim, manual, queue, submit};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_change_on_one_server_is_heard_by_the_other_and_not_by_itself() {
    let place = Place::postgres().await;
    let other = Store::open(&place.database).await.unwrap();
    let mut here = place.store.notices().await.unwrap().unwrap();
    let mut there = other.notices().await.unwrap().unwrap();
    let queue = queue(other.clone(), Arc::new(SystemClock), PATIENCE).await;
    submit(&queue, 1).await;
    assert_eq!(timeout(PATIENCE, here.next()).await.unwrap().unwrap(), Notice::Change);
    let job = JobId::new(SystemClock.now());
    // What is not committed is not told.
    let mut tx = place.store.begin().await.unwrap();
    place.store.notify(&mut tx, Notice::Log(JobId::new(SystemClock.now()))).await.unwrap();
    drop(tx);
    let mut tx = place.store.begin().await.unwrap();
    place.store.notify(&mut tx, Notice::Log(job)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(timeout(PATIENCE, there.next()).await.unwrap().unwrap(), Notice::Log(job));
    assert!(Place::sqlite().await.store.notices().await.unwrap().is_none());
}

#[tokio::test]
async fn a_database_that_was_away_is_noticed_by_who_listens() {
    let mut place = Place::postgres().await;
    let mut notices = place.store.notices().await.unwrap().unwrap();
    let postgres = place.postgres.as_mut().unwrap();
    postgres.kill();
    postgres.start_again();
    // Either it says so, or it fails and is asked again, as a server does.
    let missed = async {
        loop {
            match notices.next().await {
                Ok(notice) => return notice,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    assert_eq!(timeout(PATIENCE, missed).await.unwrap(), Notice::Missed);
    let other = Store::open(&place.database).await.unwrap();
    let queue = queue(other, Arc::new(SystemClock), PATIENCE).await;
    submit(&queue, 1).await;
    let heard = async { while notices.next().await.unwrap() != Notice::Change {} };
    timeout(PATIENCE, heard).await.expect("it hears again");
}

#[tokio::test]
async fn a_restart_of_the_database_is_waited_out() {
    let mut place = Place::postgres().await;
    let queue = place.queue().await;
    submit(&queue, 1).await;
    place.postgres.as_mut().unwrap().stop();
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { submit(&queue, 1).await }
    });
    tokio::task::spawn_blocking({
        let mut postgres = place.postgres.take().unwrap();
        move || {
            std::thread::sleep(Duration::from_millis(500));
            postgres.start_again();
            postgres
        }
    })
    .await
    .map(|postgres| place.postgres = Some(postgres))
    .unwrap();
    assert_eq!(timeout(PATIENCE, waiting).await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn while_the_database_is_away_errors_say_that_it_may_come_back() {
    let mut place = Place::postgres().await;
    place.postgres.as_mut().unwrap().stop();
    let error = place.store.ping().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

/// The time of leases is the database's, whatever the servers' clocks say.
#[tokio::test]
async fn leases_go_by_the_databases_clock() {
    let place = Place::postgres().await;
    let clock = manual();
    clock.advance(Duration::from_hours(1));
    let ahead = queue(place.store.clone(), clock, Duration::from_secs(30)).await;
    submit(&ahead, 1).await;
    let agent = agent(&place.store, "agent").await;
    // A job of a server an hour ahead is not too early for one that is on time.
    let claimed = place.queue().await.claim(agent, &claim()).await.unwrap().unwrap();
    let lease = place.store.leases().await.unwrap().pop().unwrap();
    let left = lease.until.since(SystemClock.now());
    assert!(left <= Duration::from_secs(31) && left > Duration::ZERO, "{left:?}");
    let wait = RenewRequest { wait_ms: 0 };
    ahead.renew(agent, claimed.job, claimed.attempt, &wait).await.unwrap();
    let renewed = place.store.leases().await.unwrap().pop().unwrap();
    assert!(renewed.until.since(lease.until) < Duration::from_secs(30), "{renewed:?}");
}

/// The database's clock jumps by an hour, forward and back, while an agent renews and another has
/// gone silent: only the silent one loses its job, and does so.
#[tokio::test]
async fn a_jump_of_the_databases_clock_takes_no_job_from_an_agent_that_renews() {
    let place = Place::postgres().await;
    let postgres = place.postgres.as_ref().unwrap();
    let lease = Duration::from_secs(4);
    let queue = queue(place.store.clone(), Arc::new(SystemClock), lease).await;
    let stop = CancellationToken::new();
    let upkeep = tokio::spawn({
        let (queue, stop) = (queue.clone(), stop.clone());
        async move { queue.run(stop).await }
    });
    submit(&queue, 2).await;
    let (alive, silent) = (agent(&place.store, "alive").await, agent(&place.store, "silent").await);
    let kept = queue.claim(alive, &claim()).await.unwrap().unwrap();
    let lost = queue.claim(silent, &claim()).await.unwrap().unwrap();
    let jump = |hours: i64| {
        postgres.psql(&format!(
            "CREATE OR REPLACE FUNCTION kiln_now() RETURNS BIGINT LANGUAGE sql VOLATILE AS \
             $$ SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) \
                + {hours} * 3600000 $$"
        ))
    };
    let wait = RenewRequest { wait_ms: 0 };
    let began = std::time::Instant::now();
    let mut lapsed = None;
    for tick in 0..60 {
        match tick {
            3 => drop(jump(1)),
            9 => drop(jump(-1)),
            _ => {}
        }
        queue.renew(alive, kept.job, kept.attempt, &wait).await.expect("it renews in time");
        tokio::time::sleep(Duration::from_millis(500)).await;
        let running = place.store.leases().await.unwrap();
        assert!(running.iter().any(|lease| lease.job == kept.job));
        if running.iter().all(|lease| lease.job != lost.job) {
            lapsed = Some(began.elapsed());
            break;
        }
    }
    let lapsed = lapsed.expect("the silent agent loses its job");
    assert!(lapsed >= lease, "{lapsed:?}");
    stop.cancel();
    upkeep.await.unwrap().unwrap();
}
