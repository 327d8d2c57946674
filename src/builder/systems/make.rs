//! A Makefile: the toolchain is passed on the command line, where it beats `CC = gcc`.
//!
//! Parallelism comes from `MAKEFLAGS`, so that a recipe's environment can change it.

use std::borrow::Cow;

use std::collections::BTreeMap;

use super::{Found, System, ToolchainFacts, Wish, kind::step, makefile};
use crate::{
    builder::listing::{Folder, quote},
    model::StepKind,
};

/// In GNU make's own order.
const NAMES: &[&str] = &["GNUmakefile", "makefile", "Makefile"];

pub(super) fn find(folder: Folder<'_>, wish: Wish<'_>) -> Option<Found> {
    let name = name(folder)?;
    if stub(folder).is_some() {
        return None;
    }
    let root = folder.text(name).unwrap_or_default();
    let mut make = format!("{}make", folder.enter());
    for (variable, value) in overrides(folder, &root, wish.toolchain) {
        make.extend([" ", variable, "=", &quote(&value)]);
    }
    let mut because = format!("there is a {name}");
    let mut steps = vec![step(StepKind::Compile, make.clone())];
    if wish.test {
        match makefile::test_target(&root) {
            Some(target) => steps.push(step(StepKind::Test, format!("{make} {target}"))),
            None => because.push_str("; it has no target `check` or `test` for the tests"),
        }
    }
    Some(Found { system: System::Make, because, steps, env: BTreeMap::new() })
}

fn name(folder: Folder<'_>) -> Option<&'static str> {
    NAMES.iter().copied().find(|name| folder.file(name).is_some())
}

/// The name of the Makefile that only tells to run something else first, if that is all it does.
pub(in crate::builder) fn stub(folder: Folder<'_>) -> Option<&'static str> {
    let name = name(folder)?;
    makefile::is_stub(&folder.text(name)?).then_some(name)
}

/// What is passed to make. A value such as `gcc -std=gnu99` keeps its flags; a compiler that is not
/// the platform's (`avr-gcc`, `mpicc`) is what the project needs and stays.
fn overrides(
    folder: Folder<'_>,
    root: &str,
    toolchain: &ToolchainFacts,
) -> Vec<(&'static str, String)> {
    let cross = toolchain.configure_host.is_some();
    let mut given = Vec::new();
    for variable in makefile::TOOLS {
        let assigned = assigned(folder, root, variable.name);
        let tool = match variable.name {
            "CC" => Some(&toolchain.cc),
            "CXX" => Some(&toolchain.cxx),
            other => toolchain.env.get(other),
        };
        let value = match (assigned, tool) {
            (Some(value), _) => makefile::replaced(&value, variable, toolchain),
            // Not in what was read, but maybe deeper down.
            (None, Some(_)) if adds(folder, root, variable.name) => None,
            (None, Some(tool)) if variable.always || cross && variable.plain => Some(tool.clone()),
            (None, _) => None,
        };
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            given.push((variable.name, value));
        }
    }
    given
}

/// What the Makefile assigns to a variable, or else what those in the folders below agree on.
fn assigned(folder: Folder<'_>, root: &str, variable: &str) -> Option<String> {
    if let Some(value) = makefile::assigned(root, variable) {
        return Some(value);
    }
    if !folder.path.is_empty() {
        return None;
    }
    let mut found: Vec<String> =
        below(folder).filter_map(|text| makefile::assigned(&text, variable)).collect();
    found.dedup();
    if found.len() == 1 { found.pop() } else { None }
}

/// Whether the Makefile, or one below it, adds to what the environment says.
fn adds(folder: Folder<'_>, root: &str, variable: &str) -> bool {
    makefile::adds(root, variable)
        || folder.path.is_empty() && below(folder).any(|text| makefile::adds(&text, variable))
}

/// The Makefiles in the folders below this one.
fn below(folder: Folder<'_>) -> impl Iterator<Item = Cow<'_, str>> {
    let folders = folder.listing.folders().into_iter();
    folders.filter_map(move |path| {
        let below = Folder { path, ..folder };
        NAMES.iter().find_map(|name| below.text(name))
    })
}
