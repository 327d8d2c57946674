//! What Meson's errors say is missing.

use super::{Missing, MissingKind, name};

/// What an error of Meson names.
pub(super) fn in_error(message: &str) -> Option<Missing> {
    let gone = message.contains("not found");
    // `Dependency "x" not found, tried pkgconfig and cmake`, `Native dependency 'x' not found`.
    let is_dependency = message.starts_with("Dependency ") || message.contains(" dependency '");
    if is_dependency && gone {
        return name::checked(MissingKind::PkgConfig, name::quoted(message)?);
    }
    if let Some(rest) = message.strip_prefix("Dependency lookup for ") {
        return match rest.split_once(" with method ") {
            Some((_, why)) if why.contains("Pkg-config binary") => {
                name::checked(MissingKind::Program, "pkg-config")
            }
            Some((module, why)) if why.contains("not found") => name::module(module),
            _ => None,
        };
    }
    if message.contains("Pkg-config binary") && gone {
        return name::checked(MissingKind::Program, "pkg-config");
    }
    // `Program 'x' not found or not executable`, `Program(s) ['x', 'y'] not found`.
    if message.starts_with("Program") && gone {
        return name::checked(MissingKind::Program, name::quoted(message)?);
    }
    // `C shared or static library 'x' not found`, `C++ library 'x' not found`.
    let (before, rest) = message.split_once('\'')?;
    let (thing, after) = rest.split_once('\'')?;
    if !after.starts_with(" not found") {
        return None;
    }
    match before.trim_end() {
        before if before.ends_with("library") => name::library(thing),
        before if before.ends_with("header") => name::header(thing),
        _ => None,
    }
}
