//! Real C and C++ projects that nobody here wrote: upstream releases, as Debian's source packages
//! carry them, without Debian's changes. Which ones is in `catalog`.
//!
//! `tests/projects/fetch.sh` makes a git repository of each, once a machine.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::repo::{file_url, git};

/// How a project is built, and so what kiln must find out by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum System {
    CMake,
    Meson,
    /// A `configure` that autoconf made.
    Configure,
    /// A `configure` that somebody wrote.
    Handwritten,
    /// What makes `configure`, and no `configure`.
    Autotools,
    Make,
    /// Nothing in the root: the project is in this folder.
    Below(&'static str),
}

impl System {
    /// Whether a tree with these paths is of this kind.
    pub(crate) fn is_of(self, paths: &[String]) -> bool {
        let has = |name: &str| paths.iter().any(|path| path == name);
        let any = |names: &[&str]| names.iter().any(|name| has(name));
        let input = any(&["configure.ac", "configure.in"]);
        match self {
            Self::CMake => has("CMakeLists.txt"),
            Self::Meson => has("meson.build") && !any(&["CMakeLists.txt", "configure", "Makefile"]),
            Self::Configure => has("configure") && input && !has("CMakeLists.txt"),
            Self::Handwritten => has("configure") && !input,
            Self::Autotools => input && !any(&["configure", "CMakeLists.txt", "meson.build"]),
            Self::Make => has("Makefile") && !input && !any(&["configure", "CMakeLists.txt"]),
            Self::Below(folder) => {
                let inside = |name: &str| has(&format!("{folder}/{name}"));
                !any(&["CMakeLists.txt", "configure", "Makefile", "meson.build"])
                    && (inside("CMakeLists.txt") || inside("configure") || inside("Makefile"))
            }
        }
    }
}

/// A project, and how to tell that it was built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Project {
    /// Its Debian source package.
    pub(crate) package: &'static str,
    pub(crate) system: System,
    /// Globs, each of which matches an artifact.
    pub(crate) artifacts: &'static [&'static str],
    /// What `sh -c` runs in a folder with the artifacts, inside an image of the toolchain: programs
    /// are linked against the libraries of that release.
    pub(crate) proof: &'static str,
    /// All that it prints, exactly.
    pub(crate) prints: &'static str,
}

/// A project that is there.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// A bare repository; it is shared and stays: read only.
    pub(crate) path: PathBuf,
    pub(crate) url: String,
    /// Of upstream.
    pub(crate) version: String,
    /// Of `main`.
    pub(crate) commit: String,
}

impl Project {
    /// Makes sure that the repository is there. Blocks, seconds the first time.
    #[expect(
        clippy::disallowed_methods,
        reason = "the rule is for the product; this is the fetch script"
    )]
    pub(crate) fn fetch(&self) -> Fetched {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects/fetch.sh");
        let path = cache().join(format!("{}.git", self.package));
        let output = std::process::Command::new(script)
            .args([self.package.as_ref(), path.as_os_str()])
            .env("KILN_TEST_CACHE", cache())
            .stdin(Stdio::null())
            .output()
            .expect("tests/projects/fetch.sh can be run");
        let says = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} could not be fetched:\n{says}", self.package);
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let head = git(&path, &["rev-parse", "main"]).output().expect("git runs");
        let commit = String::from_utf8_lossy(&head.stdout).trim().to_owned();
        Fetched { url: file_url(&path), path, version, commit }
    }

    /// The expected artifacts that none of these paths is.
    pub(crate) fn missing<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a str>,
    ) -> Vec<&'static str> {
        let paths: Vec<&str> = paths.into_iter().collect();
        let matches = |glob: &str| {
            let glob = globset::Glob::new(glob).expect("a good glob").compile_matcher();
            paths.iter().any(|path| glob.is_match(path))
        };
        self.artifacts.iter().copied().filter(|glob| !matches(glob)).collect()
    }
}

/// Where projects are kept between runs: `KILN_TEST_CACHE`, else in the user's cache folder.
fn cache() -> PathBuf {
    let home = |rest: &str| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(rest));
    std::env::var_os("KILN_TEST_CACHE")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("XDG_CACHE_HOME")?).join("kiln-tests")))
        .or_else(|| home(".cache/kiln-tests"))
        .expect("HOME or KILN_TEST_CACHE is set")
}
