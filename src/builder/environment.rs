//! The environment that every job gets.
//!
//! Nothing in it is a matter of security: the sandbox does not depend on it, so a recipe may
//! replace all of it. Parallelism is said here and not in the commands, for the same reason, and
//! from the job's CPU bound, because `nproc` in a container counts the host's processors.

use std::collections::BTreeMap;

use super::ToolchainFacts;
use crate::model::{Environment, Limits, Timestamp};

/// Where the home of the build is; whoever starts the steps creates it.
const HOME: &str = "/workspace/home";

/// What the environment of a job depends on.
#[derive(Clone, Copy, Debug)]
pub struct JobFacts<'a> {
    /// The toolchain.
    pub toolchain: &'a ToolchainFacts,
    /// The bounds of the job.
    pub limits: &'a Limits,
    /// When the commit was made: the time that reproducible builds write.
    pub committed_at: Timestamp,
}

/// The environment of a job's steps: ours, then the system's, then the recipe's, which wins.
pub fn environment(
    job: JobFacts<'_>,
    system: &BTreeMap<String, String>,
    recipe: &Environment,
) -> Environment {
    let parallel = job.limits.parallelism().to_string();
    // Times before 1970 are possible in git, and not here.
    let seconds = job.committed_at.as_millis().div_euclid(1000).max(0).to_string();
    let ours = [
        ("HOME", HOME.to_owned()),
        ("TMPDIR", "/tmp".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("SOURCE_DATE_EPOCH", seconds),
        ("MAKEFLAGS", format!("-j{parallel}")),
        ("CMAKE_BUILD_PARALLEL_LEVEL", parallel.clone()),
        ("CTEST_PARALLEL_LEVEL", parallel),
        // There is no terminal, and the log is shown with colors: CMake, ninja and what they start
        // are told to write them. make-based builds stay as their authors left them, since a flag
        // in CFLAGS would replace the project's own.
        ("CLICOLOR_FORCE", "1".to_owned()),
        ("CMAKE_COLOR_DIAGNOSTICS", "ON".to_owned()),
        ("CC", job.toolchain.cc.clone()),
        ("CXX", job.toolchain.cxx.clone()),
    ];
    let mut all: BTreeMap<String, String> = ours
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    for more in [&job.toolchain.env, system, &recipe.0] {
        all.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    Environment(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(committed_at: i64, recipe: &[(&str, &str)]) -> BTreeMap<String, String> {
        let toolchain = ToolchainFacts {
            cc: "gcc-14".into(),
            cxx: "g++-14".into(),
            env: [("AR".to_owned(), "gcc-ar-14".to_owned())].into(),
            ..ToolchainFacts::default()
        };
        let limits = Limits { cpu_millis: 3_500, ..Limits::default() };
        let recipe = recipe.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let job = JobFacts {
            toolchain: &toolchain,
            limits: &limits,
            committed_at: Timestamp::from_millis(committed_at),
        };
        let system = [("MAKEINFO".to_owned(), "true".to_owned())].into();
        environment(job, &system, &Environment(recipe)).0
    }

    #[test]
    fn toolchain_parallelism_and_time_are_given() {
        let env = of(1_700_000_000_999, &[]);
        for (name, value) in [
            ("CC", "gcc-14"),
            ("CXX", "g++-14"),
            ("AR", "gcc-ar-14"),
            ("MAKEFLAGS", "-j3"),
            ("CMAKE_BUILD_PARALLEL_LEVEL", "3"),
            ("SOURCE_DATE_EPOCH", "1700000000"),
            ("HOME", "/workspace/home"),
            ("MAKEINFO", "true"),
        ] {
            assert_eq!(env[name], value, "{name}");
        }
        assert_eq!(of(-5, &[])["SOURCE_DATE_EPOCH"], "0");
    }

    #[test]
    fn the_recipe_wins_over_everything() {
        let env = of(0, &[("CC", "tcc"), ("MAKEFLAGS", "-j1"), ("MAKEINFO", "x"), ("NEW", "1")]);
        for (name, value) in [("CC", "tcc"), ("MAKEFLAGS", "-j1"), ("MAKEINFO", "x"), ("NEW", "1")]
        {
            assert_eq!(env[name], value, "{name}");
        }
    }
}
