//! Programs that are run by hand: the engine's client, `tar`, `git`.

use std::{path::Path, process::Stdio};

use anyhow::{Context as _, bail};
use tokio::process::Command;

/// A command that sees nothing of this program's input and ends with it.
#[expect(clippy::disallowed_methods, reason = "the rule is for the product; by hand is a program")]
pub(crate) fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command to its end and gives what it wrote to its standard output.
pub(crate) async fn output(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = command(program).args(arguments).output().await;
    let output = output.with_context(|| format!("running {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {} {}", arguments.join(" "), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The same for a last attempt at cleaning up, where nothing can wait and nobody is told.
#[expect(clippy::disallowed_methods, reason = "the rule is for the product; by hand is a program")]
pub(crate) fn output_now(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).stdin(Stdio::null()).output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}
