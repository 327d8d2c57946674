//! Chooses what is kept of a workspace: by the recipe's patterns, or programs and libraries.
//!
//! Names, sizes and kinds in the listing come from the build, so they are hostile: nothing is
//! opened here, and only regular files and symlinks are ever chosen; whether a symlink leads to
//! something else that is kept is seen when it is packed. In a pattern `*` does not cross `/`, `**`
//! does, and one that names a folder takes everything below it.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use crate::model::ArtifactRules;

/// How many names a note shows.
const SHOWN: usize = 3;

/// What an entry of the workspace is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryType {
    /// A regular file.
    File,
    /// A symlink.
    Symlink,
    /// Anything else.
    Other,
}

/// An entry of the workspace, after the build.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Path relative to the source folder; hostile bytes.
    pub path: &'a [u8],
    /// What it is.
    pub kind: EntryType,
    /// Permission bits.
    pub mode: u32,
}

/// What is to be kept.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Selection {
    /// Files and symlinks that a pattern names: kept whatever they contain.
    pub named: Vec<Vec<u8>>,
    /// Files that look like programs and libraries: kept if [`super::is_product`] says so. Also the
    /// symlinks by which shared libraries are found.
    pub likely: Vec<Vec<u8>>,
    /// Sentences for the log: what was left out though it might be expected.
    pub notes: Vec<String>,
}

/// A pattern cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("artifacts: the pattern {pattern:?} cannot be used: {problem}")]
pub struct SelectorError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The recipe's patterns, ready to be matched.
#[derive(Debug)]
pub struct Selector {
    include: Option<GlobSet>,
    exclude: GlobSet,
    required: Vec<(String, GlobSet)>,
}

impl Selector {
    /// Prepares the patterns. Their number and length are bounded by [`ArtifactRules`]' own check.
    pub fn new(rules: &ArtifactRules) -> Result<Self, SelectorError> {
        let include = match rules.include.as_slice() {
            [] => None,
            patterns => Some(set(patterns)?),
        };
        let required = rules
            .required
            .iter()
            .map(|pattern| Ok((pattern.clone(), set(std::slice::from_ref(pattern))?)))
            .collect::<Result<_, SelectorError>>()?;
        Ok(Self { include, exclude: set(&rules.exclude)?, required })
    }

    /// Chooses among the entries; `in_source` says whether a path was in the tree before.
    pub fn select<'a>(
        &self,
        in_source: impl Fn(&[u8]) -> bool,
        entries: impl IntoIterator<Item = Candidate<'a>>,
    ) -> Selection {
        let mut selection = Selection::default();
        let mut names = Left::default();
        for entry in entries {
            if entry.kind == EntryType::Other {
                continue;
            }
            let path = Path::new(OsStr::from_bytes(entry.path));
            let candidate = globset::Candidate::new(path);
            let mut wanted = self.include.as_ref().is_some_and(|include| {
                include.is_match_candidate(&candidate)
                    && !self.exclude.is_match_candidate(&candidate)
            });
            wanted |= self.required.iter().any(|(_, one)| one.is_match_candidate(&candidate));
            let looks = match entry.kind {
                EntryType::File => looks_built(entry.path, entry.mode),
                _ => is_library_link(entry.path),
            };
            if wanted {
                selection.named.push(entry.path.to_vec());
            } else if self.include.is_none()
                && looks
                && !self.exclude.is_match_candidate(&candidate)
                && !in_source(entry.path)
            {
                if is_plain(entry.path) {
                    selection.likely.push(entry.path.to_vec());
                } else {
                    names.add(entry.path);
                }
            }
        }
        selection.notes.extend(names.note(
            "Files whose names are not UTF-8 or have control characters are kept only by a pattern",
        ));
        selection
    }

    /// Patterns of `required` that none of these paths matches.
    pub fn missing<'a>(&self, kept: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut missing: Vec<_> = self.required.iter().collect();
        for path in kept {
            if missing.is_empty() {
                break;
            }
            let candidate = globset::Candidate::new(Path::new(OsStr::from_bytes(path)));
            missing.retain(|(_, pattern)| !pattern.is_match_candidate(&candidate));
        }
        missing.into_iter().map(|(pattern, _)| pattern.clone()).collect()
    }
}

/// One set for many patterns: each as it is, and for everything below a folder of that name.
fn set(patterns: &[String]) -> Result<GlobSet, SelectorError> {
    let refused = |pattern: &str, error: &globset::Error| SelectorError {
        pattern: pattern.chars().take(80).collect(),
        problem: error.kind().to_string(),
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let plain = pattern.trim_start_matches("./").trim_end_matches('/');
        for text in [plain.to_owned(), format!("{plain}/**")] {
            set.add(glob(&text).map_err(|error| refused(pattern, &error))?);
        }
    }
    set.build().map_err(|error| refused(patterns.first().map_or("", String::as_str), &error))
}

fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build()
}

/// Whether a new file of this name and mode may be a program or a library.
fn looks_built(path: &[u8], mode: u32) -> bool {
    const LIBRARIES: &[&[u8]] =
        &[b".a", b".so", b".exe", b".dll", b".dylib", b".lib", b".efi", b".elf"];
    const NEVER: &[&[u8]] = &[b".o", b".obj", b".lo", b".la", b".lai", b".gch", b".pch"];
    // What CMake, Meson and autoconf compile to try the compiler, and git's own files.
    const FOLDERS: &[&[u8]] =
        &[b"CMakeFiles", b"meson-private", b"autom4te.cache", b"_CMakeLTOTest-C", b".git"];
    let mut parts: Vec<&[u8]> = path.split(|&b| b == b'/').collect();
    let name = parts.pop().unwrap_or_default();
    if parts.iter().any(|part| FOLDERS.contains(part))
        || NEVER.iter().any(|end| name.ends_with(end))
    {
        return false;
    }
    if name.starts_with(b"conftest") || [&b"config.status"[..], b"libtool"].contains(&name) {
        return false;
    }
    // In .libs lies what libtool really linked; `lt-x` is the same program again.
    if parts.last() == Some(&&b".libs"[..]) && name.starts_with(b"lt-") {
        return false;
    }
    mode & 0o111 != 0
        || LIBRARIES.iter().any(|end| name.len() > end.len() && name.ends_with(end))
        || name.windows(4).any(|part| part == b".so.")
}

/// Whether a new symlink has a shared library's name: `libx.so`, `libx.so.1`, `libx.so.1.2`.
fn is_library_link(path: &[u8]) -> bool {
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let end = name.iter().rposition(|b| !b.is_ascii_digit() && *b != b'.').map_or(0, |at| at + 1);
    let (stem, version) = name.split_at(end);
    let is_versioned = version.is_empty() || (version.len() > 1 && version.starts_with(b"."));
    stem.len() > 3 && stem.ends_with(b".so") && is_versioned && looks_built(path, 0)
}

fn is_plain(path: &[u8]) -> bool {
    std::str::from_utf8(path).is_ok_and(|path| !path.chars().any(char::is_control))
}

/// What was left out: how much, and the first names.
#[derive(Default)]
struct Left {
    count: usize,
    names: Vec<String>,
}

impl Left {
    fn add(&mut self, path: &[u8]) {
        self.count += 1;
        if self.names.len() < SHOWN {
            let name: String = String::from_utf8_lossy(path).escape_debug().take(120).collect();
            self.names.push(name);
        }
    }

    fn note(self, what: &str) -> Option<String> {
        let more = self.count.saturating_sub(self.names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (self.count > 0).then(|| format!("{what}: {}{more}.", self.names.join(", ")))
    }
}

#[cfg(test)]
mod tests;
