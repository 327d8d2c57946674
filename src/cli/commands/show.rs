//! `kiln show`.

use crate::{
    cli::{CliError, Console, args::ShowArgs, render, target::Found},
    client::{Paths, Rest},
    model::{Clock, SystemClock},
};

/// Shows a build or a job.
pub(in crate::cli) async fn show(
    rest: &Rest,
    args: &ShowArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    let found = args.target.find(rest).await?;
    if args.json {
        let path = match &found {
            Found::Build(build) => Paths::build(build.id),
            Found::Job(job) => Paths::job(job.summary.id),
        };
        return Ok(console.json(&rest.get::<serde_json::Value>(&path).await?)?);
    }
    let now = SystemClock.now();
    Ok(match found {
        Found::Build(build) => console.render(|out| render::build(&build, now, out)),
        Found::Job(job) => console.render(|out| render::job(&job, now, out)),
    }?)
}
