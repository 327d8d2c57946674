//! Values that are not to be seen: from standard input or a file, never from the command line.

use std::{
    fs,
    io::{self, IsTerminal as _, Read as _},
    path::Path,
};

use crate::{
    cli::CliError,
    model::{MAX_SECRET_BYTES, SecretValue},
};

/// Reads one. A `line` ends before the line break that editors and `echo` add. `again` is the command
/// that would have been right, for who gives nothing.
pub(super) fn read(
    from: Option<&Path>,
    (again, is_line): (&str, bool),
) -> Result<SecretValue, CliError> {
    let most = u64::try_from(MAX_SECRET_BYTES).unwrap_or(u64::MAX) + 3;
    let mut bytes = Vec::new();
    match from {
        Some(path) => {
            let failed = |error: io::Error| CliError::Usage(format!("{}: {error}", path.display()));
            let file = fs::File::open(path).map_err(failed)?;
            file.take(most).read_to_end(&mut bytes).map_err(failed)?;
        }
        None if io::stdin().is_terminal() => {
            return Err(CliError::Usage(format!(
                "the value comes on standard input, so that it is in no list of processes and no \
                 history: {again} < FILE"
            )));
        }
        None => {
            let failed = |error| CliError::Usage(format!("standard input: {error}"));
            io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(failed)?;
        }
    }
    if is_line && bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    Ok(SecretValue::new(bytes))
}
