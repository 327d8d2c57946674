//! The rules of retention applied to a million jobs, half of which have their time over; and claims
//! meanwhile, against claims with nothing else to do.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Map, Value, json};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    bare::Bare,
    claims::drained,
    million::{JOBS, Rows},
    report::{self, Report},
    support::postgres::Postgres,
};

const CLAIMERS: usize = 8;
/// Jobs that are claimed in each of the rounds.
const CLAIMED: u32 = 1_500;
/// Rounds without the sweep and during it, in turn.
const ROUNDS: usize = 3;

pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    report::title(&format!("Retention with {JOBS} jobs, half of them over their time"));
    let mut found = Map::new();
    let server = Bare::start(None).await?;
    let options = SqliteConnectOptions::new().filename(server.database());
    let rows = Rows::Sqlite(Box::new(SqliteConnection::connect_with(&options).await?));
    found.insert("sqlite".to_owned(), of("SQLite", &server, rows).await?);
    server.stop().await?;
    let postgres = Postgres::with(&["max_connections=200"]);
    let server = Bare::start(Some(&postgres.url())).await?;
    let rows = Rows::Postgres(&postgres);
    found.insert("postgres".to_owned(), of("PostgreSQL", &server, rows).await?);
    server.stop().await?;
    report.record("retention", Value::Object(found));
    Ok(())
}

async fn of(name: &str, server: &Bare, mut rows: Rows<'_>) -> anyhow::Result<Value> {
    rows.fill_finished(server).await?;
    // 400 days: beyond what builds are kept by default.
    rows.run(
        "UPDATE builds SET finished_at = finished_at - 34560000000 \
         WHERE id LIKE '000000%' AND substr(id, 26, 1) IN ('0', '2', '4', '6', '8')"
            .to_owned(),
    )
    .await?;
    let mut rounds = 0;
    let mut round = async |what: &str| {
        for _ in 0..CLAIMED {
            server.submit().await?;
        }
        rounds += 1;
        let took = drained(server, (CLAIMED, CLAIMERS), &format!("{what}-{rounds}")).await?;
        anyhow::Ok(f64::from(CLAIMED) / took.as_secs_f64())
    };
    // Once, so that everything is warm.
    round("warm").await?;
    let mut alone = Vec::new();
    for _ in 0..ROUNDS {
        alone.push(round("alone").await?);
    }
    let began = Instant::now();
    let sweep = tokio::spawn(sweep(server.address.clone()));
    let mut beside = Vec::new();
    for _ in 0..ROUNDS {
        let rate = round("beside").await?;
        if !sweep.is_finished() {
            beside.push(rate);
        }
    }
    let gone = sweep.await??;
    let took = began.elapsed();
    ensure!(!beside.is_empty(), "{name}: the sweep was over before anything was claimed");
    let [alone, beside] = [alone, beside].map(median);
    let text = format!("{gone} builds went in {:.1} s", took.as_secs_f64());
    report::row(&format!("{name}: the sweep"), &text, None);
    report::row(&format!("{name}: claims"), &format!("{alone:.0}/s"), None);
    let text = format!("{beside:.0}/s");
    report::row(&format!("{name}: claims during the sweep"), &text, Some(beside / alone));
    Ok(json!({
        "sweep_s": took.as_secs_f64(), "builds": gone,
        "claims_per_s": alone, "claims_during_per_s": beside,
    }))
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Applies the rules, however long that takes; how many builds went.
async fn sweep(address: String) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(&address).await?;
    let ask = format!(
        "POST /api/v1/retention/run HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).await?;
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_hours(1), reading).await.context("the sweep")??;
    let text = String::from_utf8_lossy(&answer);
    ensure!(text.starts_with("HTTP/1.1 200"), "{text}");
    let body = text.split_once("\r\n\r\n").context("no body")?.1;
    let report: Value = serde_json::from_str(body).with_context(|| body.to_owned())?;
    report["builds"].as_u64().context("no count")
}
