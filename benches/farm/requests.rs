//! Requests with a token beside the same without: what it costs to know who asks; and what streams
//! that are open and silent hold in memory.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kiln::protocol::NewToken;
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    bare::Bare,
    followers::{milliseconds, percentile},
    memory,
    report::{self, Report},
    support::postgres::Postgres,
};

const CONNECTIONS: usize = 8;
/// Requests of one kind on one connection.
const REQUESTS: usize = 400;
const IDLE: usize = 5_000;

pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    report::title(&format!(
        "{CONNECTIONS} connections, {REQUESTS} requests each, with a token and without"
    ));
    let mut found = Map::new();
    let server = Bare::start(None).await?;
    found.insert("sqlite".to_owned(), of("SQLite", &server).await?);
    found.insert("idle".to_owned(), idle(&server).await?);
    server.stop().await?;
    let postgres = Postgres::start();
    let server = Bare::start(Some(&postgres.url())).await?;
    found.insert("postgres".to_owned(), of("PostgreSQL", &server).await?);
    server.stop().await?;
    report.record("requests", Value::Object(found));
    Ok(())
}

async fn of(name: &str, server: &Bare) -> anyhow::Result<Value> {
    for _ in 0..50 {
        server.submit().await?;
    }
    let (_, claimed) = server.running_job().await?;
    let new: NewToken = serde_json::from_value(json!({"name": "bench", "role": "read"}))?;
    let token = server.rest.make_token(&new).await?.token;
    let (build, job) = (claimed.build, claimed.job);
    let mut found = Map::new();
    for (what, path) in [
        ("who asks", "/api/v1/whoami".to_owned()),
        ("list of builds", "/api/v1/builds?limit=20".to_owned()),
        ("a build", format!("/api/v1/builds/{build}")),
        ("a job", format!("/api/v1/jobs/{job}")),
        ("agents", "/api/v1/agents".to_owned()),
    ] {
        // In turns, so that whatever else the machine does meets both.
        let without = burst(&server.address, &path, None).await?;
        let with = burst(&server.address, &path, Some(&token)).await?;
        let text = format!(
            "{:.0} requests/s, p99 {} ({:.0}/s, p99 {} without)",
            with.rate,
            milliseconds(with.late),
            without.rate,
            milliseconds(without.late)
        );
        report::row(&format!("{name}: {what}"), &text, Some(without.rate / with.rate));
        let told = json!({"rate": with.rate, "p99_s": with.late.as_secs_f64(),
            "rate_without": without.rate});
        found.insert(what.to_owned(), told);
    }
    Ok(Value::Object(found))
}

/// How a burst of requests went.
struct Burst {
    rate: f64,
    late: Duration,
}

async fn burst(address: &str, path: &str, token: Option<&str>) -> anyhow::Result<Burst> {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let authorization = authorization.unwrap_or_default();
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}\r\n");
    let began = Instant::now();
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (address, ask) = (address.to_owned(), ask.clone());
        connections.spawn(async move {
            let mut stream = TcpStream::connect(&address).await?;
            stream.set_nodelay(true)?;
            let mut times = Vec::with_capacity(REQUESTS);
            for _ in 0..REQUESTS {
                times.push(one(&mut stream, &ask).await?);
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(ended) = connections.join_next().await {
        times.extend(ended??);
    }
    let took = began.elapsed();
    times.sort_unstable();
    let count = u32::try_from(times.len())?;
    Ok(Burst { rate: f64::from(count) / took.as_secs_f64(), late: percentile(&times, 99) })
}

/// The time of one request.
async fn one(stream: &mut TcpStream, ask: &str) -> anyhow::Result<Duration> {
    let began = Instant::now();
    stream.write_all(ask.as_bytes()).await?;
    let mut answer = Vec::new();
    let (head, length) = loop {
        ensure!(stream.read_buf(&mut answer).await? > 0, "the connection ended");
        let Some(head) = answer.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&answer[..head])?.to_ascii_lowercase();
        ensure!(text.starts_with("http/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        break (head + 4, length.context("no length")?.parse::<usize>()?);
    };
    while answer.len() < head + length {
        ensure!(stream.read_buf(&mut answer).await? > 0, "the connection ended");
    }
    Ok(began.elapsed())
}

/// What streams of events hold that nothing comes through.
async fn idle(server: &Bare) -> anyhow::Result<Value> {
    let most = rlimit::increase_nofile_limit(u64::MAX)?;
    ensure!(most > IDLE as u64 + 100, "{most} file descriptors are too few");
    let admin = server.admin_token()?;
    let before = memory::of(server.process).await?;
    let mut streams = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        let mut stream = TcpStream::connect(&server.address).await?;
        let ask = format!(
            "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {admin}\r\n\r\n",
            server.address
        );
        stream.write_all(ask.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            ensure!(stream.read_buf(&mut head).await? > 0, "a stream ended");
        }
        ensure!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
        streams.push(stream);
    }
    let open = memory::of(server.process).await?;
    let each = open.all.saturating_sub(before.all) * 1024 / IDLE as u64;
    report::row(
        &format!("{IDLE} open and silent streams"),
        &format!("{} MiB, {} MiB without: {each} bytes each", open.all / 1024, before.all / 1024),
        None,
    );
    drop(streams);
    Ok(json!({"before_kib": before.all, "open_kib": open.all, "streams": IDLE}))
}
