//! What a diagnostic itself says is missing, by the tool that said it.

use super::{super::record::Diagnostic, Missing, cmake, configure, meson, name, sentence};
use crate::model::{DiagnosticKind, Severity};

/// What an error says is missing, if it says so itself.
pub(super) fn in_error(error: &Diagnostic, command: Option<&str>) -> Vec<Missing> {
    let message = error.message.as_str();
    match error.kind {
        DiagnosticKind::Compile if error.file.is_some() => {
            in_compiler(message).into_iter().collect()
        }
        DiagnosticKind::Link => in_linker(message).into_iter().collect(),
        DiagnosticKind::Command => message
            .strip_prefix("the program ")
            .and_then(|rest| rest.strip_suffix(" is not there"))
            .and_then(name::program_or_macro)
            .into_iter()
            .collect(),
        DiagnosticKind::Configure => cmake::in_error(message, command)
            .or_else(|| meson::in_error(message))
            .or_else(|| configure::in_macro(message))
            .or_else(|| configure::in_error(message))
            .map_or_else(|| sentence::read(message).into_iter().collect(), |one| vec![one]),
        DiagnosticKind::Compile | DiagnosticKind::Build => Vec::new(),
    }
}

/// gcc's and clang's ways to say that an included file is not there.
fn in_compiler(message: &str) -> Option<Missing> {
    let header = message
        .strip_suffix(": No such file or directory")
        .or_else(|| message.strip_prefix('\'')?.strip_suffix("' file not found"))?;
    name::header(header)
}

/// GNU ld's, gold's, lld's and mold's ways to say that a library is not there.
fn in_linker(message: &str) -> Option<Missing> {
    let library = message
        .strip_prefix("cannot find -l")
        .or_else(|| message.strip_prefix("unable to find library -l"))
        .or_else(|| message.strip_prefix("library not found: "))?;
    name::library(library.split(": ").next()?)
}

/// How much a diagnostic counts here: not at all if it is a warning.
pub(super) fn is_error(found: &Diagnostic) -> bool {
    found.severity != Severity::Warning
}
