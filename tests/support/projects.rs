//! Real C projects that nobody here wrote: upstream releases, as Debian's source packages carry
//! them, without Debian's changes.
//!
//! `tests/projects/fetch.sh` makes a git repository of each, once a machine. Versions are those of
//! one release of Debian; what is expected here holds for any near them. All of them build with
//! nothing but kiln's own choice of commands, without network, in less than a minute.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::repo::{file_url, git};

/// How a project is built, and so what kiln must find out by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum System {
    CMake,
    Configure,
    Make,
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

/// Seconds are of gcc 14 and clang 19 on two cores.
pub(crate) const PROJECTS: &[Project] = &[
    // 3 s. A program and two shared libraries that belong to it.
    Project {
        package: "md4c",
        system: System::CMake,
        artifacts: &[
            "build/md2html/md2html",
            "build/src/libmd4c.so.*",
            "build/src/libmd4c-html.so.*",
        ],
        proof: "/sbin/ldconfig -n build/src && \
                echo '# kiln' | LD_LIBRARY_PATH=build/src build/md2html/md2html",
        prints: "<h1>kiln</h1>\n",
    },
    // 22 s. Much generated data in C.
    Project {
        package: "brotli",
        system: System::CMake,
        artifacts: &[
            "build/brotli",
            "build/libbrotlicommon.so.*",
            "build/libbrotlidec.so.*",
            "build/libbrotlienc.so.*",
        ],
        proof: "/sbin/ldconfig -n build && export LD_LIBRARY_PATH=build && \
                echo kiln | build/brotli -c | build/brotli -dc",
        prints: "kiln\n",
    },
    // 17–25 s, nearly all of it configure. Autotools with gnulib and gettext.
    Project {
        package: "hello",
        system: System::Configure,
        artifacts: &["hello"],
        proof: "./hello --greeting=kiln",
        prints: "kiln\n",
    },
    // 11–18 s. Wants a terminal library.
    Project {
        package: "less",
        system: System::Configure,
        artifacts: &["less", "lessecho", "lesskey"],
        proof: "echo kiln | ./less && ./lessecho one two",
        prints: "kiln\none two\n",
    },
    // 5–8 s. The compiler is set in a Makefile one level down.
    Project {
        package: "lua5.4",
        system: System::Make,
        artifacts: &["src/lua", "src/luac", "src/liblua.a"],
        proof: "src/lua -e 'print(6 * 7)' && echo 'print(\"compiled\")' | src/luac -o out - && src/lua out",
        prints: "42\ncompiled\n",
    },
    // 3 s. Runs its own tests as a part of `make`.
    Project {
        package: "bzip2",
        system: System::Make,
        artifacts: &["bzip2", "bzip2recover", "libbz2.a"],
        proof: "echo kiln | ./bzip2 -c | ./bzip2 -dc",
        prints: "kiln\n",
    },
    // 3 s. Threads, and zlib from the image.
    Project {
        package: "pigz",
        system: System::Make,
        artifacts: &["pigz"],
        proof: "echo kiln | ./pigz -c | gzip -dc",
        prints: "kiln\n",
    },
    // 2–3 s.
    Project {
        package: "tree",
        system: System::Make,
        artifacts: &["tree"],
        proof: "mkdir folder && touch folder/file && ./tree --noreport --charset=ascii folder",
        prints: "folder\n`-- file\n",
    },
];

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
