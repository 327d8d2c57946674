//! A thousand who follow one job that writes ten thousand lines a second: lines they lose, how late
//! lines come, and what the followers cost the server in memory.
//!
//! All followers get the same bytes in the same order, down to the chunks of the answer. So one is
//! read in full and checked line by line, and of the others only a digest and the times of their
//! reads are kept: a client that took each event apart would measure itself. A line comes late by
//! the time from sending it to the server until the follower has it, storing it included; what
//! followers add is seen beside a run with one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use kiln::{
    client::AttemptClient,
    model::{Cause, Clock as _, Frame, FrameKind, JobId, Stream, SystemClock, Verdict},
    protocol::{FinishReport, LogEnd, UsageView},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Barrier,
    task::JoinSet,
};

use crate::{
    bare::Bare,
    memory::{self, Resident, mebibytes},
    report::{self, Report},
};

const FOLLOWERS: usize = 1_000;
const LINES_A_SECOND: usize = 10_000;
/// Requests a second: as often as an agent sends what a busy job wrote.
const BATCHES_A_SECOND: usize = 20;
const SECONDS: usize = 5;
/// All have come within this, and all have everything within as long again after the last line, or
/// something hangs.
const BOUND: Duration = Duration::from_secs(14);

/// What was read of a stream.
struct Read {
    digest: [u8; 32],
    /// How much had come by when.
    times: Vec<(usize, Instant)>,
    /// All of it, for the one that is checked.
    whole: Option<Vec<u8>>,
}

/// A run.
struct Run {
    /// Followers that got anything else than the one whose every line was checked.
    different: usize,
    /// The lines it got.
    lines: usize,
    late: Vec<Duration>,
    /// How long the server took to answer each request that brought lines.
    stored: Vec<Duration>,
    idle: Resident,
    busy: Resident,
}

pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    // Each follower is a connection.
    rlimit::increase_nofile_limit(8_192)?;
    report::title(&format!(
        "Followers of one job that writes {LINES_A_SECOND} lines/s for {SECONDS} s"
    ));
    let mut found = serde_json::Map::new();
    for followers in [1, FOLLOWERS] {
        let mut run = run(followers).await?;
        let [late, stored] = [&mut run.late, &mut run.stored].map(|times| {
            times.sort_unstable();
            [percentile(times, 50), percentile(times, 99)]
        });
        let text = format!(
            "{} lines to all but {}; late by p50 {}, p99 {}",
            run.lines,
            run.different,
            milliseconds(late[0]),
            milliseconds(late[1])
        );
        report::row(&format!("{followers} following"), &text, None);
        let [idle, busy] = [&run.idle, &run.busy].map(|resident| mebibytes(resident.all));
        let most = mebibytes(run.busy.most);
        report::note(&format!(
            "of which storing: p50 {}, p99 {}; resident memory {idle:.1} MiB before, {busy:.1} MiB \
             at the end of it, {most:.1} MiB at most",
            milliseconds(stored[0]),
            milliseconds(stored[1]),
        ));
        found.insert(
            followers.to_string(),
            json!({
                "lines": run.lines, "followers_that_differ": run.different, "late_s": seconds(late), "stored_s": seconds(stored),
                "rss_mib": {"idle": idle, "busy": busy, "peak": most},
            }),
        );
        ensure!(
            run.lines == SECONDS * LINES_A_SECOND && run.different == 0,
            "lines were lost or came twice"
        );
    }
    report.record("followers", Value::Object(found));
    Ok(())
}

async fn run(followers: usize) -> anyhow::Result<Run> {
    let server = Bare::start(None).await?;
    let idle = memory::of(server.process).await?;
    let (agent, claimed) = server.running_job().await?;
    // Nothing is written before all have come.
    let begun = Arc::new(Barrier::new(followers + 1));
    let (come, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut streams = JoinSet::new();
    for number in 0..followers {
        let (address, begun) = (server.address.clone(), Arc::clone(&begun));
        let (come, ended) = (Arc::clone(&come), Arc::clone(&ended));
        streams.spawn(async move {
            let mut stream = open(&address, claimed.job).await?;
            come.fetch_add(1, Ordering::Relaxed);
            begun.wait().await;
            let read = read(&mut stream, number == 0).await;
            ended.fetch_add(1, Ordering::Relaxed);
            read
        });
    }
    tokio::select! {
        _ = begun.wait() => {}
        Some(ended) = streams.join_next() => { ended??; bail!("a stream ended too early") }
        () = tokio::time::sleep(BOUND) => {
            bail!("{} of {followers} streams have begun", come.load(Ordering::Relaxed))
        }
    }
    let attempt = agent.attempt(claimed.job, claimed.attempt);
    let (sent, stored, end) = write(&attempt).await?;
    let busy = memory::now(server.process)?;
    finish(&attempt, end).await?;
    let mut reads = Vec::new();
    let until = tokio::time::Instant::now() + BOUND;
    while let Some(read) = tokio::time::timeout_at(until, streams.join_next())
        .await
        .with_context(|| format!("{} of {followers} have it all", ended.load(Ordering::Relaxed)))?
    {
        reads.push(read??);
    }
    let whole = reads.iter().find_map(|read| read.whole.as_deref()).context("nobody read it")?;
    let (ends, lines) = ends_of_batches(whole)?;
    ensure!(ends.len() == sent.len(), "{} of {} requests came", ends.len(), sent.len());
    let checked = digest(whole);
    let different = reads.iter().filter(|read| read.digest != checked).count();
    let mut late = Vec::new();
    // Of the others nobody knows where a line ends.
    for read in reads.iter().filter(|read| read.digest == checked) {
        let mut times = read.times.iter();
        let mut now = times.next().context("nothing was read")?;
        for (end, sent) in ends.iter().zip(&sent) {
            while now.0 < *end {
                now = times.next().context("a line did not come")?;
            }
            late.push(now.1.duration_since(*sent));
        }
    }
    server.stop().await?;
    Ok(Run { different, lines, late, stored, idle, busy })
}

/// Opens a stream and reads what comes before any line.
async fn open(address: &str, job: JobId) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let ask = format!(
        "GET /api/v1/jobs/{job}/log/stream HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).await?;
    let mut buffer = vec![0; 64 * 1024];
    // The head has a request id and a date; what counts begins behind it and behind the first
    // events, which may come in one piece or in several.
    let mut head = Vec::new();
    while !contains(&head, b"event: attempt") || !head.ends_with(b"\n\n\r\n") {
        let read = stream.read(&mut buffer).await?;
        ensure!(read > 0, "the stream ended: {}", String::from_utf8_lossy(&head));
        head.extend_from_slice(&buffer[..read]);
    }
    Ok(stream)
}

/// Reads a stream to its end.
async fn read(stream: &mut TcpStream, is_kept: bool) -> anyhow::Result<Read> {
    let mut buffer = vec![0; 64 * 1024];
    let (mut hash, mut count, mut times) = (Sha256::new(), 0, Vec::new());
    let mut whole = is_kept.then(Vec::new);
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        count += read;
        times.push((count, Instant::now()));
        hash.update(&buffer[..read]);
        if let Some(whole) = &mut whole {
            whole.extend_from_slice(&buffer[..read]);
        }
    }
    Ok(Read { digest: hash.finalize().into(), times, whole })
}

/// Writes all lines; when each request was sent, how long it took, and where the log ends.
async fn write(attempt: &AttemptClient) -> anyhow::Result<(Vec<Instant>, Vec<Duration>, LogEnd)> {
    let (mut sent, mut stored, mut end) = (Vec::new(), Vec::new(), LogEnd::default());
    let mut ticks =
        tokio::time::interval(Duration::from_secs(1) / u32::try_from(BATCHES_A_SECOND)?);
    for batch in 0..SECONDS * BATCHES_A_SECOND {
        let data: String = (0..LINES_A_SECOND / BATCHES_A_SECOND)
            .map(|line| text_of(batch * LINES_A_SECOND / BATCHES_A_SECOND + line))
            .collect();
        let kind = FrameKind::Data(Stream::Stdout, data.into_bytes());
        let LogEnd { seq, offset } = end;
        let frame = Frame { seq, offset, at: SystemClock.now(), step: Some(0), kind };
        end = LogEnd { seq: seq + 1, offset: frame.end() };
        let mut wire = Vec::new();
        frame.encode(&mut wire);
        ticks.tick().await;
        let now = Instant::now();
        attempt.log(wire).await?;
        sent.push(now);
        stored.push(now.elapsed());
    }
    Ok((sent, stored, end))
}

fn text_of(line: usize) -> String {
    format!("this is line {line:010}\n")
}

async fn finish(attempt: &AttemptClient, log_end: LogEnd) -> anyhow::Result<()> {
    let report = FinishReport {
        verdict: Verdict::Failed(Cause::Compile),
        message: "written by hand".to_owned(),
        log_end,
        usage: UsageView::default(),
        diagnostics: None,
        artifacts: None,
        plan: None,
    };
    Ok(attempt.finish(&report).await?)
}

/// Checks every line of a stream; where on the wire each request's lines end.
fn ends_of_batches(wire: &[u8]) -> anyhow::Result<(Vec<usize>, usize)> {
    let (mut ends, mut line, mut at) = (Vec::new(), 0, 0);
    for piece in wire.split_inclusive(|byte| *byte == b'\n') {
        at += piece.len();
        let Some(data) = piece.strip_prefix(b"data: ") else { continue };
        let data: Value = serde_json::from_slice(data)?;
        let Some(text) = data["text"].as_str() else { continue };
        for got in text.split_inclusive('\n') {
            ensure!(got == text_of(line), "line {line} is {got:?}");
            line += 1;
        }
        ends.push(at);
    }
    Ok((ends, line))
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn seconds([middle, late]: [Duration; 2]) -> Value {
    json!({"p50": middle.as_secs_f64(), "p99": late.as_secs_f64()})
}
