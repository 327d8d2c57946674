//! The lists: builds, toolchains, agents.

use serde_json::Value;

use crate::{
    cli::{
        CliError, Console,
        args::{BuildsArgs, ToolchainsArgs},
        render,
    },
    client::{Paths, Rest},
    model::{Clock, SystemClock, ToolchainName, nearest},
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
    if let (true, Some(name)) = (page.items.is_empty(), &args.toolchain) {
        known(rest, name).await?;
    }
    console.render(|out| render::builds(&page.items, SystemClock.now(), out))?;
    if let Some(next) = page.next {
        console.note(&format!("more: --cursor {}\n", crate::cli::sanitize::text(&next)));
    }
    Ok(())
}

/// That nothing was built with a toolchain says little when there is no such toolchain.
async fn known(rest: &Rest, name: &ToolchainName) -> Result<(), CliError> {
    let toolchains = rest.toolchains().await?.items;
    if toolchains.iter().any(|one| one.name == *name) {
        return Ok(());
    }
    let meant = nearest(name.as_str(), toolchains.iter().map(|one| one.name.as_str()));
    let meant = meant.map_or_else(String::new, |meant| format!(" (did you mean {meant}?)"));
    Err(CliError::Usage(format!(
        "there is no toolchain {name}{meant}; `kiln toolchains` lists them"
    )))
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
