//! `kiln run`: one command in a sandbox, as if it ran here.
//!
//! The command's exit status is passed on. What is not the command's own end has codes of its own,
//! those that `timeout` and `docker run` use, so that a script can tell them apart.

use crate::{
    cli::{
        CliError, Console, Exit,
        args::RunArgs,
        attach::{Followed, Show, attach, interrupted},
        download::{self, Wanted},
        interrupt::OnInterrupt,
        render, sanitize,
    },
    client::Rest,
    model::{Cause, Outcome, ToolchainName},
    protocol::{Build, Job},
};

/// The command ran out of time.
const OUT_OF_TIME: u8 = 124;
/// The command did not run, or not to its own end.
const NOT_RUN: u8 = 125;

/// Runs the command.
pub(in crate::cli) async fn exec(
    rest: &Rest,
    args: &RunArgs,
    console: &mut Console,
) -> Result<Exit, CliError> {
    match run(rest, args, console).await {
        Ok(exit) => Ok(exit),
        Err(error) if error.is_closed_pipe() => Err(error),
        Err(error) => {
            error.tell(console);
            Ok(Exit::Status(NOT_RUN))
        }
    }
}

async fn run(rest: &Rest, args: &RunArgs, console: &mut Console) -> Result<Exit, CliError> {
    let toolchain = toolchain(rest, args).await?;
    if let Some(dir) = &args.download {
        download::prepare(dir, std::slice::from_ref(&toolchain))?;
    }
    let source = super::source::of(rest, args.place(), console).await?;
    let submission = args.submission(source, &toolchain)?;
    let key = format!("{:032x}", rand::random::<u128>());
    let build = rest.submit(&submission, &key).await?;
    let how = (Show::Command, OnInterrupt::Leave);
    let build = match attach(rest, build.id, how, console).await? {
        Followed::Ended(build) => build,
        Followed::Interrupted => return interrupted(rest, build.id, true, console).await,
    };
    let Some(leg) = build.jobs.iter().rev().find(|job| !job.retried) else {
        return Ok(without_job(&build, console));
    };
    let job = rest.job(leg.id).await?;
    if let Some(dir) = &args.download {
        let wanted: Vec<Wanted> = super::build::wanted(&job).into_iter().collect();
        download::fetch(rest, dir, &wanted, console).await?;
    } else if super::build::wanted(&job).is_some() {
        console.note(&format!("what was kept: kiln artifacts {}\n", job.summary.id));
    }
    Ok(ended(&job, console))
}

/// The toolchain that was named, else the first of the server's defaults.
async fn toolchain(rest: &Rest, args: &RunArgs) -> Result<ToolchainName, CliError> {
    if let Some(name) = &args.toolchain {
        return Ok(name.clone());
    }
    let known = rest.toolchains().await?.items;
    known.into_iter().find(|one| one.default).map(|one| one.name).ok_or_else(|| {
        CliError::Usage("the server has no default toolchain: name one with -t".to_owned())
    })
}

/// The command's own end, or what came in its way.
fn ended(job: &Job, console: &mut Console) -> Exit {
    let summary = &job.summary;
    let status = job
        .attempts
        .last()
        .and_then(|attempt| attempt.steps.last()?.exit_code)
        .and_then(|code| u8::try_from(code).ok());
    match (summary.outcome, summary.cause, status) {
        (Some(Outcome::Success), _, _) => return Exit::Success,
        // It came to its own end: all is said by itself.
        (_, Some(Cause::Command | Cause::Compile | Cause::Link), Some(status)) if status != 0 => {
            return Exit::Status(status);
        }
        _ => {}
    }
    console.note(&format!("error: {}\n", sanitize::text(&summary.message)));
    console.note(&format!("  see: kiln show {}\n", summary.id));
    match (summary.outcome, status) {
        (Some(Outcome::Timeout), _) => Exit::Status(OUT_OF_TIME),
        (Some(Outcome::Cancelled), _) => Exit::Interrupted,
        // A bound ended it, and its status says how.
        (Some(Outcome::Failure), Some(status)) if status != 0 => Exit::Status(status),
        _ => Exit::Status(NOT_RUN),
    }
}

fn without_job(build: &Build, console: &mut Console) -> Exit {
    let label = render::label(&build.plan);
    console.note(&format!("error: {label}: {}\n", sanitize::text(&build.plan.message)));
    match build.outcome {
        Some(Outcome::Cancelled) => Exit::Interrupted,
        _ => Exit::Status(NOT_RUN),
    }
}
