//! `kiln hook`, `kiln credential` and `kiln notify`.

use serde_json::Value;

use super::{say::say, sealed};
use crate::{
    cli::{
        CliError, Console,
        args::{
            CredentialArgs, CredentialCommand, CredentialSetArgs, HookArgs, HookCommand,
            NotifyAddArgs, NotifyArgs, NotifyCommand,
        },
        render, text,
    },
    client::{Paths, Rest},
    model::{Clock as _, Login, LoginKind, SshLogin, SystemClock, TokenLogin},
    protocol::{NewTarget, PutHook, PutLogin},
};

pub(in crate::cli) async fn hook(
    rest: &Rest,
    args: &HookArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    match &args.command {
        HookCommand::Set { project, from } => {
            let secret = match from {
                Some(path) => Some(sealed::read(Some(path), ("", true))?),
                None => None,
            };
            let hook = rest.put_hook(project, &PutHook { secret }).await?;
            let address = hook.url.unwrap_or_else(|| rest.url_of(&hook.path));
            say(console, &format!("address: {address}"))?;
            if let Some(secret) = &hook.secret {
                say(console, &format!("secret: {secret}"))?;
            }
            say(
                console,
                "content type: application/json; events: pushes, tags, pull or merge requests",
            )?;
            match hook.previous_until {
                Some(until) => say(console, &format!("the secret before is good until {until}")),
                None => Ok(()),
            }
        }
        HookCommand::List { project, json: true } => {
            Ok(console.json(&rest.get::<Value>(&Paths::deliveries(project)).await?)?)
        }
        HookCommand::List { project, json: false } => {
            let page = rest.deliveries(project).await?;
            Ok(console.render(|out| render::deliveries(&page.items, SystemClock.now(), out))?)
        }
        HookCommand::Replay { project, delivery } => {
            rest.replay_delivery(project, *delivery).await?;
            say(
                console,
                &format!("it is done once more; kiln hook list {project} shows what came of it"),
            )
        }
        HookCommand::Remove { project } => {
            rest.remove_hook(project).await?;
            say(console, &format!("{project} takes no deliveries any more"))
        }
    }
}

pub(in crate::cli) async fn credential(
    rest: &Rest,
    args: &CredentialArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    match &args.command {
        CredentialCommand::Set(args) => set(rest, args, console).await,
        CredentialCommand::Show { project } => {
            let login = rest.login(project).await?;
            let what = match login.kind {
                LoginKind::Token => "a token",
                LoginKind::SshKey => "a private key",
            };
            let age = text::age(login.updated_at, SystemClock.now());
            let line = format!("{what} for {}, set {age} ago by {}", login.host, login.updated_by);
            say(console, &line)
        }
        CredentialCommand::Remove { project } => {
            rest.remove_login(project).await?;
            say(console, &format!("the repository of {project} is asked without a credential"))
        }
    }
}

async fn set(rest: &Rest, args: &CredentialSetArgs, console: &mut Console) -> Result<(), CliError> {
    let again = format!("kiln credential set {} --host {}", args.project, args.host);
    let is_token = args.host_key.is_none();
    let value = sealed::read(args.from.as_deref(), (&again, is_token))?;
    let username = args.username.clone();
    let login = match &args.host_key {
        None => Login::Token(TokenLogin { username, token: value, plain_http: args.plain_http }),
        Some(host_key) => {
            Login::SshKey(SshLogin { username, key: value, host_key: host_key.clone() })
        }
    };
    login.check().map_err(|error| CliError::Usage(error.to_string()))?;
    rest.put_login(&args.project, &PutLogin { host: args.host.clone(), login }).await?;
    say(console, &format!("the repository of {} is asked with it, and no other", args.project))
}

pub(in crate::cli) async fn notify(
    rest: &Rest,
    args: &NotifyArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    match &args.command {
        NotifyCommand::Add(args) => add(rest, args, console).await,
        NotifyCommand::List { project, json: true } => {
            Ok(console.json(&rest.get::<Value>(&Paths::targets(project)).await?)?)
        }
        NotifyCommand::List { project, json: false } => {
            let page = rest.targets(project).await?;
            Ok(console.render(|out| render::targets(&page.items, out))?)
        }
        NotifyCommand::Log { project, json: true } => {
            Ok(console.json(&rest.get::<Value>(&Paths::notices(project)).await?)?)
        }
        NotifyCommand::Log { project, json: false } => {
            let page = rest.notices(project).await?;
            Ok(console.render(|out| render::notices(&page.items, SystemClock.now(), out))?)
        }
        NotifyCommand::Resend { project, notice } => {
            rest.resend_notice(project, *notice).await?;
            say(
                console,
                &format!("it is told once more; kiln notify log {project} shows how that went"),
            )
        }
        NotifyCommand::Remove { project, target } => {
            rest.remove_target(project, *target).await?;
            say(console, &format!("{target} is told nothing any more"))
        }
    }
}

async fn add(rest: &Rest, args: &NotifyAddArgs, console: &mut Console) -> Result<(), CliError> {
    let again = format!("kiln notify add {} …", args.project);
    let secret = sealed::read(args.from.as_deref(), (&again, true))?;
    let new = NewTarget { kind: args.whom, url: args.url.clone(), secret };
    let target = rest.add_target(&args.project, &new).await?;
    say(
        console,
        &format!("{} is told how builds of {} go ({})", target.url, args.project, target.id),
    )
}
