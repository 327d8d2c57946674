//! `kiln cancel`.

use crate::{
    cli::{CliError, Console, args::CancelArgs, target::Found},
    client::Rest,
    model::StateName,
    protocol::BuildState,
};

/// Asks for a build or a job to end. What has ended already is left as it is.
pub(in crate::cli) async fn cancel(
    rest: &Rest,
    args: &CancelArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    let (what, ended) = match args.target.find(rest).await? {
        Found::Build(build) => {
            rest.cancel_build(build.id).await?;
            (format!("build {}", build.id), build.state == BuildState::Finished)
        }
        Found::Job(job) => {
            rest.cancel_job(job.summary.id).await?;
            (format!("job {}", job.summary.id), job.summary.state == StateName::Finished)
        }
    };
    let how = if ended { "has ended already" } else { "is being cancelled" };
    Ok(console.print(&format!("{what} {how}\n"))?)
}
