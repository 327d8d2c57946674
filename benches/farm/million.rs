//! The API with a million jobs in the table: lists and single builds and jobs, on both databases.
//!
//! One build is made over the API and ended; its rows are copied by SQL, so that whatever a row has
//! it has in the copies. Requests go one after the other over one connection and are not taken
//! apart: what is measured is the server.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kiln::{
    model::{Cause, Verdict},
    protocol::{FinishReport, LogEnd, UsageView},
};
use serde_json::{Map, Value, json};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    bare::Bare,
    followers::{milliseconds, percentile},
    report::{self, Report},
    support::postgres::Postgres,
};

pub(crate) const JOBS: u32 = 1_000_000;
const JOBS_A_BUILD: u32 = 4;
const REQUESTS: u32 = 400;

/// The path of the request with a number.
type Path = Box<dyn Fn(u32) -> String>;

/// Where the rows are.
pub(crate) enum Rows<'a> {
    Sqlite(Box<SqliteConnection>),
    Postgres(&'a Postgres),
}

pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    report::title(&format!("The API with {JOBS} jobs in the table, {REQUESTS} requests of each"));
    let mut found = Map::new();
    let server = Bare::start(None).await?;
    let options = SqliteConnectOptions::new().filename(server.database());
    let rows = Rows::Sqlite(Box::new(SqliteConnection::connect_with(&options).await?));
    found.insert("sqlite".to_owned(), of("SQLite", &server, rows).await?);
    server.stop().await?;
    let postgres = Postgres::start();
    let server = Bare::start(Some(&postgres.url())).await?;
    found
        .insert("postgres".to_owned(), of("PostgreSQL", &server, Rows::Postgres(&postgres)).await?);
    server.stop().await?;
    report.record("million", Value::Object(found));
    Ok(())
}

async fn of(name: &str, server: &Bare, mut rows: Rows<'_>) -> anyhow::Result<Value> {
    let began = Instant::now();
    rows.fill_finished(server).await?;
    let jobs = rows.count().await?;
    ensure!(jobs > JOBS.into(), "{jobs} jobs are there");
    report::note(&format!(
        "{name}: {jobs} jobs, written in {:.0} s",
        began.elapsed().as_secs_f64()
    ));
    let mut stream = TcpStream::connect(&server.address).await?;
    let mut found = Map::new();
    let builds = JOBS / JOBS_A_BUILD;
    // Spread over the table, and never the same twice.
    let spread = |number: u32, all: u32| 1 + (number * (all / REQUESTS)) % all;
    let asked: [(&str, Path); 5] = [
        ("list, the newest", Box::new(|_| "/api/v1/builds".to_owned())),
        (
            "list, further pages",
            Box::new(move |n| format!("/api/v1/builds?cursor={:026}", spread(n, builds) + 100)),
        ),
        ("list, by state", Box::new(|_| "/api/v1/builds?state=finished".to_owned())),
        ("a build", Box::new(move |n| format!("/api/v1/builds/{:026}", spread(n, builds)))),
        ("a job", Box::new(move |n| format!("/api/v1/jobs/{:026}", spread(n, JOBS)))),
    ];
    for (what, path) in asked {
        let mut times = Vec::new();
        for number in 0..REQUESTS {
            times.push(ask(&mut stream, &server.address, &path(number)).await?);
        }
        times.sort_unstable();
        let [middle, late] = [50, 99].map(|percent| percentile(&times, percent));
        let text = format!("p50 {}, p99 {}", milliseconds(middle), milliseconds(late));
        report::row(&format!("{name}: {what}"), &text, None);
        let seconds = json!({"p50_s": middle.as_secs_f64(), "p99_s": late.as_secs_f64()});
        found.insert(what.to_owned(), seconds);
    }
    Ok(Value::Object(found))
}

/// The time of one request.
async fn ask(stream: &mut TcpStream, address: &str, path: &str) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await?;
    let mut answer = Vec::new();
    let (head, length) = loop {
        ensure!(stream.read_buf(&mut answer).await? > 0, "{path}: the connection ended");
        let Some(head) = answer.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&answer[..head])?.to_ascii_lowercase();
        ensure!(text.starts_with("http/1.1 200"), "{path}: {}", String::from_utf8_lossy(&answer));
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        break (head + 4, length.context("no length")?.parse::<usize>()?);
    };
    while answer.len() < head + length {
        ensure!(stream.read_buf(&mut answer).await? > 0, "{path}: the connection ended");
    }
    Ok(began.elapsed())
}

impl Rows<'_> {
    /// A million finished jobs, copies of one that a server has.
    pub(crate) async fn fill_finished(&mut self, server: &Bare) -> anyhow::Result<()> {
        let (agent, claimed) = server.running_job().await?;
        let ended = FinishReport {
            verdict: Verdict::Failed(Cause::Compile),
            message: "it is copied".to_owned(),
            log_end: LogEnd::default(),
            usage: UsageView::default(),
            diagnostics: None,
            artifacts: None,
            plan: None,
        };
        agent.attempt(claimed.job, claimed.attempt).finish(&ended).await?;
        self.fill(&claimed.build.to_string(), &claimed.job.to_string()).await
    }

    /// Copies the rows of a build and its job.
    async fn fill(&mut self, build: &str, job: &str) -> anyhow::Result<()> {
        let builds = JOBS / JOBS_A_BUILD;
        let of_build = format!("1 + (n.value - 1) / {JOBS_A_BUILD}");
        let (id, owner) = (self.id("n.value"), self.id(&of_build));
        self.copy(("builds", "id", build), builds, &[("id", &id)]).await?;
        let leg = format!("(n.value - 1) % {JOBS_A_BUILD}");
        let new = [("id", &*id), ("build_id", &owner), ("leg", &leg)];
        self.copy(("jobs", "id", job), JOBS, &new).await?;
        // Nothing is left to be sealed.
        let new = [("job_id", &*id), ("log_sealed", "TRUE")];
        self.copy(("attempts", "job_id", job), JOBS, &new).await?;
        self.run("ANALYZE".to_owned()).await?;
        Ok(())
    }

    /// Copies a build and its waiting leg, spread evenly over queues `q0`, `q1` … and shares.
    pub(crate) async fn copy_waiting(
        &mut self,
        build: &str,
        leg: &str,
        copies: u32,
        (queues, shares): (u32, u32),
    ) -> anyhow::Result<()> {
        let id = self.id("n.value");
        self.copy(("builds", "id", build), copies, &[("id", &id)]).await?;
        let text = |number: String| match self {
            Self::Sqlite(_) => number,
            Self::Postgres(_) => format!("({number})::text"),
        };
        let queue = format!("'q' || {}", text(format!("(n.value % {queues})")));
        let share = format!("'share ' || {}", text(format!("(n.value / {queues} % {shares})")));
        let new = [("id", &*id), ("build_id", &id), ("queue", &queue), ("share", &share)];
        self.copy(("jobs", "id", leg), copies, &new).await?;
        self.run(
            "INSERT INTO lanes (kind, queue, share, created_by, priority, since, served_at, \
             touched_at) SELECT kind, queue, share, created_by, priority, MIN(created_at), 0, \
             MIN(created_at) FROM jobs WHERE state = 'queued' \
             GROUP BY kind, queue, share, created_by, priority \
             ON CONFLICT (kind, queue, share, created_by, priority) DO NOTHING"
                .to_owned(),
        )
        .await?;
        self.run("ANALYZE".to_owned()).await
    }

    /// A number as an id.
    fn id(&self, number: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("printf('%026d', {number})"),
            Self::Postgres(_) => format!("lpad(({number})::text, 26, '0')"),
        }
    }

    async fn copy(
        &mut self,
        (table, key, id): (&str, &str, &str),
        copies: u32,
        new: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let columns = self.columns(table).await?;
        let values: Vec<String> = columns
            .iter()
            .map(|column| match new.iter().find(|(name, _)| name == column) {
                Some((_, value)) => (*value).to_owned(),
                None => format!("template.{column}"),
            })
            .collect();
        let numbers = match self {
            Self::Sqlite(_) => format!(
                "WITH RECURSIVE n (value) AS \
                 (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < {copies}) "
            ),
            Self::Postgres(_) => {
                format!("WITH n (value) AS (SELECT * FROM generate_series(1, {copies})) ")
            }
        };
        let (columns, values) = (columns.join(", "), values.join(", "));
        self.run(format!(
            "INSERT INTO {table} ({columns}) {numbers} \
             SELECT {values} FROM n, {table} AS template WHERE template.{key} = '{id}'"
        ))
        .await
    }

    async fn columns(&mut self, table: &str) -> anyhow::Result<Vec<String>> {
        Ok(match self {
            Self::Sqlite(connection) => {
                sqlx::query_scalar("SELECT name FROM pragma_table_info($1) ORDER BY cid")
                    .bind(table)
                    .fetch_all(&mut **connection)
                    .await?
            }
            Self::Postgres(postgres) => {
                let text = postgres.psql(&format!(
                    "SELECT column_name FROM information_schema.columns \
                     WHERE table_name = '{table}' ORDER BY ordinal_position"
                ));
                text.lines().map(str::to_owned).collect()
            }
        })
    }

    async fn count(&mut self) -> anyhow::Result<i64> {
        let count = "SELECT COUNT(*) FROM jobs";
        Ok(match self {
            Self::Sqlite(connection) => {
                sqlx::query_scalar(count).fetch_one(&mut **connection).await?
            }
            Self::Postgres(postgres) => postgres.psql(count).parse()?,
        })
    }

    pub(crate) async fn run(&mut self, statement: String) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(connection) => {
                sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut **connection).await?;
            }
            Self::Postgres(postgres) => {
                postgres.psql(&statement);
            }
        }
        Ok(())
    }
}
