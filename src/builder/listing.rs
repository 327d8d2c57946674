//! A tree as the builder sees it: paths, kinds, and the beginnings of a few small files.
//!
//! The listing comes from git's object database, without a checkout. Which contents matter depends
//! on the names, so the caller asks `wanted_files`, reads those, and adds them.

use std::{borrow::Cow, collections::BTreeMap};

/// How much of a wanted file is looked at; build files say who they are in their first lines.
pub const MAX_WANTED_BYTES: usize = 64 * 1024;
/// The most files that are wanted.
const MAX_WANTED: usize = 96;
/// Names whose contents matter, in the root and in the folders below it.
const WANTED: &[&str] = &[
    "CMakeLists.txt",
    "CMakePresets.json",
    "CMakeUserPresets.json",
    "meson.build",
    "configure",
    "Configure",
    "configure.ac",
    "configure.in",
    "autogen.sh",
    "autogen",
    "bootstrap",
    "bootstrap.sh",
    "buildconf",
    "buildconf.sh",
    "Makefile.am",
    "Makefile.in",
    "GNUmakefile",
    "makefile",
    "Makefile",
];
/// Names that end like this are sources that a C or C++ compiler takes.
const SOURCES: &[&str] =
    &["c", "cc", "cpp", "cxx", "c++", "C", "s", "S", "asm", "m", "mm", "y", "l"];

/// What an entry of the tree is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A file without the executable bit.
    File,
    /// A file with the executable bit.
    Executable,
    /// A symlink.
    Symlink,
    /// A folder, or a submodule. Folders above files need not be listed.
    Directory,
}

/// A tree: paths relative to its root, as bytes, because git allows any.
#[derive(Clone, Default, Debug)]
pub struct Listing {
    entries: BTreeMap<Vec<u8>, FileKind>,
    contents: BTreeMap<String, Vec<u8>>,
    name: Option<String>,
}

impl Listing {
    /// A listing of these entries.
    pub fn new(entries: impl IntoIterator<Item = (Vec<u8>, FileKind)>) -> Self {
        Self { entries: entries.into_iter().collect(), contents: BTreeMap::new(), name: None }
    }

    /// The same tree under the project's name, the last part of its URL without `.git`: a folder of
    /// this name is more likely the project than others.
    #[must_use]
    pub fn named(mut self, url: &str) -> Self {
        let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        self.name = Some(last.strip_suffix(".git").unwrap_or(last).to_owned());
        self
    }

    /// The project's name, if it is known.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether there is nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The files that the caller should read (their first [`MAX_WANTED_BYTES`]) and add, where
    /// they are regular files.
    pub fn wanted_files(&self) -> Vec<String> {
        let mut wanted: Vec<&str> = self
            .files()
            .filter(|path| {
                let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
                WANTED.contains(&name) && !folder.contains('/')
            })
            .collect();
        // Those of the root first: they must not fall to the bound.
        wanted.sort_by_key(|path| (path.contains('/'), *path));
        wanted.truncate(MAX_WANTED);
        wanted.into_iter().map(str::to_owned).collect()
    }

    /// Adds what a file begins with.
    pub fn add_contents(&mut self, path: &str, mut bytes: Vec<u8>) {
        bytes.truncate(MAX_WANTED_BYTES);
        self.contents.insert(path.to_owned(), bytes);
    }

    /// Whether the tree has an entry of this path, of whatever kind.
    pub fn contains(&self, path: &[u8]) -> bool {
        self.entries.contains_key(path)
    }

    /// Whether there is anything at or below this path.
    pub(super) fn occupied(&self, path: &str) -> bool {
        let below = format!("{path}/").into_bytes();
        self.entries.contains_key(path.as_bytes())
            || self
                .entries
                .range(below.clone()..)
                .next()
                .is_some_and(|(p, _)| p.starts_with(&below))
    }

    /// The kind of the file (not folder) at this path.
    pub(super) fn file(&self, path: &str) -> Option<FileKind> {
        self.entries.get(path.as_bytes()).copied().filter(|kind| *kind != FileKind::Directory)
    }

    /// What the file begins with, if it was added.
    pub(super) fn text(&self, path: &str) -> Option<Cow<'_, str>> {
        self.contents.get(path).map(|bytes| String::from_utf8_lossy(bytes))
    }

    /// All files whose path is UTF-8.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter(|(_, kind)| **kind != FileKind::Directory)
            .filter_map(|(path, _)| std::str::from_utf8(path).ok())
    }

    /// Files that a C or C++ compiler takes, or that become such.
    pub(super) fn sources(&self) -> impl Iterator<Item = &str> {
        self.files().filter(|path| {
            let name = path.rsplit('/').next().unwrap_or(path);
            name.rsplit_once('.').is_some_and(|(_, end)| SOURCES.contains(&end))
        })
    }

    /// The names of the folders in the root that are not hidden.
    pub(super) fn folders(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .files()
            .filter_map(|path| path.split_once('/').map(|(folder, _)| folder))
            .filter(|folder| !folder.starts_with('.'))
            .collect();
        names.dedup();
        names
    }
}

/// One folder of a tree: the root, or one below it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folder<'a> {
    pub listing: &'a Listing,
    /// Empty for the root.
    pub path: &'a str,
}

impl<'a> Folder<'a> {
    fn at(self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }

    /// The kind of the file of this name.
    pub(super) fn file(self, name: &str) -> Option<FileKind> {
        self.listing.file(&self.at(name))
    }

    /// What the file of this name begins with.
    pub(super) fn text(self, name: &str) -> Option<Cow<'a, str>> {
        self.listing.text(&self.at(name))
    }

    /// Whether there is anything at or below this path in the folder.
    pub(super) fn occupied(self, name: &str) -> bool {
        self.listing.occupied(&self.at(name))
    }

    /// The text that begins a command so that it runs in this folder.
    pub(super) fn enter(self) -> String {
        if self.path.is_empty() { String::new() } else { format!("cd {} && ", self.argument()) }
    }

    /// The folder as an argument of a command; never one that looks like an option.
    pub(super) fn argument(self) -> String {
        match self.path {
            "" => ".".to_owned(),
            path if path.starts_with('-') => quote(&format!("./{path}")).into_owned(),
            path => quote(path).into_owned(),
        }
    }
}

/// A word for the shell: as it is where that is safe, else in single quotes.
pub(super) fn quote(word: &str) -> Cow<'_, str> {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"_-./+=:,@".contains(&b);
    if !word.is_empty() && word.bytes().all(safe) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        for (word, expected) in [
            ("CC=gcc-14", "CC=gcc-14"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
            ("-x", "-x"),
        ] {
            assert_eq!(quote(word), expected);
        }
    }

    #[test]
    fn wanted_files_are_few_and_those_of_the_root_come_first() {
        let paths = (0..500).map(|n| format!("d{n:03}/Makefile")).chain(["Makefile".to_owned()]);
        let listing = Listing::new(paths.map(|path| (path.into_bytes(), FileKind::File)));
        let wanted = listing.wanted_files();
        assert_eq!((wanted.len(), wanted[0].as_str()), (MAX_WANTED, "Makefile"));
    }
}
