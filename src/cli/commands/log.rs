//! `kiln log`: bytes as the build wrote them into a pipe, and made fit for a terminal on one.

use std::io::{self, Write};

use tokio_util::sync::CancellationToken;

use crate::{
    cli::{
        CliError, Console,
        args::LogArgs,
        attach::{Show, attach},
        interrupt::OnInterrupt,
        lines::Lines,
        render, sanitize,
        style::{Style, paint},
        target::Found,
    },
    client::{LogFollow, Rest, event_bytes},
    model::{JobId, Stream},
    protocol::{JobSummary, LogEvent, LogQuery},
};

/// Prints the log of a job, or of all jobs of a build.
pub(in crate::cli) async fn log(
    rest: &Rest,
    args: &LogArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    match args.target.find(rest).await? {
        Found::Job(job) => one(rest, args, &job.summary, console).await,
        Found::Build(build) if args.follow && !args.json => {
            if args.stream.is_some() || args.attempt.is_some() {
                return Err(CliError::Usage(
                    "--stream and --attempt are for the log of one job: name it".to_owned(),
                ));
            }
            attach(rest, build.id, (Show::Lines, OnInterrupt::Leave), console).await.map(drop)
        }
        Found::Build(build) => {
            for job in &build.jobs {
                if !args.json {
                    let label = render::label(job);
                    let header = format!("==> {label} {} <==", job.id);
                    console.print(&format!("{}\n", paint(Style::Bold, &header)))?;
                }
                one(rest, args, job, console).await?;
            }
            Ok(())
        }
    }
}

async fn one(
    rest: &Rest,
    args: &LogArgs,
    job: &JobSummary,
    console: &mut Console,
) -> Result<(), CliError> {
    if args.json || args.follow {
        return events(rest, args, job, console).await;
    }
    if job.attempt == 0 {
        let message = sanitize::text(&job.message);
        console.note(&format!("job {} has no log: it has not begun. {message}\n", job.id));
        return Ok(());
    }
    // Named, so that a new attempt in the middle of this does not mix two logs.
    let attempt = Some(args.attempt.unwrap_or(job.attempt));
    let query = LogQuery { stream: args.stream, attempt, after: None };
    if !console.is_terminal() {
        rest.log(job.id, &query, console.raw()).await?;
        return Ok(console.raw().flush()?);
    }
    let mut writer = Shown { console, lines: Lines::default() };
    rest.log(job.id, &query, &mut writer).await?;
    let rest = writer.lines.rest();
    show(&rest.into_iter().collect::<Vec<_>>(), console)?;
    Ok(())
}

/// The log as events: when it is followed, and as JSON.
async fn events(
    rest: &Rest,
    args: &LogArgs,
    job: &JobSummary,
    console: &mut Console,
) -> Result<(), CliError> {
    let stop = CancellationToken::new();
    // Without --follow, what is there now is all: ends where the log ended when it was asked for.
    let until = if args.follow { None } else { Some(have_now(rest, job.id, args.attempt).await?) };
    if until == Some((0, 0)) {
        return Ok(());
    }
    let mut follow = LogFollow::new(rest.clone(), job.id, args.attempt, stop);
    let mut lines = [Lines::default(), Lines::default(), Lines::default()];
    while let Some(event) = follow.next().await {
        let event = event?;
        let wanted = match &event {
            LogEvent::Log { stream, .. } => args.stream.is_none_or(|only| only == *stream),
            _ => args.json,
        };
        if wanted && args.json {
            let json = serde_json::to_string(&event).map_err(io::Error::other)?;
            console.raw().write_all(format!("{json}\n").as_bytes())?;
            console.raw().flush()?;
        } else if let (true, LogEvent::Log { stream, .. }) = (wanted, &event) {
            let bytes = event_bytes(&event)?;
            if console.is_terminal() {
                show(&lines[index(*stream)].push(&bytes), console)?;
            } else {
                console.raw().write_all(&bytes)?;
                console.raw().flush()?;
            }
        }
        let at = match &event {
            LogEvent::Log { attempt, offset, .. } => {
                Some((*attempt, offset + event_bytes(&event)?.len() as u64))
            }
            LogEvent::Gap { attempt, to, .. } => Some((*attempt, *to)),
            _ => None,
        };
        if at.is_some() && at >= until && until.is_some() {
            break;
        }
    }
    for rest in lines.iter_mut().filter_map(Lines::rest) {
        show(&[rest], console)?;
    }
    Ok(())
}

/// The attempt and the number of bytes that a job's log has now; for a job that has ended, beyond
/// all of them, so that its end is printed, too.
async fn have_now(rest: &Rest, job: JobId, attempt: Option<u32>) -> Result<(u32, u64), CliError> {
    let job = rest.job(job).await?;
    if job.summary.finished_at.is_some() {
        return Ok((u32::MAX, u64::MAX));
    }
    let mut attempts = job.attempts.iter().rev();
    let newest = attempts
        .find(|one| one.log_bytes > 0 && attempt.is_none_or(|attempt| attempt == one.number));
    Ok(newest.map_or((0, 0), |one| (one.number, one.log_bytes)))
}

/// Prints lines on a terminal.
fn show(lines: &[Vec<u8>], console: &mut Console) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut text = String::new();
    for line in lines {
        text.push_str(&sanitize::log_line(line));
        text.push('\n');
    }
    console.print(&text)
}

/// Takes a log's bytes and prints their lines on a terminal.
struct Shown<'a> {
    console: &'a mut Console,
    lines: Lines,
}

impl Write for Shown<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        show(&self.lines.push(bytes), self.console)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn index(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
        Stream::Kiln => 2,
    }
}
