//! What a build lacks: the header, library, program or package that an error says is not there.
//!
//! Errors name it in their own words, and often the line before says it better than they do: a
//! configure script prints `checking for deflate in -lz... no` and then stops with "zlib needed".
//! So the lines around are kept as clues, which count only if an error needs them.

mod cmake;
mod configure;
mod meson;
mod name;
mod search;
mod sentence;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::{Diagnostic, DiagnosticKind, Severity};

pub(super) use search::Search;

/// What kind of thing is missing, precisely enough to look it up in an index of packages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingKind {
    /// A header as it is included: `event2/event.h`.
    Header,
    /// A library without `lib` and ending: `event` of `-levent`.
    Library,
    /// A program's name: `gtkdocize`.
    Program,
    /// A module of pkg-config, without a version: `libevent`.
    PkgConfig,
    /// A package as `find_package` names it: `Libevent`.
    CMakePackage,
    /// An m4 macro that autoconf does not know: `AX_PTHREAD`.
    Macro,
    /// A Perl module: `XML::Parser`.
    PerlModule,
    /// A Python module: `jinja2`.
    PythonModule,
}

/// One thing that is missing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Missing {
    /// What it is.
    pub kind: MissingKind,
    /// Its name; a name, never a path of the machine or a sentence.
    pub name: String,
}

/// What an error says is missing, if it says so itself.
fn in_error(error: &Diagnostic, command: Option<&str>) -> Vec<Missing> {
    let message = error.message.as_str();
    match error.kind {
        DiagnosticKind::Compile if error.file.is_some() => {
            in_compiler(message).or_else(|| configure::in_macro(message)).into_iter().collect()
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
fn is_error(found: &Diagnostic) -> bool {
    found.severity != Severity::Warning
}
