//! CMake: always out of the tree, with Ninja.
//!
//! The compilers come from `CC` and `CXX`, which CMake reads; parallelism comes from
//! `CMAKE_BUILD_PARALLEL_LEVEL`, so that a recipe's environment can change it.

use std::collections::BTreeMap;

use super::{Found, System, Wish, kind::step};
use crate::{
    builder::listing::{Folder, quote},
    model::StepKind,
};

/// The folders the build may take: the usual name, unless the tree has something there.
const BUILD_FOLDERS: &[&str] = &["build", "kiln-build", "kiln-build-1"];

pub(super) fn find(folder: Folder<'_>, wish: Wish<'_>) -> Option<Found> {
    folder.file("CMakeLists.txt")?;
    // Without project() it is a part of something else, to be included from elsewhere.
    if folder.text("CMakeLists.txt").is_some_and(|text| !has_project(&text)) {
        return None;
    }
    let build = BUILD_FOLDERS.iter().find(|name| !folder.listing.occupied(name))?;
    let mut configure = format!(
        "cmake -S {} -B {build} -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo",
        folder.argument()
    );
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
    Some(Found {
        system: System::CMake,
        because: "there is a CMakeLists.txt".to_owned(),
        steps,
        env: BTreeMap::new(),
    })
}

/// Whether `project(…)` is called, in whatever case, outside a comment. A file that is cut off
/// counts as one that calls it.
fn has_project(text: &str) -> bool {
    text.len() >= crate::builder::MAX_WANTED_BYTES
        || text.lines().any(|line| {
            let code = line.split('#').next().unwrap_or(line).trim().to_ascii_lowercase();
            code.strip_prefix("project").is_some_and(|rest| rest.trim_start().starts_with('('))
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
}
