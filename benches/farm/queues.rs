//! Claims a second with queues: legs in one queue, in a hundred without limits, and in a hundred with
//! every limit there is, several projects in each; and all in one queue with limits, where every claim
//! waits for the one before it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kiln::{
    client::AgentClient,
    protocol::{AgentStatus, PresentToolchain, QueueRules},
};
use serde_json::{Map, Value, json};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::task::JoinSet;

use crate::{
    bare::{Bare, claim_as},
    gigabyte::planned,
    million::Rows,
    report::{self, Report},
    support::postgres::Postgres,
};

const CLAIMERS: usize = 32;
const JOBS: u32 = 3_000;
const QUEUES: u32 = 100;
const PROJECTS: u32 = 3;

/// How the jobs are spread.
struct Case {
    name: &'static str,
    key: &'static str,
    queues: u32,
    has_limits: bool,
}

const CASES: [Case; 4] = [
    Case { name: "one queue", key: "one", queues: 1, has_limits: false },
    Case { name: "one queue with limits", key: "one_limited", queues: 1, has_limits: true },
    Case { name: "100 queues", key: "many", queues: QUEUES, has_limits: false },
    Case { name: "100 queues with limits", key: "many_limited", queues: QUEUES, has_limits: true },
];

pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    report::title(&format!(
        "{JOBS} queued jobs of {PROJECTS} projects in each queue, {CLAIMERS} claimers at one time"
    ));
    let mut found = Map::new();
    for database in ["PostgreSQL", "SQLite"] {
        let mut seconds = Map::new();
        let mut first: Option<Duration> = None;
        for case in CASES {
            let took = if database == "SQLite" {
                let server = Bare::start(None).await?;
                let options = SqliteConnectOptions::new().filename(server.database());
                let rows = SqliteConnection::connect_with(&options).await?;
                of(server, Rows::Sqlite(Box::new(rows)), &case).await?
            } else {
                let postgres = Postgres::with(&["max_connections=200"]);
                let server = Bare::start(Some(&postgres.url())).await?;
                of(server, Rows::Postgres(&postgres), &case).await?
            };
            let ratio = took.as_secs_f64() / first.get_or_insert(took).as_secs_f64();
            let rate = format!("{:.0} claims/s", f64::from(JOBS) / took.as_secs_f64());
            report::row(&format!("{database}, {}", case.name), &rate, Some(ratio));
            seconds.insert(format!("{}_s", case.key), took.as_secs_f64().into());
        }
        found.insert(database.to_lowercase(), Value::Object(seconds));
    }
    found.insert("jobs".to_owned(), json!(JOBS));
    found.insert("claimers".to_owned(), json!(CLAIMERS));
    report.record("queues", Value::Object(found));
    Ok(())
}

async fn of(server: Bare, mut rows: Rows<'_>, case: &Case) -> anyhow::Result<Duration> {
    let limit = case.has_limits.then_some(JOBS);
    let rules = QueueRules {
        concurrency: limit,
        per_project: limit,
        per_user: limit,
        ..QueueRules::default()
    };
    for number in 0..case.queues {
        server.rest.put_queue(&format!("q{number}").parse()?, &rules).await?;
    }
    let agent = server.agent("by hand").await?;
    server.submit().await?;
    let plan = claim_as(&agent, AgentStatus::default()).await?.context("no plan waits")?;
    agent.attempt(plan.job, plan.attempt).finish(&planned()).await?;
    let legs = server.rest.build(plan.build).await?.jobs;
    let leg = legs.iter().find(|leg| leg.toolchain.as_ref().is_some_and(|it| it.as_str() == GCC));
    let leg = leg.context("the default toolchains have no gcc:14")?.id.to_string();
    rows.copy_waiting(&plan.build.to_string(), &leg, JOBS, (case.queues, PROJECTS)).await?;
    // What was copied from is not counted.
    server.rest.cancel_build(plan.build).await?;
    let took = drained(&server).await?;
    server.stop().await?;
    Ok(took)
}

const GCC: &str = "gcc:14";

/// Every leg claimed, once.
async fn drained(server: &Bare) -> anyhow::Result<Duration> {
    let mut agents = Vec::new();
    for number in 0..CLAIMERS {
        agents.push(server.agent(&format!("claimer-{number}")).await?);
    }
    let began = Instant::now();
    let mut claimers = JoinSet::new();
    for agent in agents {
        claimers.spawn(take(agent));
    }
    let mut all = 0;
    while let Some(claimed) = claimers.join_next().await {
        all += claimed??;
    }
    let took = began.elapsed();
    ensure!(all == JOBS, "{all} of {JOBS} jobs were claimed");
    Ok(took)
}

async fn take(agent: AgentClient) -> anyhow::Result<u32> {
    let toolchain = PresentToolchain {
        name: GCC.parse()?,
        image: "sha256:0".to_owned(),
        recipe_digest: String::new(),
        compiler: "gcc 14".to_owned(),
    };
    let status = AgentStatus { workers: 1, toolchains: vec![toolchain], ..AgentStatus::default() };
    let (mut claimed, mut empty) = (0, 0);
    while empty < 2 {
        match claim_as(&agent, status.clone()).await? {
            Some(_) => (claimed, empty) = (claimed + 1, 0),
            None => empty += 1,
        }
    }
    Ok(claimed)
}
