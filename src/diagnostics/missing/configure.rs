//! What configure scripts, autoconf, automake and pkg-config say is missing.

use super::{Missing, MissingKind, name};

/// What an error of a configure script names in words that autoconf's own macros use.
pub(super) fn in_error(message: &str) -> Option<Missing> {
    if message.starts_with("The pkg-config script could not be found") {
        return name::checked(MissingKind::Program, "pkg-config");
    }
    // intltool: "XML::Parser perl module is required for intltool".
    let (module, _) = message.split_once(" perl module is required")?;
    name::checked(MissingKind::PerlModule, module)
}

/// What `PKG_CHECK_MODULES` required: `Package requirements (libfoo >= 1.2) were not met`.
pub(super) fn requirement(message: &str) -> Option<Vec<Missing>> {
    let rest = message.strip_prefix("Package requirements (")?;
    Some(name::modules(rest.split(") were not met").next()?))
}

/// A macro that autoconf, automake or the shell does not know.
pub(super) fn in_macro(message: &str) -> Option<Missing> {
    for before in ["possibly undefined macro: ", "undefined or overquoted macro: "] {
        if let Some((_, rest)) = message.split_once(before) {
            return name::of_macro(rest);
        }
    }
    if message.contains("but 'LIBTOOL' is undefined") {
        return name::checked(MissingKind::Macro, "LT_INIT");
    }
    None
}

/// The source line that a shell quotes after a syntax error: `` `PKG_CHECK_MODULES(FOO, foo)' ``.
pub(super) fn in_quoted_script(line: &str) -> Option<Missing> {
    let (_, rest) = line.split_once(": `")?;
    name::of_macro(rest.strip_suffix('\'')?)
}

/// What a line of pkg-config says, about a module that is there or is not.
pub(super) enum Module {
    /// It is not there.
    Missing(Missing),
    /// It is there, in a version that does not fit.
    Unfit,
}

/// `No package 'x' found`, `Package x was not found in the pkg-config search path`, and pkgconf's
/// `Package 'x', required by 'virtual:world', not found`; CMake puts two dashes before.
pub(super) fn pkg_config(line: &str) -> Option<Module> {
    let line = line.trim_start_matches('-').trim();
    if let Some(rest) = line.strip_prefix("No package ") {
        let module = rest.strip_suffix(" found")?;
        return name::checked(MissingKind::PkgConfig, module).map(Module::Missing);
    }
    if line.starts_with("Requested '") || line.starts_with("Package dependency requirement") {
        return Some(Module::Unfit);
    }
    let rest = line.strip_prefix("Package ")?;
    let module = rest
        .split_once(" was not found in the pkg-config search path")
        .or_else(|| rest.strip_suffix(", not found")?.split_once(", required by "))?
        .0;
    name::checked(MissingKind::PkgConfig, module).map(Module::Missing)
}

/// What a `checking …` line of a configure script asked, and that the answer was no.
#[derive(Clone, Debug)]
pub(super) struct Check {
    /// What is asked for, as far as the line says what it is.
    pub missing: Option<Missing>,
    /// The word it was asked by: the name of a function, program or package.
    pub word: String,
}

/// What a check was answered.
pub(super) enum Answer {
    /// It is there, or was no question of that kind.
    Yes,
    /// It is not there.
    No(Check),
}

/// Reads `checking for deflate in -lz... no`, if the line is of that kind.
pub(super) fn check(line: &str) -> Option<Answer> {
    if let Some(answer) = meson_check(line) {
        return Some(answer);
    }
    let question = line.strip_prefix("checking ")?;
    let Some((question, answer)) = question.rsplit_once("... ") else { return Some(Answer::Yes) };
    let answer = answer.trim_start_matches("(cached) ").trim();
    if !["no", "not found", "missing"].contains(&answer) {
        return Some(Answer::Yes);
    }
    let question = question.trim_start_matches("for ").trim();
    let word = question.split(' ').next().unwrap_or_default().to_owned();
    let missing = if let Some((_, library)) = question.split_once(" in -l") {
        name::library(library.split(' ').next().unwrap_or(library))
    } else if let Some(library) = question.strip_prefix("-l") {
        name::library(library)
    } else if name::is_header(&word) {
        name::header(&word)
    } else if question.contains(['<', '>', '=']) {
        name::module(question)
    } else {
        None
    };
    Some(Answer::No(Check { missing, word }))
}

/// Meson's checks: `Run-time dependency x found: NO (tried pkgconfig)`, `Program x found: NO`.
fn meson_check(line: &str) -> Option<Answer> {
    let (question, answer) = line.split_once(" found: ")?;
    let (kind, word) = question.rsplit_once(' ')?;
    let kind = match kind.rsplit(' ').next()? {
        "dependency" | "Dependency" => MissingKind::PkgConfig,
        "Program" => MissingKind::Program,
        "Library" => MissingKind::Library,
        _ => return None,
    };
    // "NO. Found 1.3 but need: '>= 99'": it is there.
    if !answer.starts_with("NO") || answer.contains("but need") {
        return Some(Answer::Yes);
    }
    Some(Answer::No(Check { missing: name::checked(kind, word), word: word.to_owned() }))
}
