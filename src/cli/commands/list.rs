//! The lists: builds, toolchains, agents.

use serde_json::Value;

use crate::{
    cli::{
        CliError, Console,
        args::{AgentsArgs, BuildsArgs, ToolchainsArgs},
        render,
    },
    client::{Paths, Rest},
    model::{Clock, SystemClock},
};

/// Lists builds.
pub(in crate::cli) async fn builds(
    rest: &Rest,
    args: &BuildsArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    let filter = args.filter();
    if args.json {
        return Ok(console.json(&rest.get::<Value>(&Paths::builds(&filter)).await?)?);
    }
    let page = rest.builds(&filter).await?;
    console.render(|out| render::builds(&page.items, SystemClock.now(), out))?;
    if let Some(next) = page.next {
        console.note(&format!("more: --cursor {}\n", crate::cli::sanitize::text(&next)));
    }
    Ok(())
}

/// Lists toolchains.
pub(in crate::cli) async fn toolchains(
    rest: &Rest,
    args: &ToolchainsArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    if args.json {
        return Ok(console.json(&rest.get::<Value>(&Paths::toolchains()).await?)?);
    }
    let page = rest.toolchains().await?;
    Ok(console.render(|out| render::toolchains(&page.items, out))?)
}

/// Lists agents.
pub(in crate::cli) async fn agents(
    rest: &Rest,
    args: &AgentsArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    if args.json {
        return Ok(console.json(&rest.get::<Value>(&Paths::agents()).await?)?);
    }
    let page = rest.agents().await?;
    Ok(console.render(|out| render::agents(&page.items, SystemClock.now(), out))?)
}
