//! Options of a CMake project that leave out what only its developers need: tests, benchmarks.
//!
//! They often want a library that is a submodule, or fetched while it is configured. Who only wants
//! the program does not need them, so a project that cannot be configured is tried without.

/// Parts of the names of such options.
const WORDS: &[&str] = &["TEST", "TESTS", "TESTING", "BENCHMARK", "BENCHMARKS", "BENCH", "FUZZ"];
/// The most that are turned off.
const MAX_OPTIONS: usize = 32;

/// The arguments that turn them off; none if the project has no such options.
pub(super) fn arguments(text: &str) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or(line).trim();
        let Some(name) = option(line) else { continue };
        if is_for_developers(&name) && !names.contains(&name) {
            names.push(name);
        }
    }
    names.truncate(MAX_OPTIONS);
    let mut arguments = String::new();
    for name in &names {
        arguments.extend([" -D", name, "=OFF"]);
    }
    (!arguments.is_empty()).then_some(arguments)
}

/// The name that an `option(…)` defines; that of `CTest` is `BUILD_TESTING`.
fn option(line: &str) -> Option<String> {
    let (call, rest) = line.split_once('(')?;
    let first = rest.trim_start().split([' ', '\t', ')', '"']).next()?;
    match call.trim().to_ascii_lowercase().as_str() {
        "option" | "cmake_dependent_option" => Some(first.to_owned()),
        "include" if first == "CTest" => Some("BUILD_TESTING".to_owned()),
        _ => None,
    }
}

fn is_for_developers(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.split('_').any(|word| WORDS.contains(&word.to_ascii_uppercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_tests_and_benchmarks_are_found_and_no_others() {
        for (text, expected) in [
            ("option(FMT_TEST \"Generate the test target.\" ON)", Some(" -DFMT_TEST=OFF")),
            (
                "include(CTest)\nOPTION( X_BUILD_TESTS \"t\" ON)",
                Some(" -DBUILD_TESTING=OFF -DX_BUILD_TESTS=OFF"),
            ),
            (
                "option(A_BENCHMARKS \"\" ON)\noption(A_BENCHMARKS \"\" ON)",
                Some(" -DA_BENCHMARKS=OFF"),
            ),
            ("cmake_dependent_option(A_FUZZ \"\" ON \"B\" OFF)", Some(" -DA_FUZZ=OFF")),
            ("option(ATTESTED \"\" ON)\noption(INSTALL \"\" ON)", None),
            ("# option(A_TEST \"\" ON)", None),
            ("option(A;TEST \"\" ON)", None),
            ("project(x)", None),
        ] {
            assert_eq!(arguments(text).as_deref(), expected, "{text}");
        }
    }
}
