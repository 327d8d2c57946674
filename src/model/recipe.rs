//! What is to be done with a tree: steps, environment, artifact rules, limits.
//!
//! A recipe comes from the repository's `.kiln.toml` and from the submission, both in this one
//! form; what the submission says wins, key by key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Label, LimitsRequest, PackageName, StepName, ToolchainName};

/// The most steps a recipe may have.
const MAX_STEPS: usize = 64;
/// The most bytes of all commands and environment values together: the driver script must fit into
/// one argument (128 KiB) after encoding.
const MAX_SCRIPT_BYTES: usize = 64 * 1024;
/// The most environment variables.
const MAX_ENV: usize = 128;
/// The most patterns in one artifact rule, and the longest.
const MAX_PATTERNS: usize = 256;
const MAX_PATTERN_BYTES: usize = 1024;
/// The most toolchains of one build.
const MAX_TOOLCHAINS: usize = 64;
/// The most packages: more than any project of Debian's own asks for by far, and still one command line.
const MAX_PACKAGES: usize = 256;
/// The most labels that can be required: more than that names one machine.
const MAX_REQUIRES: usize = 16;

/// What is to be done, as far as it was said.
///
/// What people write is read more strictly, by `.kiln.toml`'s reader and the submission; this form
/// goes to agents, which may be a release behind.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Recipe {
    /// The toolchains to build with; empty means the server's default.
    pub toolchains: Vec<ToolchainName>,
    /// Debian packages that the build needs beside what the toolchain has.
    pub packages: Vec<PackageName>,
    /// Labels that an agent must have to take a job of this build. Left out where there are none: the
    /// release before this one does not know them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Label>,
    /// The steps; empty means that they are found from the tree.
    pub steps: Vec<Step>,
    /// Environment of every step.
    pub env: Environment,
    /// What to keep.
    pub artifacts: ArtifactRules,
    /// Whether the project's tests run after the compile step; only where steps are found.
    pub test: Option<bool>,
    /// Whether the submodules the commit records are fetched.
    pub submodules: Option<bool>,
    /// Whether the project's compiler cache is used. Left out where nothing is said: agents need not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<bool>,
    /// Bounds other than the default ones.
    pub limits: LimitsRequest,
}

/// One command of a job.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Its name, shown in the log.
    pub name: StepName,
    /// What kind of step it is: decides the cause when it fails.
    pub kind: StepKind,
    /// What `sh -c` runs in the source folder.
    pub run: String,
}

/// What kind of step it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Looks at the machine and writes the build files.
    Configure,
    /// Compiles and links.
    Compile,
    /// Runs tests.
    Test,
    /// Installs.
    Install,
    /// Anything else.
    Command,
}

impl StepKind {
    /// The kind a step of this name has; explicit steps have nothing but their name.
    pub fn of_name(name: &StepName) -> Self {
        match name.as_str() {
            "configure" => Self::Configure,
            "compile" | "build" | "make" => Self::Compile,
            "test" | "tests" | "check" => Self::Test,
            "install" => Self::Install,
            _ => Self::Command,
        }
    }
}

/// Environment variables, in order of their names.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Environment(pub BTreeMap<String, String>);

/// What to keep of a job. Patterns are globs on paths relative to the source folder.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ArtifactRules {
    /// What to keep; empty means the programs and libraries that the build made.
    pub include: Vec<String>,
    /// What not to keep, though it is included.
    pub exclude: Vec<String>,
    /// What must be there: each pattern must match a file, else the job fails.
    pub required: Vec<String>,
    /// Whether a failed job keeps its artifacts, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<ArtifactWhen>,
}

/// When artifacts are kept.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactWhen {
    /// When the steps succeeded.
    #[default]
    Success,
    /// Also when they failed.
    Always,
}

/// A recipe says something that is not allowed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecipeError {
    /// A name that cannot be an environment variable's.
    #[error(
        "env.{0:?}: a variable's name has letters, digits and '_', does not begin with a digit, and is at most 128 long"
    )]
    VariableName(String),
    /// A NUL cannot be passed to a program.
    #[error("{0} contains a NUL byte")]
    Nul(String),
    /// More of something than is accepted.
    #[error("{what}: {count} are too many, at most {most} are accepted")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many are accepted.
        most: usize,
    },
    /// A step without a command.
    #[error("step {0:?} has nothing to run")]
    EmptyStep(String),
    /// A pattern that cannot match a path inside the source folder.
    #[error(
        "artifacts: {0:?} is not a pattern for a path inside the source folder: no leading '/', no '..', at most 1024 bytes"
    )]
    Pattern(String),
    /// The same toolchain twice.
    #[error("toolchain {0} is asked for twice")]
    Duplicate(ToolchainName),
}

impl Recipe {
    /// This recipe with everything that `over` says taking its place.
    #[must_use]
    pub fn overridden_by(self, over: Self) -> Self {
        fn pick<T>(base: Vec<T>, over: Vec<T>) -> Vec<T> {
            if over.is_empty() { base } else { over }
        }
        let mut env = self.env;
        env.0.extend(over.env.0);
        Self {
            toolchains: pick(self.toolchains, over.toolchains),
            packages: pick(self.packages, over.packages),
            requires: pick(self.requires, over.requires),
            steps: pick(self.steps, over.steps),
            env,
            artifacts: ArtifactRules {
                include: pick(self.artifacts.include, over.artifacts.include),
                exclude: pick(self.artifacts.exclude, over.artifacts.exclude),
                required: pick(self.artifacts.required, over.artifacts.required),
                when: over.artifacts.when.or(self.artifacts.when),
            },
            test: over.test.or(self.test),
            submodules: over.submodules.or(self.submodules),
            cache: over.cache.or(self.cache),
            limits: self.limits.overridden_by(&over.limits),
        }
    }

    /// Checks everything that the types do not rule out by themselves.
    pub fn validate(&self) -> Result<(), RecipeError> {
        at_most("toolchains", self.toolchains.len(), MAX_TOOLCHAINS)?;
        for (index, toolchain) in self.toolchains.iter().enumerate() {
            if self.toolchains[..index].contains(toolchain) {
                return Err(RecipeError::Duplicate(toolchain.clone()));
            }
        }
        at_most("packages", self.packages.len(), MAX_PACKAGES)?;
        at_most("requires", self.requires.len(), MAX_REQUIRES)?;
        at_most("steps", self.steps.len(), MAX_STEPS)?;
        at_most("env", self.env.0.len(), MAX_ENV)?;
        let mut bytes = 0;
        for step in &self.steps {
            if step.run.trim().is_empty() {
                return Err(RecipeError::EmptyStep(step.name.to_string()));
            }
            no_nul(&format!("step {:?}", step.name), &step.run)?;
            bytes += step.run.len();
        }
        for (name, value) in &self.env.0 {
            if !is_variable_name(name) {
                return Err(RecipeError::VariableName(name.chars().take(128).collect()));
            }
            no_nul(&format!("env.{name}"), value)?;
            bytes += name.len() + value.len();
        }
        at_most("bytes of commands and environment", bytes, MAX_SCRIPT_BYTES)?;
        let rules = &self.artifacts;
        for (what, patterns) in [
            ("artifacts.include", &rules.include),
            ("artifacts.exclude", &rules.exclude),
            ("artifacts.required", &rules.required),
        ] {
            at_most(what, patterns.len(), MAX_PATTERNS)?;
            if let Some(bad) = patterns.iter().find(|pattern| !is_pattern(pattern)) {
                return Err(RecipeError::Pattern(bad.chars().take(80).collect()));
            }
        }
        Ok(())
    }
}

fn at_most(what: &'static str, count: usize, most: usize) -> Result<(), RecipeError> {
    if count > most { Err(RecipeError::TooMany { what, count, most }) } else { Ok(()) }
}

fn no_nul(what: &str, text: &str) -> Result<(), RecipeError> {
    if text.contains('\0') { Err(RecipeError::Nul(what.to_owned())) } else { Ok(()) }
}

fn is_variable_name(name: &str) -> bool {
    name.len() <= 128
        && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_pattern(pattern: &str) -> bool {
    !pattern.is_empty()
        && pattern.len() <= MAX_PATTERN_BYTES
        && !pattern.starts_with('/')
        && !pattern.contains('\0')
        && pattern.split('/').all(|part| part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, run: &str) -> Step {
        let name = name.parse().unwrap();
        Step { kind: StepKind::of_name(&name), name, run: run.to_owned() }
    }

    #[test]
    fn the_submission_wins_key_by_key() {
        let file = Recipe {
            toolchains: vec!["gcc:14".parse().unwrap()],
            packages: vec!["zlib1g-dev".parse().unwrap()],
            steps: vec![step("compile", "make")],
            env: Environment([("A".into(), "1".into()), ("B".into(), "1".into())].into()),
            test: Some(true),
            ..Recipe::default()
        };
        let over = Recipe {
            toolchains: vec!["clang:19".parse().unwrap()],
            env: Environment([("B".into(), "2".into())].into()),
            ..Recipe::default()
        };
        let merged = file.overridden_by(over);
        assert_eq!(merged.toolchains, ["clang:19".parse().unwrap()]);
        assert_eq!(merged.steps, [step("compile", "make")]);
        assert_eq!(merged.packages, ["zlib1g-dev".parse().unwrap()]);
        let other = Recipe { packages: vec!["libuv1-dev".parse().unwrap()], ..Recipe::default() };
        let both = merged.clone().overridden_by(other.clone());
        assert_eq!(both.packages, other.packages);
        assert_eq!(merged.env.0["A"], "1");
        assert_eq!(merged.env.0["B"], "2");
        assert_eq!(merged.test, Some(true));
    }

    #[test]
    fn what_cannot_work_is_named() {
        let env = |name: &str, value: &str| Recipe {
            env: Environment([(name.into(), value.into())].into()),
            ..Recipe::default()
        };
        let include = |pattern: &str| Recipe {
            artifacts: ArtifactRules { include: vec![pattern.into()], ..ArtifactRules::default() },
            ..Recipe::default()
        };
        let steps = |steps| Recipe { steps, ..Recipe::default() };
        for bad in [
            env("", "x"),
            env("1A", "x"),
            env("A=B", "x"),
            env("A", "x\0"),
            env("A", &"x".repeat(MAX_SCRIPT_BYTES)),
            include("/etc/passwd"),
            include("a/../../b"),
            include(""),
            steps(vec![step("compile", "  ")]),
            steps(vec![step("compile", "a\0b")]),
            steps(vec![step("compile", "make"); MAX_STEPS + 1]),
            Recipe {
                packages: vec!["zlib1g-dev".parse().unwrap(); MAX_PACKAGES + 1],
                ..Recipe::default()
            },
        ] {
            assert!(bad.validate().is_err(), "{bad:?}");
        }
        for good in [env("CFLAGS", "-O2 'x'"), include("build/*.so*"), include("a..b")] {
            assert_eq!(good.validate(), Ok(()));
        }
    }
}
