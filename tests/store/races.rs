//! What two servers do to one thing at one time.

use kiln::model::{CancelReason, StateName};

use crate::database::{Place, agent, claim, finish, request, submit};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_to_several_servers_at_once_makes_one_build() {
    let place = Place::postgres().await;
    let queues = [place.queue().await, place.queue().await, place.queue().await];
    for round in 0..20 {
        let key = format!("key-{round}");
        let submitting = queues.clone().map(|queue| {
            let key = key.clone();
            tokio::spawn(async move { queue.submit(request(Some(&key))).await.unwrap() })
        });
        let mut ids = Vec::new();
        for one in submitting {
            ids.push(one.await.unwrap());
        }
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
    let count = place.postgres.as_ref().unwrap().psql("SELECT COUNT(*) FROM builds");
    assert_eq!(count, "20");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_and_finish_at_one_time_leave_one_end() {
    let place = Place::postgres().await;
    let (here, there) = (place.queue().await, place.queue().await);
    let agent = agent(&place.store, "agent").await;
    for _ in 0..30 {
        let build = submit(&here, 1).await.pop().unwrap();
        let claimed = here.claim(agent, &claim()).await.unwrap().unwrap();
        let (finished, cancelled) = tokio::join!(
            finish(&here, agent, &claimed),
            there.cancel_build(build, CancelReason::Requested),
        );
        cancelled.unwrap();
        finished.unwrap();
        // Whichever came first: the plan has ended, and what it made is cancelled or waits.
        there.cancel_build(build, CancelReason::Requested).await.unwrap();
        let view = there.build(build).await.unwrap().unwrap();
        assert_eq!(view.plan.state, StateName::Finished, "{view:?}");
        assert!(view.outcome.is_some(), "{view:?}");
        assert!(here.claim(agent, &claim()).await.unwrap().is_none());
    }
}

/// Everything at once on the same few builds: no deadlock, no error, no job in two hands.
#[tokio::test(flavor = "multi_thread")]
async fn servers_do_not_get_in_each_others_way() {
    let place = Place::postgres().await;
    let mut tasks = Vec::new();
    let builds = submit(&place.queue().await, 8).await;
    for number in 0..9_usize {
        let queue = place.queue().await;
        let agent = agent(&place.store, &format!("agent-{number}")).await;
        let builds = builds.clone();
        tasks.push(tokio::spawn(async move {
            for round in 0..40 {
                let build = builds[(number + round) % builds.len()];
                match number % 3 {
                    0 => {
                        if let Some(claimed) = queue.claim(agent, &claim()).await.unwrap() {
                            let wait = kiln::protocol::RenewRequest { wait_ms: 0 };
                            let (job, attempt) = (claimed.job, claimed.attempt);
                            queue.renew(agent, job, attempt, &wait).await.unwrap();
                            finish(&queue, agent, &claimed).await.unwrap();
                        }
                    }
                    1 => queue.cancel_build(build, CancelReason::Requested).await.unwrap(),
                    // Nothing to retry is an answer, too.
                    _ => drop(queue.retry_build(build, &[]).await),
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'";
    assert_eq!(place.postgres.as_ref().unwrap().psql(deadlocks), "0");
}

/// Whoever asks may go away at any moment, such as an agent in the middle of a claim: what is left of a
/// transaction that had just begun must not be what the next one finds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_nobody_waits_for_is_no_part_of_the_next() {
    let place = Place::postgres().await;
    let store = &place.store;
    let began = std::time::Instant::now();
    store.snapshot().await.unwrap();
    let usual = began.elapsed();
    for number in 0..1_500_u32 {
        let most = usual * (number % 60) / 20;
        let _ = tokio::time::timeout(most, store.snapshot()).await;
        if number % 3 == 0 {
            let mut tx = store.begin().await.unwrap();
            store.lock_uploads(&mut tx).await.unwrap();
            tx.commit().await.unwrap();
        }
    }
}
