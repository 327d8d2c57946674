//! One toolchain: the image it stands for and what a build in it needs to be told.

use std::collections::BTreeMap;

use crate::model::ToolchainName;

/// A toolchain that may be asked for by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Toolchain {
    /// Its name.
    pub name: ToolchainName,
    /// What it is a version of: `gcc`, `clang`, `mingw64` …
    pub family: String,
    /// The compiler's version as far as the name says it: `14`. Empty if it does not.
    pub version: String,
    /// Where its image comes from.
    pub source: ImageSource,
    /// What it makes code for, as the compiler's triple: `x86_64-linux-gnu`.
    pub target: String,
    /// What it makes code for, as container engines name it: `linux/amd64`.
    pub platform: String,
    /// Whether the programs it makes cannot run where they are made.
    pub cross: bool,
    /// What a build finds in its environment: `CC`, `CXX`, `AR` …
    pub env: BTreeMap<String, String>,
    /// What to give `configure --host`.
    pub configure_host: Option<String>,
    /// What to add to the first `cmake`.
    pub cmake_args: Vec<String>,
    /// What to add to `meson setup`.
    pub meson_args: Vec<String>,
}

/// Where the image of a toolchain comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ImageSource {
    /// kiln builds it.
    Recipe(Recipe),
    /// The operator's configuration names it: any reference that the engine knows.
    Reference(String),
}

/// What the last stage of a catalogue image is made from; the stages before follow from the release.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipe {
    /// The code name of the Debian release.
    pub release: String,
    /// The Dockerfile's name in the catalogue.
    pub dockerfile: String,
    /// Other files of the catalogue that the Dockerfile copies.
    pub files: Vec<String>,
    /// Build arguments, without the parent image.
    pub args: BTreeMap<String, String>,
}

/// What the libraries of a package must be for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PackageTarget {
    /// The machine itself.
    Native,
    /// Linux on another processor, by Debian's name for it.
    Architecture(&'static str),
    /// Windows.
    Windows,
    /// musl, for which Debian has no libraries.
    Musl,
}

impl Toolchain {
    /// What the libraries of packages must be for.
    pub fn package_target(&self) -> PackageTarget {
        match self.target.as_str() {
            "aarch64-linux-gnu" => PackageTarget::Architecture("arm64"),
            target if target.ends_with("-mingw32") => PackageTarget::Windows,
            target if target.ends_with("-musl") => PackageTarget::Musl,
            _ => PackageTarget::Native,
        }
    }

    /// The Debian release its packages are from, where kiln made its image.
    pub fn release(&self) -> Option<&str> {
        match &self.source {
            ImageSource::Recipe(recipe) => Some(&recipe.release),
            ImageSource::Reference(_) => None,
        }
    }

    /// The reference under which the engine has its image.
    pub fn image(&self) -> String {
        match &self.source {
            ImageSource::Recipe(_) => format!("kiln/toolchain:{}", self.name.as_key()),
            ImageSource::Reference(reference) => reference.clone(),
        }
    }

    /// A toolchain that the operator's configuration defines. What can be known of it is its name,
    /// so the family decides what its compiler is called.
    pub(super) fn custom(name: ToolchainName, reference: String) -> Self {
        let version = name.as_str().split_once(':').map_or("", |(_, version)| version).to_owned();
        let family = name.family().to_owned();
        let tools: &[(&str, &str)] = match family.as_str() {
            "gcc" => &[("CC", "gcc"), ("CXX", "g++"), ("AR", "gcc-ar"), ("RANLIB", "gcc-ranlib")],
            "clang" => &[("CC", "clang"), ("CXX", "clang++")],
            _ => &[("CC", "cc"), ("CXX", "c++")],
        };
        let env = tools.iter().map(|(name, tool)| ((*name).to_owned(), (*tool).to_owned()));
        Self {
            name,
            family,
            version,
            source: ImageSource::Reference(reference),
            target: "x86_64-linux-gnu".to_owned(),
            platform: "linux/amd64".to_owned(),
            cross: false,
            env: env.collect(),
            configure_host: None,
            cmake_args: Vec::new(),
            meson_args: Vec::new(),
        }
    }
}
