//! `kiln watch`, `unwatch` and `refs`.

use serde_json::Value;

use super::say::say;
use crate::{
    cli::{
        CliError, Console,
        args::{RefsArgs, UnwatchArgs, WatchArgs},
        render,
    },
    client::{Paths, Rest},
    model::{Clock as _, SystemClock},
};

pub(in crate::cli) async fn watch(
    rest: &Rest,
    args: &WatchArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    let project = &args.project;
    if args.check {
        rest.check_project(project).await?;
        return say(console, &format!("{project} is looked at now; kiln refs {project} shows it"));
    }
    let rules = rest.watch_project(project, &args.rules()).await?.rules;
    let what: Vec<String> = [("branches", &rules.branches), ("tags", &rules.tags)]
        .into_iter()
        .filter(|(_, patterns)| !patterns.is_empty())
        .map(|(what, patterns)| format!("{what} {}", patterns.join(", ")))
        .collect();
    say(
        console,
        &format!(
            "new commits of {} of {project} are built by themselves; it is asked every {} s",
            what.join(" and "),
            rules.poll_seconds
        ),
    )
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
