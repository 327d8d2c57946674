//! `kiln artifacts`: what was kept of a revision, a build or a job; one file of it, or all.

use std::path::Path;

use serde_json::{Map, Value};

use super::build::wanted;
use crate::{
    cli::{
        CliError, Console,
        args::ArtifactsArgs,
        download::{self, Wanted},
        kept::{self, Kept, KeptFile},
        render, sanitize,
        style::{Style, paint},
        target::{Found, Target, newest_legs},
    },
    client::{Paths, Rest},
    model::{Clock, JobId, Revision, SystemClock, ToolchainName},
    protocol::{CommitArtifacts, Job},
};

/// A job that kept something, and its name among others.
struct Leg {
    job: JobId,
    label: String,
}

/// Lists, prints, saves or downloads what was kept.
pub(in crate::cli) async fn artifacts(
    rest: &Rest,
    args: &ArtifactsArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    if let Target::Revision(revision, toolchain) = &args.target {
        return of_revision(rest, args, (revision, toolchain.as_ref()), console).await;
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
    let legs =
        kept.iter().map(|job| Leg { job: job.summary.id, label: render::label(&job.summary) });
    files(rest, args, &legs.collect::<Vec<_>>(), console).await
}

/// Of a revision the newest successful job of each toolchain is what counts.
async fn of_revision(
    rest: &Rest,
    args: &ArtifactsArgs,
    (revision, toolchain): (&Revision, Option<&ToolchainName>),
    console: &mut Console,
) -> Result<(), CliError> {
    if args.json {
        let json: Value = rest.get(&Paths::commit_artifacts(revision)).await?;
        return Ok(console.json(&json)?);
    }
    let mut kept: CommitArtifacts = rest.commit_artifacts(revision).await?;
    kept.jobs.retain(|job| toolchain.is_none_or(|name| *name == job.toolchain));
    if toolchain.is_none() && args.patterns.is_empty() && args.output.is_none() {
        if args.download.is_none() {
            let now = SystemClock.now();
            return Ok(console.render(|out| render::commit_artifacts(&kept, now, out))?);
        }
    } else if kept.jobs.is_empty() {
        let of = toolchain.map_or_else(String::new, |name| format!(" with {name}"));
        return Ok(console.print(&format!("nothing was kept of {revision}{of}\n"))?);
    }
    let mut newest: Vec<Wanted> = Vec::new();
    for job in kept.jobs {
        if job.artifacts.files > 0 && newest.iter().all(|one| one.toolchain != job.toolchain) {
            let (toolchain, artifacts) = (job.toolchain, job.artifacts);
            newest.push(Wanted { job: job.job, toolchain, artifacts });
        }
    }
    if let Some(dir) = &args.download {
        return download::fetch(rest, dir, &newest, console).await;
    }
    let legs: Vec<Leg> =
        newest.iter().map(|one| Leg { job: one.job, label: one.toolchain.to_string() }).collect();
    files(rest, args, &legs, console).await
}

/// Lists the files that are meant, or prints or saves the one.
async fn files(
    rest: &Rest,
    args: &ArtifactsArgs,
    legs: &[Leg],
    console: &mut Console,
) -> Result<(), CliError> {
    let mut found = Vec::new();
    for leg in legs {
        let kept = Kept::of(rest, leg.job).await?.only(&args.patterns)?;
        if !kept.files.is_empty() {
            found.push((leg, kept));
        }
    }
    if let Some(to) = &args.output {
        let (leg, file) = the_one(&found, args)?;
        return put(rest, (leg.job, file), to, console).await;
    }
    match (&found[..], &args.patterns[..]) {
        ([], []) => Ok(console.print("nothing was kept\n")?),
        ([], patterns) => {
            Err(CliError::Usage(format!("no file that was kept fits {}", patterns.join(" "))))
        }
        _ => {
            for (leg, kept) in &found {
                let header = paint(Style::Bold, &format!("{} {}", leg.label, leg.job));
                console.print(&format!("{header}\n"))?;
                console.render(|out| render::kept(kept, out))?;
            }
            Ok(())
        }
    }
}

/// The only file that is meant.
fn the_one<'a>(
    found: &'a [(&'a Leg, Kept)],
    args: &ArtifactsArgs,
) -> Result<(&'a Leg, &'a KeptFile), CliError> {
    let mut all = found.iter().flat_map(|(leg, kept)| kept.files.iter().map(move |f| (*leg, f)));
    let (first, second) = (all.next(), all.next());
    match (first, second) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(CliError::Usage(format!(
            "no file that was kept fits {}",
            if args.patterns.is_empty() { "*".to_owned() } else { args.patterns.join(" ") }
        ))),
        (Some((leg, file)), Some((other, second))) => {
            let name = |leg: &Leg, file: &KeptFile| {
                format!("{} of {}", sanitize::text(&file.path), leg.label)
            };
            Err(CliError::Usage(format!(
                "--output is for one file, but more are meant: {}, {} …; name one path, and one \
                 toolchain as in ID/gcc:14",
                name(leg, file),
                name(other, second)
            )))
        }
    }
}

async fn put(
    rest: &Rest,
    (job, file): (JobId, &KeptFile),
    to: &Path,
    console: &mut Console,
) -> Result<(), CliError> {
    if to != Path::new("-") {
        kept::save(rest, job, file, to).await?;
        console.note(&format!("{} is in {}\n", sanitize::text(&file.path), to.display()));
        return Ok(());
    }
    let bytes = kept::read(rest, job, file).await?;
    if !console.is_terminal() {
        console.raw().write_all(&bytes)?;
        return Ok(console.raw().flush()?);
    }
    if bytes.contains(&0) {
        return Err(CliError::Usage(format!(
            "{} is no text: write it into a file with --output FILE",
            sanitize::text(&file.path)
        )));
    }
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        console.print(&format!("{}\n", sanitize::log_line(line)))?;
    }
    Ok(())
}
