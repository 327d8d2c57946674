//! What a build system is to the builder, and the order in which they are tried.

use std::{collections::BTreeMap, fmt};

use super::{
    super::listing::{Folder, Listing},
    autotools, capital, cmake, configure, make, meson,
};
use crate::model::{Step, StepKind, StepName};

/// How a project is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum System {
    /// The recipe gives the steps.
    Recipe,
    /// CMake with Ninja.
    CMake,
    /// Meson with Ninja.
    Meson,
    /// A configure script made by autoconf.
    Autoconf,
    /// A configure script that someone wrote.
    Configure,
    /// A configure script that is made first: `autogen.sh`, `autoreconf` …
    Autotools,
    /// A Makefile.
    Make,
    /// Only sources: the compiler and nothing else.
    Plain,
}

impl System {
    /// Whether GNU make runs the compiler: of all of them only its rules may be unsafe for several
    /// jobs at a time, because they are written by hand.
    pub fn uses_make(self) -> bool {
        matches!(self, Self::Autoconf | Self::Configure | Self::Autotools | Self::Make)
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Recipe => "recipe",
            Self::CMake => "CMake",
            Self::Meson => "Meson",
            Self::Autoconf | Self::Configure => "configure",
            Self::Autotools => "autotools",
            Self::Make => "Make",
            Self::Plain => "the compiler alone",
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
    pub rank: Rank,
    /// Why, as the end of a sentence: `there is a CMakeLists.txt`.
    pub because: String,
    pub steps: Vec<Step>,
    pub env: BTreeMap<String, String>,
}

/// The order in which what fits is tried, from what says most about the project to what says least.
///
/// A `CMakeLists.txt` or a `meson.build` is written for nothing else and works in every container.
/// A configure script that is there needs less than one that has to be made. A Makefile beside a
/// `configure.ac`, with nothing for configure to make it from, stands for itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::builder) enum Rank {
    CMake,
    Meson,
    Configure,
    /// A complete Makefile beside a `configure.ac`.
    MakeAlone,
    /// The project's own script that makes configure.
    Script,
    /// `autoreconf`.
    Autoreconf,
    /// A configure script without the files it is to fill in.
    ConfigureInPart,
    Make,
    /// A Makefile that includes a file which is not there.
    MakeInPart,
}

type Find = fn(Folder<'_>, Wish<'_>) -> Vec<Found>;

/// The systems that are known.
const ALL: &[Find] =
    &[cmake::find, meson::find, configure::find, capital::find, autotools::find, make::find];

/// Everything that can build this folder, the best first.
pub(in crate::builder) fn find(folder: Folder<'_>, wish: Wish<'_>) -> Vec<Found> {
    let mut found: Vec<Found> = ALL.iter().flat_map(|find| find(folder, wish)).collect();
    found.sort_by_key(|found| found.rank);
    found
}

/// The folder a build may take: the usual name, unless the tree has something there.
pub(super) fn build_folder(listing: &Listing) -> Option<&'static str> {
    ["build", "kiln-build", "kiln-build-1"].into_iter().find(|name| !listing.occupied(name))
}

pub(super) fn step(kind: StepKind, run: String) -> Step {
    let name = match kind {
        StepKind::Configure => "configure",
        StepKind::Compile => "compile",
        StepKind::Test => "test",
        StepKind::Install => "install",
        StepKind::Command => "command",
    };
    named(name, kind, run)
}

/// A step with a name of its own.
pub(super) fn named(name: &str, kind: StepKind, run: String) -> Step {
    let name: StepName = name.parse().expect("the names written here are step names");
    Step { name, kind, run }
}
