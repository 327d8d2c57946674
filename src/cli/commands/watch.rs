//! `kiln watch`, `unwatch`, `refs` and `rebuild`.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use serde_json::Value;

use super::say::say;
use crate::{
    cli::{
        CliError, Console,
        args::{RebuildArgs, RefsArgs, UnwatchArgs, WatchArgs, is_remote},
        render,
    },
    client::{Paths, Rest},
    model::{Clock as _, NameError, ProjectName, SystemClock, WatchRules},
    protocol::{NewProject, Rebuild},
};

/// The largest file of rules.
const MAX_RULES: u64 = 1 << 20;

pub(in crate::cli) async fn watch(
    rest: &Rest,
    args: &WatchArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    let project = &named(rest, &args.project).await?;
    if args.check {
        rest.check_project(project).await?;
        return say(console, &format!("{project} is looked at now; kiln refs {project} shows it"));
    }
    if args.show {
        return Ok(console.json(&rest.project_watch(project).await?.rules)?);
    }
    let rules = match &args.rules {
        Some(file) => read(file)?,
        None => args.rules(),
    };
    let rules = rest.watch_project(project, &rules).await?.rules;
    let what: Vec<String> = [("branches", &rules.branches), ("tags", &rules.tags)]
        .into_iter()
        .filter(|(_, patterns)| !patterns.is_empty())
        .map(|(what, patterns)| format!("{what} {}", patterns.join(", ")))
        .collect();
    say(
        console,
        &format!(
            "new commits of {} of {project} are built by themselves{}",
            what.join(" and "),
            rules.poll_seconds.map_or_else(String::new, |s| format!("; it is asked every {s} s")),
        ),
    )
}

/// Rules in a file, as `--show` prints them.
fn read(file: &Path) -> Result<WatchRules, CliError> {
    let shown = file.display();
    let text = if file == Path::new("-") {
        io::read_to_string(io::stdin().lock().take(MAX_RULES))
    } else {
        fs::File::open(file).and_then(|file| io::read_to_string(file.take(MAX_RULES)))
    };
    let text = text.map_err(|error| CliError::Usage(format!("{shown}: {error}")))?;
    serde_json::from_str(&text).map_err(|error| CliError::Usage(format!("{shown}: {error}")))
}

/// The project that is meant; the URL of a repository becomes one if it is none yet.
async fn named(rest: &Rest, text: &str) -> Result<ProjectName, CliError> {
    if !is_remote(text) {
        return text.parse().map_err(|error: NameError| CliError::Usage(error.to_string()));
    }
    let new = NewProject { name: None, url: Some(text.to_owned()) };
    Ok(rest.add_project(&new).await?.name)
}

pub(in crate::cli) async fn rebuild(
    rest: &Rest,
    args: &RebuildArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    let wanted = Rebuild { projects: args.projects.clone(), toolchain: args.toolchain.clone() };
    let page = rest.rebuild(&wanted).await?;
    if args.json {
        return Ok(console.json(&page)?);
    }
    Ok(console.render(|out| render::rebuilt(&page.items, out))?)
}

pub(in crate::cli) async fn unwatch(
    rest: &Rest,
    args: &UnwatchArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    rest.unwatch_project(&args.project).await?;
    say(console, &format!("new commits of {} are not built by themselves any more", args.project))
}

pub(in crate::cli) async fn refs(
    rest: &Rest,
    args: &RefsArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    if args.json {
        return Ok(console.json(&rest.get::<Value>(&Paths::refs(&args.project)).await?)?);
    }
    let watch = rest.project_watch(&args.project).await?;
    let page = rest.project_refs(&args.project).await?;
    console.render(|out| render::refs(&page.items, SystemClock.now(), out))?;
    match &watch.problem {
        Some(problem) => say(console, &format!("it could not be asked the last time: {problem}")),
        None => Ok(()),
    }
}
