//! Jobs are given out once, however many ask at one time and whichever server they ask.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use kiln::{
    model::{JobId, JobState, StateName},
    protocol::{BuildState, ClaimRequest},
};

use crate::database::{Place, agent, claim, finish, submit};

/// Queued jobs of the large test, a plan each.
const JOBS: usize = 10_000;
const CLAIMERS: usize = 32;

/// `claimers` agents at `servers` servers take everything; how often each job was given out.
async fn drain(place: &Place, servers: usize, claimers: usize) -> HashMap<JobId, usize> {
    let mut queues = Vec::new();
    for _ in 0..servers {
        queues.push(place.queue().await);
    }
    let given: Arc<Mutex<HashMap<JobId, usize>>> = Arc::default();
    let mut tasks = Vec::new();
    for number in 0..claimers {
        let queue = queues[number % servers].clone();
        let agent = agent(&place.store, &format!("agent-{number}")).await;
        let given = Arc::clone(&given);
        tasks.push(tokio::spawn(async move {
            // Nothing may be there for a moment, while others hold what there is.
            let mut empty = 0;
            while empty < 3 {
                match queue.claim(agent, &claim()).await.unwrap() {
                    Some(claimed) => {
                        empty = 0;
                        *given.lock().unwrap().entry(claimed.job).or_default() += 1;
                    }
                    None => empty += 1,
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    Arc::try_unwrap(given).unwrap().into_inner().unwrap()
}

/// Makes one build of a queued plan into many.
async fn fill(place: &Place, jobs: usize) {
    let queue = place.queue().await;
    let Some(postgres) = &place.postgres else {
        submit(&queue, jobs).await;
        return;
    };
    submit(&queue, 1).await;
    let last = jobs - 1;
    postgres.psql(&format!(
        "INSERT INTO builds SELECT (jsonb_populate_record(b, jsonb_build_object(\
         'id', lpad(n::text, 26, '0')))).* FROM builds b, generate_series(1, {last}) n"
    ));
    postgres.psql(&format!(
        "INSERT INTO jobs SELECT (jsonb_populate_record(j, jsonb_build_object(\
         'id', lpad(n::text, 26, '0'), 'build_id', lpad(n::text, 26, '0')))).* \
         FROM jobs j, generate_series(1, {last}) n"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_jobs_go_to_thirty_two_claimers_of_three_servers_once_each() {
    let place = Place::postgres().await;
    fill(&place, JOBS).await;
    let given = drain(&place, 3, CLAIMERS).await;
    assert_eq!(given.len(), JOBS);
    assert!(given.values().all(|times| *times == 1));
    let postgres = place.postgres.as_ref().unwrap();
    let counts = "SELECT state, COUNT(*), COUNT(DISTINCT claim_id) FROM jobs GROUP BY state";
    assert_eq!(postgres.psql(counts), format!("running|{JOBS}|{JOBS}"));
    assert_eq!(postgres.psql("SELECT COUNT(*) FROM attempts"), JOBS.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_too_every_job_goes_to_one_claimer() {
    let place = Place::sqlite().await;
    fill(&place, 1_000).await;
    let given = drain(&place, 1, CLAIMERS).await;
    assert_eq!(given.len(), 1_000);
    assert!(given.values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_claim_that_is_sent_to_two_servers_takes_one_job() {
    let place = Place::postgres().await;
    let queues = [place.queue().await, place.queue().await];
    let agent = agent(&place.store, "agent").await;
    for round in 0..50 {
        submit(&queues[0], 2).await;
        let request: ClaimRequest = claim();
        let (one, other) =
            tokio::join!(queues[0].claim(agent, &request), queues[1].claim(agent, &request));
        let jobs: Vec<_> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
        assert!(!jobs.is_empty(), "round {round}");
        assert!(jobs.iter().all(|claimed| claimed.job == jobs[0].job), "round {round}");
    }
    let leases = place.store.leases().await.unwrap();
    assert_eq!(leases.len(), 50, "a job for each claim");
}

/// The legs of builds end at the same moment on different servers: no build stays open.
#[tokio::test(flavor = "multi_thread")]
async fn builds_whose_jobs_end_at_one_time_are_finished() {
    let place = Place::postgres().await;
    let queues = [place.queue().await, place.queue().await, place.queue().await];
    let builds = submit(&queues[0], 40).await;
    let finished = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for number in 0..12 {
        let queue = queues[number % 3].clone();
        let agent = agent(&place.store, &format!("agent-{number}")).await;
        let finished = Arc::clone(&finished);
        tasks.push(tokio::spawn(async move {
            while finished.load(Ordering::SeqCst) < 80 {
                let Some(claimed) = queue.claim(agent, &claim()).await.unwrap() else { continue };
                finish(&queue, agent, &claimed).await.unwrap();
                // Said again, because the answer was lost.
                finish(&queue, agent, &claimed).await.unwrap();
                finished.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for id in builds {
        let build = queues[1].build(id).await.unwrap().unwrap();
        assert_eq!(build.state, BuildState::Finished, "{build:?}");
        assert_eq!(build.jobs.len(), 1);
        let row = place.store.job(build.jobs[0].id).await.unwrap().unwrap();
        assert_eq!(row.state.name(), StateName::Finished);
        assert!(matches!(row.state, JobState::Finished(end) if end.attempts == 1));
    }
    // Every change is told once, in order, without a hole.
    let events = place.store.events_after(0, 10_000).await.unwrap();
    assert!(events.iter().zip(1..).all(|(event, number)| event.id == number));
    let ends = events.iter().filter(|event| {
        matches!(&event.kind, kiln::protocol::EventKind::Build { state: BuildState::Finished, .. })
    });
    assert_eq!(ends.count(), 40);
}
