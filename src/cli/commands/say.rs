//! What several commands say in the same way.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use crate::cli::{CliError, Console};

/// Prints one line.
pub(super) fn say(console: &mut Console, line: &str) -> Result<(), CliError> {
    Ok(console.print(&format!("{line}\n"))?)
}

/// Prints a new token, or writes it into a new file that only its owner can read.
pub(super) fn hand_over(
    token: &str,
    file: Option<&Path>,
    console: &mut Console,
) -> Result<(), CliError> {
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
