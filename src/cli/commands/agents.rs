//! `kiln agents …`: listing, holding, draining, enrolling.

use std::time::Duration;

use serde_json::Value;

use super::say::{hand_over, say};
use crate::{
    cli::{
        CliError, Console,
        args::{AgentsArgs, AgentsCommand, EnrollArgs},
        render,
    },
    client::{Paths, Rest},
    model::{Clock as _, SystemClock},
    protocol::{AgentView, HoldKind, NewEnrollment},
};

/// How often a draining agent is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub(in crate::cli) async fn agents(
    rest: &Rest,
    args: &AgentsArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    match &args.command {
        Some(AgentsCommand::List { json: true }) => list_json(rest, console).await,
        None if args.json => list_json(rest, console).await,
        None | Some(AgentsCommand::List { json: false }) => {
            let page = rest.agents().await?;
            Ok(console.render(|out| render::agents(&page.items, SystemClock.now(), out))?)
        }
        Some(AgentsCommand::Hold { agent, reason }) => {
            let agent = find(rest, agent).await?;
            rest.hold_agent(agent.id, HoldKind::Held, reason).await?;
            say(console, &format!("{} takes no more jobs until it is resumed", agent.name))
        }
        Some(AgentsCommand::Drain { agent, reason, wait }) => {
            let agent = find(rest, agent).await?;
            let mut view = rest.hold_agent(agent.id, HoldKind::Draining, reason).await?;
            while *wait && !view.jobs.is_empty() {
                tokio::time::sleep(LOOK_AGAIN).await;
                view = rest.agent(agent.id).await?;
            }
            say(
                console,
                &match view.jobs.len() {
                    0 => format!("{} is drained", agent.name),
                    jobs => format!("{} takes no more jobs and runs {jobs}", agent.name),
                },
            )
        }
        Some(AgentsCommand::Resume { agent }) => {
            let agent = find(rest, agent).await?;
            rest.resume_agent(agent.id).await?;
            say(console, &format!("{} takes jobs again", agent.name))
        }
        Some(AgentsCommand::Remove { agent, force }) => {
            let agent = find(rest, agent).await?;
            rest.remove_agent(agent.id, *force).await?;
            say(console, &format!("{} is removed", agent.name))
        }
        Some(AgentsCommand::Enroll(args)) => enroll(rest, args, console).await,
        Some(AgentsCommand::Enrollments { json: true }) => {
            Ok(console.json(&rest.get::<Value>(&Paths::enrollments()).await?)?)
        }
        Some(AgentsCommand::Enrollments { json: false }) => {
            let page = rest.enrollments().await?;
            Ok(console.render(|out| render::enrollments(&page.items, SystemClock.now(), out))?)
        }
        Some(AgentsCommand::Revoke { id }) => {
            rest.revoke_enrollment(*id).await?;
            say(console, "it lets nobody in any more; agents that it let in stay")
        }
    }
}

async fn list_json(rest: &Rest, console: &mut Console) -> Result<(), CliError> {
    Ok(console.json(&rest.get::<Value>(&Paths::agents()).await?)?)
}

/// The agent of this name or id.
async fn find(rest: &Rest, wanted: &str) -> Result<AgentView, CliError> {
    let agents = rest.agents().await?.items;
    let names: Vec<String> = agents.iter().map(|agent| agent.name.clone()).collect();
    let is_it = |agent: &AgentView| agent.name == wanted || agent.id.to_string() == wanted;
    agents.into_iter().find(is_it).ok_or_else(|| {
        let known = if names.is_empty() { "there is none".to_owned() } else { names.join(", ") };
        CliError::Usage(format!("there is no agent {wanted:?}; there are: {known}"))
    })
}

async fn enroll(rest: &Rest, args: &EnrollArgs, console: &mut Console) -> Result<(), CliError> {
    let new = NewEnrollment {
        uses: args.uses,
        unlimited: args.unlimited,
        expires_in_seconds: args.expires.map(u64::from),
        labels: args.labels.iter().cloned().collect(),
        name_prefix: args.name_prefix.clone(),
        note: args.note.clone(),
    };
    let made = rest.enroll(&new).await?;
    let server = rest.http().base();
    let server = server.as_str().trim_end_matches('/');
    hand_over(&made.token, args.token_file.as_deref(), console)?;
    console.note(&format!(
        "On the other machine, with the token in a file that only its user can read:\n  \
         kiln agent --server {server} --token-file FILE"
    ));
    Ok(())
}
