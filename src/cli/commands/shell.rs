//! What shells and manual readers want of the command line; no server is asked.

use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::env::Shells;

use crate::cli::{
    Cli, CliError, Console,
    args::{CompletionsArgs, ManArgs},
    complete::VARIABLE,
};

/// Prints the script that makes a shell ask kiln for what can be typed next.
pub(in crate::cli) fn completions(
    args: &CompletionsArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    let shells = Shells::builtins();
    let name = args.shell.name();
    let shell = shells.completer(name).expect("the library knows the shells that can be named");
    let mut script = Vec::new();
    if name == "bash" {
        // Bash takes a colon for the end of a word, and toolchains have one in their names.
        script.extend_from_slice(b"COMP_WORDBREAKS=${COMP_WORDBREAKS//:/}\n");
    }
    shell.write_registration(VARIABLE, "kiln", "kiln", "kiln", &mut script)?;
    Ok(console.raw().write_all(&script)?)
}

/// Prints a manual page, or writes all of them into a folder.
pub(in crate::cli) fn man(args: &ManArgs, console: &mut Console) -> Result<(), CliError> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    if let Some(dir) = &args.dir {
        return write_all(&root, dir, console);
    }
    let mut command = &root;
    for name in &args.command {
        command = command.find_subcommand(name).filter(|found| !found.is_hide_set()).ok_or_else(
            || CliError::Usage(format!("kiln has no command {:?}", args.command.join(" "))),
        )?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(console.raw().write_all(&page)?)
}

fn write_all(root: &Command, dir: &Path, console: &mut Console) -> Result<(), CliError> {
    let cannot = |problem| CliError::File {
        what: format!("cannot write the pages into {}", dir.display()),
        problem,
    };
    std::fs::create_dir_all(dir).map_err(cannot)?;
    clap_mangen::generate_to(root.clone(), dir).map_err(cannot)?;
    console.note(&format!("the manual pages are in {}\n", dir.display()));
    Ok(())
}
