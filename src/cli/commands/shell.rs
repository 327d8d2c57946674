//! What shells and manual readers want of the command line; no server is asked.

use clap::CommandFactory;

use crate::cli::{Cli, CliError, Console, args::CompletionsArgs};

/// Prints a completion script.
pub(in crate::cli) fn completions(
    args: &CompletionsArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "kiln", &mut script);
    Ok(console.raw().write_all(&script)?)
}

/// Prints the manual page.
pub(in crate::cli) fn man(console: &mut Console) -> Result<(), CliError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    Ok(console.raw().write_all(&page)?)
}
