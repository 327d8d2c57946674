//! `kiln build` and `kiln retry`: ask, follow, sum up, download.

use crate::{
    cli::{
        CliError, Console, Exit,
        args::{BuildArgs, FollowArgs, RetryArgs},
        attach::{Followed, Show, attach, interrupted},
        download::{self, Wanted},
        interrupt::OnInterrupt,
        lines::Lines,
        render, sanitize,
        style::{Style, paint},
        target::{Found, leg, newest_legs},
    },
    client::{ClientError, Paths, Rest},
    model::{BuildId, Clock, Outcome, SystemClock},
    protocol::{Build, Job, Retry},
};

/// How many of a failed job's last lines are shown on a terminal.
const TAIL_LINES: usize = 20;
/// Where they are looked for: the end of the log.
const TAIL_BYTES: usize = 16 * 1024;

/// Asks for a build and follows it.
pub(in crate::cli) async fn build(
    rest: &Rest,
    args: &BuildArgs,
    console: &mut Console,
) -> Result<Exit, CliError> {
    args.check()?;
    if let Some(dir) = &args.follow.download {
        download::prepare(dir, &args.toolchains)?;
    }
    let source = super::source::of(rest, args.place(), console).await?;
    let submission = args.submission(source)?;
    let key = format!("{:032x}", rand::random::<u128>());
    let build = rest.submit(&submission, &key).await.map_err(|error| explain(error, args))?;
    if args.detach {
        if args.follow.json {
            console.json(&rest.get::<serde_json::Value>(&Paths::build(build.id)).await?)?;
        } else {
            console.render(|out| render::headline(&build, out))?;
            console.note(&format!("  see it: kiln show {}\n", build.id));
        }
        return Ok(Exit::Success);
    }
    announce(&build, &args.follow, console)?;
    follow(rest, build.id, &args.follow, console).await
}

/// Runs jobs again, and follows the build if asked to.
pub(in crate::cli) async fn retry(
    rest: &Rest,
    args: &RetryArgs,
    console: &mut Console,
) -> Result<Exit, CliError> {
    let build = match args.target.find(rest).await? {
        Found::Build(build) => {
            for toolchain in &args.toolchains {
                leg(&build, toolchain)?;
            }
            let mut toolchains = args.toolchains.clone();
            if args.all {
                toolchains = build.jobs.iter().filter_map(|job| job.toolchain.clone()).collect();
                toolchains.sort_unstable();
                toolchains.dedup();
            }
            rest.retry_build(build.id, &Retry { toolchains }).await?;
            build.id
        }
        Found::Job(_) if !args.toolchains.is_empty() => {
            return Err(CliError::Usage(
                "a job has one toolchain: -t is for a build's id".to_owned(),
            ));
        }
        Found::Job(job) => {
            rest.retry_job(job.summary.id).await?;
            job.build
        }
    };
    let path = Paths::build(build);
    if args.waits() {
        announce(&rest.get::<Build>(&path).await?, &args.follow, console)?;
        return follow(rest, build, &args.follow, console).await;
    }
    if args.follow.json {
        console.json(&rest.get::<serde_json::Value>(&path).await?)?;
    } else {
        let build: Build = rest.get(&path).await?;
        console.render(|out| render::build(&build, SystemClock.now(), out))?;
    }
    Ok(Exit::Success)
}

/// Says which build it is.
fn announce(build: &Build, args: &FollowArgs, console: &mut Console) -> Result<(), CliError> {
    match (args.json, args.verbose) {
        (true, _) => {}
        (false, true) => console.render_note(|out| render::headline(build, out)),
        (false, false) => console.render(|out| render::headline(build, out))?,
    }
    Ok(())
}

/// Follows a build to its end and sums it up; the exit code is the build's.
async fn follow(
    rest: &Rest,
    id: BuildId,
    args: &FollowArgs,
    console: &mut Console,
) -> Result<Exit, CliError> {
    let show = match (args, console.is_interactive()) {
        (FollowArgs { json: true, .. }, false) => Show::Nothing,
        (FollowArgs { verbose: true, .. }, _) => Show::Raw,
        (FollowArgs { follow: true, .. }, true) => Show::ProgressAndLogs,
        (_, true) => Show::Progress,
        (_, false) => Show::Lines,
    };
    let on_interrupt = if args.cancel_on_interrupt { OnInterrupt::Leave } else { OnInterrupt::Ask };
    let build = match attach(rest, id, (show, on_interrupt), console).await? {
        Followed::Ended(build) => build,
        Followed::Interrupted => {
            return interrupted(rest, id, args.cancel_on_interrupt, console).await;
        }
    };
    tokio::select! {
        exit = finish(rest, &build, args, show, console) => exit,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

async fn finish(
    rest: &Rest,
    build: &Build,
    args: &FollowArgs,
    show: Show,
    console: &mut Console,
) -> Result<Exit, CliError> {
    let mut jobs = Vec::new();
    for leg in newest_legs(build) {
        jobs.push(rest.job(leg.id).await?);
    }
    if args.json {
        console.json(&rest.get::<serde_json::Value>(&Paths::build(build.id)).await?)?;
    } else {
        if show == Show::Progress {
            tails(rest, &jobs, console).await?;
        }
        let now = SystemClock.now();
        if show == Show::Raw {
            console.render_note(|out| render::summary(build, &jobs, now, out));
        } else {
            console.render(|out| render::summary(build, &jobs, now, out))?;
        }
    }
    if let Some(dir) = &args.download {
        let wanted: Vec<Wanted> = jobs.iter().filter_map(wanted).collect();
        download::fetch(rest, dir, &wanted, console).await?;
    }
    Ok(build.outcome.map_or(Exit::Fault, Exit::of_outcome))
}

/// Shows the end of each failed job's log, where it was not shown before and no error of a compiler
/// says more.
async fn tails(rest: &Rest, jobs: &[Job], console: &mut Console) -> Result<(), CliError> {
    for job in jobs {
        let failed = job.summary.outcome.is_some_and(|outcome| outcome != Outcome::Success);
        if !failed || job.attempts.is_empty() || render::has_excerpt(job) {
            continue;
        }
        let tail = match rest.log_tail(job.summary.id, TAIL_BYTES).await {
            Ok(tail) => tail,
            // A job without a log is told by its summary.
            Err(ClientError::Refused { status: 404, .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let mut pieces = Lines::default();
        let mut lines = pieces.push(&tail);
        lines.extend(pieces.rest());
        if tail.len() >= TAIL_BYTES && lines.len() > 1 {
            // The first is only the end of a line.
            lines.remove(0);
        }
        let mut text =
            paint(Style::Bold, &format!("{}, the end of its log:", render::label(&job.summary)));
        text.push('\n');
        for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
            text.push_str("  ");
            text.push_str(&sanitize::log_line(line));
            text.push('\n');
        }
        text.push('\n');
        console.print(&text)?;
    }
    Ok(())
}

/// The archive of a job that kept something.
pub(super) fn wanted(job: &Job) -> Option<Wanted> {
    let artifacts = job.attempts.last()?.artifacts.clone().filter(|kept| kept.files > 0)?;
    Some(Wanted { job: job.summary.id, toolchain: job.summary.toolchain.clone()?, artifacts })
}

/// A refusal of a submission often is a toolchain that is not there; say how to see them.
fn explain(error: ClientError, args: &BuildArgs) -> CliError {
    match &error {
        ClientError::Refused { status: 400..=499, body }
            if body.code.contains("toolchain") && !args.toolchains.is_empty() =>
        {
            CliError::Usage(format!("{}; `kiln toolchains` lists them", body.message))
        }
        _ => error.into(),
    }
}
