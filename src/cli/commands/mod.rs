//! The client commands, each a function of its arguments, the server and the console.

mod agents;
mod artifacts;
mod build;
mod cancel;
mod diagnostics;
mod exec;
mod init;
mod list;
mod log;
mod project;
mod queue;
mod shell;
mod show;
mod source;
mod token;

pub(super) use agents::agents;
pub(super) use artifacts::artifacts;
pub(super) use build::{build, retry};
pub(super) use cancel::cancel;
pub(super) use exec::exec;
pub(super) use init::init;
pub(super) use list::{builds, toolchains};
pub(super) use log::log;
pub(super) use project::project;
pub(super) use queue::queue;
pub(super) use shell::{completions, man};
pub(super) use show::show;
#[cfg(test)]
pub(super) use source::Found;
pub(super) use source::Place;
pub(super) use token::{audit, token, whoami};

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use super::{CliError, Console};

/// Prints one line.
fn say(console: &mut Console, line: &str) -> Result<(), CliError> {
    Ok(console.print(&format!("{line}\n"))?)
}

/// Prints a new token, or writes it into a new file that only its owner can read.
fn hand_over(token: &str, file: Option<&Path>, console: &mut Console) -> Result<(), CliError> {
    let Some(path) = file else { return say(console, token) };
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(token.as_bytes()));
    written.map_err(|error| CliError::Usage(format!("{}: {error}", path.display())))?;
    say(console, &format!("The token is in {}; bring it to where it is used.", path.display()))
}
