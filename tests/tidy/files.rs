//! The files that are checked, and the part of a source file that is not tests.

use std::path::Path;

/// All that people of this project write. Not `Cargo.lock`, which cargo does.
pub(crate) const EVERYTHING: &[&str] = &[
    ".ci",
    ".kiln.toml",
    "CHANGELOG.md",
    "Cargo.toml",
    "README.md",
    "benches",
    "clippy.toml",
    "deny.toml",
    "dev",
    "dev.d",
    "docker-compose.yml",
    "docs",
    "images",
    "migrations",
    "src",
    "tests",
    "typos.toml",
];

/// A file, by its path from the root of the checkout.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The module of `src/<module>.rs`, `src/<module>/…`; `lib.rs` belongs to none.
    pub(crate) fn module(&self) -> Option<&str> {
        let first = self.path.strip_prefix("src/")?.split('/').next()?;
        let module = first.strip_suffix(".rs").unwrap_or(first);
        (module != "lib").then_some(module)
    }

    /// Whether its name ends in this extension.
    pub(crate) fn is(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, end)| end == extension)
    }

    /// Whether all of it is tests: a file or folder called `tests`, or a gate at its head.
    pub(crate) fn is_test(&self) -> bool {
        let part = |p: &str| p == "tests" || p == "tests.rs" || p.ends_with("_tests.rs");
        self.path.split('/').any(part) || self.text.contains("\n#![cfg(test)]")
    }

    /// Everything before the test module, which stands at the end of a file.
    pub(crate) fn code(&self) -> &str {
        if self.is_test() {
            return "";
        }
        let end = self.text.match_indices("\n#[cfg(test)]").find(|(at, gate)| {
            let rest = self.text[at + gate.len()..].trim_start();
            rest.starts_with("mod ") && rest.lines().next().is_some_and(|l| l.ends_with('{'))
        });
        &self.text[..end.map_or(self.text.len(), |(at, _)| at)]
    }

    /// The code without comments, so that words in prose are not taken for code.
    pub(crate) fn code_without_comments(&self) -> String {
        let keep = |line: &&str| !line.trim_start().starts_with("//");
        let cut = |line: &str| line.split(" // ").next().unwrap_or(line).to_owned();
        self.code().lines().filter(keep).map(cut).collect::<Vec<_>>().join("\n")
    }
}

/// Reads files and folders below the root of the checkout; what does not exist yet is left out.
pub(crate) fn read_tree(roots: &[&str]) -> Vec<File> {
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let mut files = Vec::new();
    for name in roots {
        collect(Path::new(&root), Path::new(name), &mut files);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn collect(root: &Path, relative: &Path, into: &mut Vec<File>) {
    let full = root.join(relative);
    if full.is_dir() {
        for entry in std::fs::read_dir(&full).expect("a folder of the checkout can be read") {
            let name = entry.expect("a folder of the checkout can be read").file_name();
            collect(root, &relative.join(name), into);
        }
    } else if let Ok(bytes) = std::fs::read(&full) {
        let path = relative.to_str().expect("our file names are UTF-8").to_owned();
        into.push(File { path, text: String::from_utf8_lossy(&bytes).into_owned() });
    }
}

#[test]
fn the_module_is_the_first_part_of_the_path() {
    for (path, module) in [
        ("src/model/job.rs", Some("model")),
        ("src/main.rs", Some("main")),
        ("src/lib.rs", None),
        ("tests/a.rs", None),
    ] {
        assert_eq!(File::new(path, "").module(), module, "{path}");
    }
}

#[test]
fn code_ends_where_the_test_module_begins() {
    let text =
        "fn a() {}\n#[cfg(test)]\nfn helper() {}\nfn b() {}\n#[cfg(test)]\nmod tests {\nX\n}\n";
    assert_eq!(
        File::new("src/a/b.rs", text).code(),
        "fn a() {}\n#[cfg(test)]\nfn helper() {}\nfn b() {}"
    );
    assert_eq!(File::new("src/a/tests.rs", text).code(), "");
    assert_eq!(File::new("src/a/tests/b.rs", text).code(), "");
    assert!(
        !File::new("src/a/b.rs", "//! sqlx::x\nx(); // sqlx::y\n")
            .code_without_comments()
            .contains("sqlx")
    );
}
