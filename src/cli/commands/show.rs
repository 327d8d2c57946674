//! `kiln show`.

use crate::{
    cli::{
        CliError, Console,
        args::ShowArgs,
        render,
        target::{Found, newest_legs},
    },
    client::{Paths, Rest},
    model::{Clock, SystemClock},
    protocol::Job,
};

/// Shows a build or a job.
pub(in crate::cli) async fn show(
    rest: &Rest,
    args: &ShowArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    if args.diagnostics {
        return super::diagnostics::diagnostics(rest, args, console).await;
    }
    let found = args.target.find(rest).await?;
    if args.json {
        let path = match &found {
            Found::Build(build) => Paths::build(build.id),
            Found::Job(job) => Paths::job(job.summary.id),
        };
        return Ok(console.json(&rest.get::<serde_json::Value>(&path).await?)?);
    }
    if args.by_hand {
        let job = one_leg(rest, found).await?;
        let build = rest.build(job.build).await?;
        return Ok(console.print(&render::by_hand(&build, &job)?)?);
    }
    let now = SystemClock.now();
    Ok(match found {
        Found::Build(build) => console.render(|out| render::build(&build, now, out)),
        Found::Job(job) => console.render(|out| render::job(&job, now, out)),
    }?)
}

/// The job that was named, or the only leg of the build.
async fn one_leg(rest: &Rest, found: Found) -> Result<Job, CliError> {
    let build = match found {
        Found::Job(job) => return Ok(*job),
        Found::Build(build) => build,
    };
    let legs: Vec<_> = newest_legs(&build).collect();
    match &legs[..] {
        [one] => Ok(rest.job(one.id).await?),
        [] => Err(CliError::Usage(format!("build {} has no jobs", build.id))),
        legs => {
            let names: Vec<String> = legs.iter().map(|leg| render::label(leg)).collect();
            Err(CliError::Usage(format!(
                "build {id} has several jobs: name one, such as {id}/{first} (of {all})",
                id = build.id,
                first = names[0],
                all = names.join(", ")
            )))
        }
    }
}
