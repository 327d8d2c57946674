//! `kiln queue …`.

use serde_json::Value;

use super::say::say;
use crate::{
    cli::{
        CliError, Console,
        args::{QueueArgs, QueueCommand, QueueSetArgs},
        render,
    },
    client::{Paths, Rest},
    model::{Clock as _, SystemClock},
    protocol::QueueRules,
};

pub(in crate::cli) async fn queue(
    rest: &Rest,
    args: &QueueArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    match &args.command {
        QueueCommand::List { json: true } => {
            Ok(console.json(&rest.get::<Value>(&Paths::queues()).await?)?)
        }
        QueueCommand::List { json: false } => {
            let page = rest.queues().await?;
            Ok(console.render(|out| render::queues(&page.items, SystemClock.now(), out))?)
        }
        QueueCommand::Set(args) => set(rest, args, console).await,
        QueueCommand::Show { name, json: true } => {
            Ok(console.json(&rest.get::<Value>(&Paths::queue(name)).await?)?)
        }
        QueueCommand::Show { name, json: false } => {
            let view = rest.queue(name).await?;
            Ok(console.render(|out| render::queue(&view, SystemClock.now(), out))?)
        }
        QueueCommand::Pause { name, reason } => {
            rest.pause_queue(name, reason).await?;
            say(console, &format!("{name} gives out no jobs until it is resumed"))
        }
        QueueCommand::Resume { name } => {
            rest.resume_queue(name).await?;
            say(console, &format!("{name} gives out jobs again"))
        }
        QueueCommand::Remove { name } => {
            rest.remove_queue(name).await?;
            say(console, &format!("{name} is removed"))
        }
    }
}

/// The rules are written as a whole, so those that are there are read first.
async fn set(rest: &Rest, args: &QueueSetArgs, console: &mut Console) -> Result<(), CliError> {
    let there = rest.queues().await?.items.into_iter().find(|view| view.name == args.name);
    let before = there.as_ref().map_or_else(QueueRules::default, |view| view.rules.clone());
    let view = rest.put_queue(&args.name, &args.over(before)).await?;
    let done = if there.is_some() { "is changed" } else { "is made" };
    say(console, &format!("{} {done}: {}", view.name, render::rules(&view.rules)))
}
