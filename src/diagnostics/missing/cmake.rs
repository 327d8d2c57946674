//! What CMake's errors say is missing.

use super::{Missing, MissingKind, name};

/// What an error of CMake names; `command` is the one that failed, such as `find_library`.
pub(super) fn in_error(message: &str, command: Option<&str>) -> Option<Missing> {
    let package = |text: &str| name::checked(MissingKind::CMakePackage, text);
    if let Some(rest) = message.strip_prefix("Could NOT find ") {
        // A version that does not fit is another matter: the package is there.
        if rest.contains("Found unsuitable version") {
            return None;
        }
        return package(rest.split([' ', ',', ':', '(']).next()?);
    }
    if let Some(rest) = message.strip_prefix("By not providing \"Find") {
        return package(rest.split(".cmake\"").next()?);
    }
    let provided = "Could not find a package configuration file provided by ";
    if let Some(rest) = message.strip_prefix(provided) {
        return package(name::quoted(rest)?);
    }
    if let Some(rest) = message.strip_prefix("None of the required ") {
        return name::module(name::quoted(rest)?.split(';').next()?);
    }
    let program = "CMake was unable to find a build program corresponding to \"";
    if let Some(rest) = message.strip_prefix(program) {
        return match rest.split('"').next()? {
            "Ninja" => name::checked(MissingKind::Program, "ninja"),
            "Unix Makefiles" => name::checked(MissingKind::Program, "make"),
            _ => None,
        };
    }
    // `find_library(X foo REQUIRED)` and its like: "Could not find X using the following names: foo".
    let rest = message.strip_prefix("Could not find ")?;
    let (_, names) = rest.split_once(" using the following ")?;
    let (_, names) = names.split_once(": ")?;
    let first = names.split([',', ' ']).next()?;
    match command? {
        "find_library" => name::library(first.strip_prefix("lib").unwrap_or(first)),
        "find_program" => name::checked(MissingKind::Program, first),
        "find_path" | "find_file" => name::header(first),
        _ => None,
    }
}

/// Whether a list of pkg-config modules follows: `pkg_check_modules(X REQUIRED …)`.
pub(super) fn lists_modules(message: &str) -> bool {
    message.starts_with("The following required packages were not found")
}
