//! Claims a second, over HTTP, on both databases, beside the least that a queue on PostgreSQL can do: a
//! bare `SELECT … FOR UPDATE SKIP LOCKED`, an update and a commit, on the same PostgreSQL.
//!
//! A claim of kiln is more than that: who asks is looked up and noted, the attempt and the events are
//! written, and other servers are told.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::task::JoinSet;

use crate::{
    bare::{Bare, claim},
    report::{self, Report},
    support::postgres::Postgres,
};

const CLAIMERS: usize = 32;
const JOBS: u32 = 3_000;

pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    report::title(&format!("{JOBS} queued jobs, {CLAIMERS} claimers at one time"));
    let postgres = Postgres::with(&["max_connections=200"]);
    let bare = by_hand(&postgres).await?;
    report::row("PostgreSQL, SKIP LOCKED by hand", &rate(bare), None);
    let server = Bare::start(Some(&postgres.url())).await?;
    server.submit().await?;
    let last = JOBS - 1;
    for (table, more) in [("builds", ""), ("jobs", ", 'build_id', lpad(n::text, 26, '0')")] {
        postgres.psql(&format!(
            "INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object(\
             'id', lpad(n::text, 26, '0'){more}))).* FROM {table} t, generate_series(1, {last}) n"
        ));
    }
    let kiln = drained(&server, (JOBS, CLAIMERS), "claimer").await?;
    server.stop().await?;
    let ratio = |took: Duration| took.as_secs_f64() / bare.as_secs_f64();
    report::row("PostgreSQL, kiln", &rate(kiln), Some(ratio(kiln)));
    let server = Bare::start(None).await?;
    for _ in 0..JOBS {
        server.submit().await?;
    }
    let sqlite = drained(&server, (JOBS, CLAIMERS), "claimer").await?;
    server.stop().await?;
    report::row("SQLite, kiln", &rate(sqlite), Some(ratio(sqlite)));
    let seconds = [bare, kiln, sqlite].map(|took| took.as_secs_f64());
    report.record(
        "claims",
        json!({"bare_s": seconds[0], "postgres_s": seconds[1],
        "sqlite_s": seconds[2], "jobs": JOBS, "claimers": CLAIMERS}),
    );
    Ok(())
}

fn rate(took: Duration) -> String {
    format!("{:.0} claims/s", f64::from(JOBS) / took.as_secs_f64())
}

/// That many jobs, which are all that wait, claimed once each by agents of that name.
pub(crate) async fn drained(
    server: &Bare,
    (jobs, claimers): (u32, usize),
    name: &str,
) -> anyhow::Result<Duration> {
    let mut agents = Vec::new();
    for number in 0..claimers {
        agents.push(server.agent(&format!("{name}-{number}")).await?);
    }
    let began = Instant::now();
    let mut claimers = JoinSet::new();
    for agent in agents {
        claimers.spawn(async move {
            let (mut claimed, mut empty) = (0_u32, 0);
            while empty < 2 {
                match claim(&agent).await? {
                    Some(_) => (claimed, empty) = (claimed + 1, 0),
                    None => empty += 1,
                }
            }
            anyhow::Ok(claimed)
        });
    }
    let mut all = 0;
    while let Some(claimed) = claimers.join_next().await {
        all += claimed??;
    }
    let took = began.elapsed();
    ensure!(all == jobs, "{all} of {jobs} jobs were claimed");
    Ok(took)
}

/// The same number of rows by hand.
async fn by_hand(postgres: &Postgres) -> anyhow::Result<Duration> {
    postgres.psql(&format!(
        "CREATE TABLE by_hand (id BIGINT PRIMARY KEY, state TEXT NOT NULL); \
         INSERT INTO by_hand SELECT n, 'queued' FROM generate_series(1, {JOBS}) n; \
         CREATE INDEX by_hand_queued ON by_hand (id) WHERE state = 'queued'"
    ));
    let pool = PgPoolOptions::new().max_connections(32).connect(&postgres.url()).await?;
    let began = Instant::now();
    let mut claimers = JoinSet::new();
    for _ in 0..CLAIMERS {
        claimers.spawn(take(pool.clone()));
    }
    let mut all = 0;
    while let Some(taken) = claimers.join_next().await {
        all += taken??;
    }
    let took = began.elapsed();
    pool.close().await;
    ensure!(all == JOBS, "{all} of {JOBS} rows were taken");
    Ok(took)
}

async fn take(pool: PgPool) -> anyhow::Result<u32> {
    let mut taken = 0;
    loop {
        let mut tx = pool.begin().await?;
        let found = sqlx::query_scalar::<_, i64>(
            "SELECT id FROM by_hand WHERE state = 'queued' ORDER BY id LIMIT 1 \
             FOR UPDATE SKIP LOCKED",
        );
        let Some(id) = found.fetch_optional(&mut *tx).await? else { return Ok(taken) };
        let update = sqlx::query("UPDATE by_hand SET state = 'running' WHERE id = $1");
        update.bind(id).execute(&mut *tx).await?;
        tx.commit().await?;
        taken += 1;
    }
}
