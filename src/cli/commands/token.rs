//! `kiln token …`, `kiln whoami` and `kiln audit`.

use serde_json::Value;

use super::say::{hand_over, say};
use crate::{
    cli::{
        CliError, Console,
        args::{AuditArgs, TokenArgs, TokenCommand, TokenCreateArgs, WhoamiArgs},
        render,
    },
    client::{Paths, Rest},
    model::{Clock as _, ProjectName, SystemClock, TokenId},
    protocol::{AuditFilter, NewToken},
};

pub(in crate::cli) async fn token(
    rest: &Rest,
    args: &TokenArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    match &args.command {
        TokenCommand::Create(args) => create(rest, args, console).await,
        TokenCommand::List { json: true } => {
            Ok(console.json(&rest.get::<Value>(&Paths::tokens()).await?)?)
        }
        TokenCommand::List { json: false } => {
            let page = rest.tokens().await?;
            Ok(console.render(|out| render::tokens(&page.items, SystemClock.now(), out))?)
        }
        TokenCommand::Revoke { token } => {
            let id = find(rest, token).await?;
            rest.revoke_token(id).await?;
            say(console, "it opens nothing any more")
        }
    }
}

async fn create(
    rest: &Rest,
    args: &TokenCreateArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    let new = NewToken {
        name: args.name.clone(),
        owner: args.owner.clone(),
        role: args.role,
        projects: (!args.projects.is_empty()).then(|| args.projects.clone()),
        expires_in_seconds: args.expires,
        never_expires: args.never_expires,
    };
    let made = rest.make_token(&new).await?;
    hand_over(&made.token, args.token_file.as_deref(), console)?;
    let until = match made.made.expires_at {
        Some(end) => format!("It ends {end}"),
        None => "It never ends".to_owned(),
    };
    console.note(&format!(
        "{until}. It is not shown again; `kiln token revoke {}/{}` takes it back.\nUse it with \
         KILN_TOKEN_FILE=FILE, or KILN_TOKEN where only you see the environment.",
        made.made.owner, made.made.name
    ));
    Ok(())
}

/// The token of this id, or of this owner and name.
async fn find(rest: &Rest, wanted: &str) -> Result<TokenId, CliError> {
    if let Ok(id) = wanted.parse() {
        return Ok(id);
    }
    let tokens = rest.tokens().await?.items;
    let mut counting = tokens.iter().filter(|token| token.revoked_at.is_none());
    let found = counting.find(|token| format!("{}/{}", token.owner, token.name) == wanted);
    found.map(|token| token.id).ok_or_else(|| {
        CliError::Usage(format!(
            "there is no token {wanted:?}: give its id or OWNER/NAME, as `kiln token list` shows \
             them"
        ))
    })
}

pub(in crate::cli) async fn whoami(
    rest: &Rest,
    args: &WhoamiArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    if args.json {
        return Ok(console.json(&rest.get::<Value>(&Paths::whoami()).await?)?);
    }
    let who = rest.whoami().await?;
    let place = match &who.projects {
        None => "everywhere".to_owned(),
        Some(projects) if projects.is_empty() => "nowhere: its projects are gone".to_owned(),
        Some(projects) => {
            let names: Vec<&str> = projects.iter().map(ProjectName::as_str).collect();
            format!("in {}", names.join(", "))
        }
    };
    let who_is = crate::cli::sanitize::text(&who.who);
    say(console, &format!("{who_is}: {} {place}", who.role.as_str()))
}

pub(in crate::cli) async fn audit(
    rest: &Rest,
    args: &AuditArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    let filter =
        AuditFilter { actor: args.actor.clone(), limit: Some(args.limit), cursor: args.cursor };
    if args.json {
        return Ok(console.json(&rest.get::<Value>(&Paths::audit(&filter)).await?)?);
    }
    let page = rest.audit(&filter).await?;
    console.render(|out| render::audit(&page.items, SystemClock.now(), out))?;
    if let Some(next) = page.next {
        console.note(&format!("more with --cursor {next}"));
    }
    Ok(())
}
