//! What a tree's own scripts ask of git, from the text of its build files.
//!
//! It only decides how much history is worth fetching: too much costs a moment, and a script that
//! was not recognized is answered from what is there.

use git2::Odb;

use super::{
    walk::{Walked, damaged},
    wire::{Asks, Failure, TreeKind},
};

/// The largest file that is looked at: scripts are smaller, generated ones are not asked.
const MAX_FILE: u64 = 128 << 10;
/// The most files, those nearest to the root first.
const MAX_FILES: usize = 400;
/// All files together, in bytes.
const MAX_BYTES: u64 = 8 << 20;
const NAMES: &[&str] = &[
    "configure",
    "meson.build",
    "CMakeLists.txt",
    "GNUmakefile",
    "SConstruct",
    "bootstrap",
    ".kiln.toml",
];
const ENDINGS: &[&str] = &["ac", "in", "m4", "cmake", "mk", "mak", "am", "sh", "py", "pl", "build"];

/// What the files of a source ask of git, all together.
pub(super) fn of_tree(odb: &Odb<'_>, entries: &[Walked]) -> Result<Asks, Failure> {
    let is_file = |entry: &&Walked| {
        matches!(entry.kind, TreeKind::File | TreeKind::Executable) && entry.part == 0
    };
    let mut files: Vec<&Walked> = entries
        .iter()
        .filter(is_file)
        .filter(|entry| entry.size <= MAX_FILE && may_ask(&entry.path))
        .collect();
    files.sort_by_key(|entry| entry.path.split(|&b| b == b'/').count());
    let (mut asks, mut bytes) = (Asks::Head, 0);
    for file in files.into_iter().take(MAX_FILES) {
        bytes += file.size;
        if bytes > MAX_BYTES || asks == Asks::Everything {
            break;
        }
        let object = odb.read(file.id).map_err(|e| damaged(&e))?;
        asks = asks.max(of_text(&String::from_utf8_lossy(object.data())));
    }
    Ok(asks)
}

/// What one file asks.
pub(in crate::source) fn of_text(text: &str) -> Asks {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if !has(&["git", "GIT", "Git", "vcs_tag"]) {
        Asks::Head
    } else if has(&["rev-list", "shortlog", "whatchanged"]) {
        Asks::Everything
    } else if has(&["describe", "version-gen", "VERSION-GEN", "GitRevision", "vcs_tag", "name-rev"])
    {
        Asks::Tag
    } else {
        Asks::Head
    }
}

fn may_ask(path: &[u8]) -> bool {
    let Ok(path) = str::from_utf8(path) else { return false };
    let name = path.rsplit('/').next().unwrap_or(path);
    let (stem, end) = name.rsplit_once('.').unwrap_or((name, ""));
    NAMES.contains(&name)
        || ENDINGS.contains(&end)
        || name.starts_with("Makefile")
        || name.starts_with("makefile")
        || (!["c", "h", "md", "html"].contains(&end) && is_version_script(stem))
}

fn is_version_script(stem: &str) -> bool {
    let stem = stem.to_ascii_lowercase();
    ["version", "revision", "autogen"].iter().any(|word| stem.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_known_by_what_they_call() {
        for (text, expected) in [
            ("VERSION := $(shell git describe --tags --always --dirty)", Asks::Tag),
            ("execute_process(COMMAND ${GIT_EXECUTABLE} describe --long)", Asks::Tag),
            ("run_command('git', 'describe', '--tags')", Asks::Tag),
            ("v = vcs_tag(input: 'version.h.in', output: 'version.h')", Asks::Tag),
            ("AC_INIT([x], m4_esyscmd([build-aux/git-version-gen .tarball-version]))", Asks::Tag),
            ("include(GetGitRevisionDescription)", Asks::Tag),
            ("COUNT=`git rev-list --count HEAD`", Asks::Everything),
            ("SHA := $(shell git rev-parse --short HEAD)", Asks::Head),
            ("# describe what this does", Asks::Head),
            ("all: app", Asks::Head),
        ] {
            assert_eq!(of_text(text), expected, "{text}");
        }
    }

    #[test]
    fn build_files_and_version_scripts_are_looked_at_and_sources_are_not() {
        for (path, expected) in [
            ("Makefile", true),
            ("src/Makefile.am", true),
            ("cmake/GetGitRevisionDescription.cmake", true),
            ("build-aux/git-version-gen", true),
            ("VERSION-GEN", true),
            ("scripts/setlocalversion", true),
            ("version.sh", true),
            ("configure.ac", true),
            ("src/version.c", false),
            ("src/main.c", false),
            ("README.md", false),
        ] {
            assert_eq!(may_ask(path.as_bytes()), expected, "{path}");
        }
    }
}
