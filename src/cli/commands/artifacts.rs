//! `kiln artifacts`: what was kept, of a commit, a build or a job; and to download it.

use serde_json::{Map, Value};

use super::build::wanted;
use crate::{
    cli::{
        CliError, Console,
        args::ArtifactsArgs,
        download::{self, Wanted},
        render,
        style::{Style, paint},
        target::{Found, Target, newest_legs},
    },
    client::{Paths, Rest},
    model::{Clock, Revision, SystemClock, ToolchainName},
    protocol::{CommitArtifacts, Job},
};

/// Lists, or downloads, what was kept.
pub(in crate::cli) async fn artifacts(
    rest: &Rest,
    args: &ArtifactsArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    if let Target::Revision(revision, toolchain) = &args.target {
        return of_revision(rest, args, revision, toolchain.as_ref(), console).await;
    }
    let jobs = match args.target.find(rest).await? {
        Found::Job(job) => vec![*job],
        Found::Build(build) => {
            let mut jobs = Vec::new();
            for leg in newest_legs(&build) {
                jobs.push(rest.job(leg.id).await?);
            }
            jobs
        }
    };
    if let Some(dir) = &args.download {
        let wanted: Vec<Wanted> = jobs.iter().filter_map(wanted).collect();
        return download::fetch(rest, dir, &wanted, console).await;
    }
    let kept: Vec<&Job> = jobs.iter().filter(|job| wanted(job).is_some()).collect();
    if args.json {
        let mut manifests = Map::new();
        for job in &kept {
            let manifest = rest.manifest(job.summary.id).await?;
            manifests.insert(render::label(&job.summary), manifest);
        }
        // One job's manifest as it is, those of a build by toolchain.
        return match &jobs[..] {
            [one] if manifests.len() == 1 => {
                Ok(console.json(&manifests.remove(&render::label(&one.summary)))?)
            }
            _ => Ok(console.json(&Value::Object(manifests))?),
        };
    }
    if kept.is_empty() {
        return Ok(console.print("nothing was kept\n")?);
    }
    for job in kept {
        let manifest = rest.manifest(job.summary.id).await?;
        let header = format!("{} {}", render::label(&job.summary), job.summary.id);
        console.print(&format!("{}\n", paint(Style::Bold, &header)))?;
        console.render(|out| render::manifest(&manifest, out))?;
    }
    Ok(())
}

/// Of a revision: the newest successful job of each toolchain is what is downloaded.
async fn of_revision(
    rest: &Rest,
    args: &ArtifactsArgs,
    revision: &Revision,
    toolchain: Option<&ToolchainName>,
    console: &mut Console,
) -> Result<(), CliError> {
    if args.json {
        let json: Value = rest.get(&Paths::commit_artifacts(revision)).await?;
        return Ok(console.json(&json)?);
    }
    let mut kept: CommitArtifacts = rest.commit_artifacts(revision).await?;
    kept.jobs.retain(|job| toolchain.is_none_or(|name| *name == job.toolchain));
    let Some(dir) = &args.download else {
        let now = SystemClock.now();
        return Ok(console.render(|out| render::commit_artifacts(&kept, now, out))?);
    };
    let mut wanted: Vec<Wanted> = Vec::new();
    for job in kept.jobs {
        if job.artifacts.files > 0 && wanted.iter().all(|one| one.toolchain != job.toolchain) {
            let (toolchain, artifacts) = (job.toolchain, job.artifacts);
            wanted.push(Wanted { job: job.job, toolchain, artifacts });
        }
    }
    download::fetch(rest, dir, &wanted, console).await
}
