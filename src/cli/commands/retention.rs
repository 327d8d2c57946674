//! `kiln retention …`, `pin`, `unpin`, `delete` and `usage`.

use serde_json::Value;

use super::say::say;
use crate::{
    cli::{
        CliError, Console,
        args::{
            DeleteArgs, PinArgs, ProjectRulesArgs, RetentionArgs, RetentionCommand, UnpinArgs,
            UsageArgs,
        },
        render, text,
    },
    client::Rest,
    model::RetentionRules,
    protocol::RetentionReport,
};

pub(in crate::cli) async fn retention(
    rest: &Rest,
    args: &RetentionArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    match &args.command {
        RetentionCommand::Plan { json } => {
            tell(&rest.retention_plan().await?, (*json, "would go"), console)
        }
        RetentionCommand::Run { json } => {
            tell(&rest.apply_retention().await?, (*json, "went"), console)
        }
        RetentionCommand::Project(args) => project(rest, args, console).await,
    }
}

fn tell(
    report: &RetentionReport,
    (json, verb): (bool, &str),
    console: &mut Console,
) -> Result<(), CliError> {
    if json {
        let value = serde_json::to_value(report).expect("reports serialize");
        return Ok(console.json(&value)?);
    }
    console.render(|out| render::retention(report, out))?;
    say(
        console,
        &format!(
            "{} {verb}: {} builds, artifacts of {}, logs of {}, uploads of {}",
            text::bytes(report.bytes),
            report.builds,
            report.artifacts,
            report.logs,
            report.uploads
        ),
    )
}

async fn project(
    rest: &Rest,
    args: &ProjectRulesArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    let given = RetentionRules {
        build_days: args.builds,
        artifact_days: args.artifacts,
        log_days: args.logs,
        upload_days: args.uploads,
        builds_per_branch: args.per_branch,
        keep_last_success: args.keep_last_success,
        keep_tags: args.keep_tags,
    };
    let name = &args.project;
    let rules = if args.reset || given != RetentionRules::default() {
        rest.set_project_retention(name, &given).await?
    } else {
        rest.project_retention(name).await?
    };
    Ok(console.render(|out| render::kept_rules(&rules, out))?)
}

pub(in crate::cli) async fn pin(
    rest: &Rest,
    args: &PinArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    rest.pin(args.build, &args.reason).await?;
    say(console, "it is kept until the pin is taken away")
}

pub(in crate::cli) async fn unpin(
    rest: &Rest,
    args: &UnpinArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    rest.unpin(args.build).await?;
    say(console, "the rules count for it again")
}

pub(in crate::cli) async fn delete(
    rest: &Rest,
    args: &DeleteArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    rest.remove_build(args.build, args.artifacts_only).await?;
    let what = if args.artifacts_only { "its artifacts are" } else { "it is" };
    say(console, &format!("{what} removed"))
}

pub(in crate::cli) async fn usage(
    rest: &Rest,
    args: &UsageArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    if args.json {
        return Ok(console.json(&rest.get::<Value>("api/v1/usage").await?)?);
    }
    let usage = rest.usage().await?;
    Ok(console.render(|out| render::usage(&usage, out))?)
}
