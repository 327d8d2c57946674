//! CMake: always out of the tree, with Ninja unless a preset says otherwise.
//!
//! The compilers come from `CC` and `CXX`, which CMake reads; parallelism comes from
//! `CMAKE_BUILD_PARALLEL_LEVEL`, so that a recipe's environment can change it. Nothing is defined
//! that changes what is built: a build type only where the project has no default of its own.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    Found, System, Wish,
    kind::{Rank, build_folder, step},
    lean,
    presets::{self, Presets},
};
use crate::{
    builder::listing::{Folder, quote},
    model::StepKind,
};

pub(super) fn find(folder: Folder<'_>, wish: Wish<'_>) -> Vec<Found> {
    let whole = one(folder, wish);
    let lean = whole.as_ref().filter(|_| !wish.test).and_then(|whole| without_tests(folder, whole));
    whole.into_iter().chain(lean).collect()
}

/// The same without what only developers need, where the project lets that be left out.
fn without_tests(folder: Folder<'_>, whole: &Found) -> Option<Found> {
    let arguments = lean::arguments(&folder.text("CMakeLists.txt")?)?;
    let mut steps = whole.steps.clone();
    steps.first_mut()?.run.push_str(&arguments);
    let because =
        "there is a CMakeLists.txt; without its tests, which are not asked for".to_owned();
    Some(Found { because, steps, env: whole.env.clone(), system: whole.system, rank: whole.rank })
}

fn one(folder: Folder<'_>, wish: Wish<'_>) -> Option<Found> {
    folder.file("CMakeLists.txt")?;
    let text = folder.text("CMakeLists.txt");
    // Without project() it is a part of something else, to be included from elsewhere.
    if text.as_ref().is_some_and(|text| !has_project(text)) {
        return None;
    }
    let build = build_folder(folder.listing)?;
    let mut because = "there is a CMakeLists.txt".to_owned();
    let mut configure = format!("cmake -S {} -B {build}", folder.argument());
    let mut generator = " -G Ninja";
    let mut has_type = text.is_some_and(|text| sets_build_type(&text));
    match presets::choose(folder) {
        Presets::None => {}
        Presets::Unused(why) => {
            let _ = write!(because, "; no preset is used, {why}");
        }
        Presets::Taken { name, has_generator } => {
            let _ = write!(configure, " --preset {}", quote(&name));
            let _ = write!(because, "; its preset {} is used", name.escape_debug());
            has_type = true;
            if has_generator {
                generator = "";
            }
        }
    }
    configure.push_str(generator);
    if !has_type {
        configure.push_str(" -DCMAKE_BUILD_TYPE=RelWithDebInfo");
    }
    for argument in &wish.toolchain.cmake_args {
        configure.push(' ');
        configure.push_str(&quote(argument));
    }
    let mut steps = vec![
        step(StepKind::Configure, configure),
        step(StepKind::Compile, format!("cmake --build {build}")),
    ];
    if wish.test {
        let run = format!("ctest --test-dir {build} --output-on-failure");
        steps.push(step(StepKind::Test, run));
    }
    Some(Found { system: System::CMake, rank: Rank::CMake, because, steps, env: BTreeMap::new() })
}

/// The lines without comments, in lower case.
fn code(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| line.split('#').next().unwrap_or(line).trim().to_ascii_lowercase())
}

/// Whether `project(…)` is called, in whatever case, outside a comment. A file that is cut off
/// counts as one that calls it.
fn has_project(text: &str) -> bool {
    text.len() >= crate::builder::MAX_WANTED_BYTES
        || code(text).any(|line| {
            line.strip_prefix("project").is_some_and(|rest| rest.trim_start().starts_with('('))
        })
}

/// Whether the project chooses a build type by itself where none was given.
fn sets_build_type(text: &str) -> bool {
    code(text).any(|line| {
        let called = line.strip_prefix("set").map(str::trim_start);
        called
            .and_then(|rest| rest.strip_prefix('('))
            .is_some_and(|rest| rest.trim_start().starts_with("cmake_build_type"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_is_found_in_any_case_and_not_in_comments() {
        for (text, expected) in [
            ("cmake_minimum_required(VERSION 3.5)\nproject(x C)", true),
            ("  PROJECT (x)", true),
            ("Project(x)", true),
            ("# project(x)", false),
            ("project_options(x)", false),
            ("add_library(x x.c)", false),
        ] {
            assert_eq!(has_project(text), expected, "{text}");
        }
    }

    #[test]
    fn a_projects_own_build_type_is_seen() {
        for (text, expected) in [
            ("if(NOT CMAKE_BUILD_TYPE)\n  set(CMAKE_BUILD_TYPE Release)\nendif()", true),
            ("SET ( CMAKE_BUILD_TYPE \"Debug\" CACHE STRING \"\")", true),
            ("if(CMAKE_BUILD_TYPE STREQUAL Debug)", false),
            ("# set(CMAKE_BUILD_TYPE x)", false),
        ] {
            assert_eq!(sets_build_type(text), expected, "{text}");
        }
    }
}
