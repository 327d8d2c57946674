//! What a build system is to the builder, and the order in which they are tried.

use std::{collections::BTreeMap, fmt};

use super::{super::listing::Folder, cmake, configure, make};
use crate::model::{Step, StepKind, StepName};

/// How a project is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum System {
    /// The recipe gives the steps.
    Recipe,
    /// CMake with Ninja.
    CMake,
    /// A configure script made by autoconf.
    Autoconf,
    /// A configure script that someone wrote.
    Configure,
    /// A Makefile.
    Make,
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Recipe => "recipe",
            Self::CMake => "CMake",
            Self::Autoconf | Self::Configure => "configure",
            Self::Make => "Make",
        })
    }
}

/// What a toolchain means for build systems.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct ToolchainFacts {
    /// The C compiler, such as `gcc-14`.
    pub cc: String,
    /// The C++ compiler.
    pub cxx: String,
    /// Further variables: `AR`, `RANLIB`, `STRIP`, `PKG_CONFIG` …
    pub env: BTreeMap<String, String>,
    /// The triple of the machine that the programs run on, if it is another one.
    pub configure_host: Option<String>,
    /// Arguments for CMake, such as `-DCMAKE_SYSTEM_NAME=Windows`.
    pub cmake_args: Vec<String>,
    /// Arguments for `meson setup`, such as `--cross-file=…`.
    pub meson_args: Vec<String>,
}

/// What is wanted of a build.
#[derive(Clone, Copy, Debug)]
pub(in crate::builder) struct Wish<'a> {
    pub toolchain: &'a ToolchainFacts,
    pub test: bool,
}

/// A system that fits a folder.
#[derive(Debug)]
pub(in crate::builder) struct Found {
    pub system: System,
    /// Why, as the end of a sentence: `there is a CMakeLists.txt`.
    pub because: String,
    pub steps: Vec<Step>,
    pub env: BTreeMap<String, String>,
}

type Find = fn(Folder<'_>, Wish<'_>) -> Option<Found>;

/// The systems in the order in which they are tried.
pub(in crate::builder) const IN_ORDER: &[Find] = &[cmake::find, configure::find, make::find];

pub(super) fn step(kind: StepKind, run: String) -> Step {
    let name = match kind {
        StepKind::Configure => "configure",
        StepKind::Compile => "compile",
        StepKind::Test => "test",
        StepKind::Install => "install",
        StepKind::Command => "command",
    };
    let name: StepName = name.parse().expect("these five are step names");
    Step { name, kind, run }
}
