//! `kiln secret …`.

use serde_json::Value;

use super::{say::say, sealed};
use crate::{
    cli::{
        CliError, Console,
        args::{SecretArgs, SecretCommand, SecretSetArgs},
        render,
    },
    client::{Paths, Rest},
    model::{Clock as _, RefPattern, SecretForm, SystemClock},
    protocol::{PutSecret, TrustedRefs},
};

pub(in crate::cli) async fn secret(
    rest: &Rest,
    args: &SecretArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    match &args.command {
        SecretCommand::Set(args) => set(rest, args, console).await,
        SecretCommand::List { project, json: true } => {
            Ok(console.json(&rest.get::<Value>(&Paths::secrets(project)).await?)?)
        }
        SecretCommand::List { project, json: false } => {
            let page = rest.secrets(project).await?;
            Ok(console.render(|out| render::secrets(&page.items, SystemClock.now(), out))?)
        }
        SecretCommand::Remove { project, name } => {
            rest.remove_secret(project, name).await?;
            say(console, &format!("{name} is removed; jobs that run keep it to their end"))
        }
        SecretCommand::Trust { project, refs, none } => {
            let trusted = if refs.is_empty() && !none {
                rest.trusted_refs(project).await?
            } else {
                rest.set_trusted_refs(project, &TrustedRefs { refs: refs.clone() }).await?
            };
            let names: Vec<&str> = trusted.refs.iter().map(RefPattern::as_str).collect();
            let names = if names.is_empty() { "no refs".to_owned() } else { names.join(", ") };
            say(console, &format!("builds of {names} get the secrets of {project}"))
        }
    }
}

async fn set(rest: &Rest, args: &SecretSetArgs, console: &mut Console) -> Result<(), CliError> {
    let form = if args.as_file { SecretForm::File } else { SecretForm::Env };
    let again = format!("kiln secret set {} {}", args.project, args.name);
    let value = sealed::read(args.from.as_deref(), (&again, form == SecretForm::Env))?;
    value.check(form).map_err(|error| CliError::Usage(error.to_string()))?;
    let put = PutSecret { value, form, steps: args.steps.clone() };
    rest.put_secret(&args.project, &args.name, &put).await?;
    let steps: Vec<&str> = args.steps.iter().map(crate::model::StepName::as_str).collect();
    let who = match steps.as_slice() {
        [] => "every step".to_owned(),
        steps => format!("the steps {}", steps.join(", ")),
    };
    say(
        console,
        &format!("{} is set: {who} of trusted builds of {} get it", args.name, args.project),
    )
}
