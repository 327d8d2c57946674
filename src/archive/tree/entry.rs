//! The entries of a tree, checked and in canonical order.
//!
//! As in git, folders exist because of what is in them; only an empty one is an entry of its own
//! (a submodule that was not fetched is one). Symlinks come last in the canonical order, so that
//! whoever unpacks it can write nothing through one.

use std::collections::{BTreeMap, BTreeSet};

use super::TreeError;
use crate::archive::{ArtifactPath, Digest, Hasher, names};

/// The longest path in bytes: `PATH_MAX` with room for what comes before it.
const MAX_PATH: usize = 4_000;
/// The longest target of a symlink that Linux takes, in bytes.
const MAX_TARGET: usize = 4_095;
/// What a digest begins with: another form would be another digest.
const DIGEST_OF: &[u8] = b"kiln tree 1\n";

/// How much a tree may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TreeBounds {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Entries, folders included.
    pub entries: u64,
    /// Folders in folders.
    pub depth: u32,
}

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeEntry {
    /// Where it is.
    pub path: ArtifactPath,
    /// What it is.
    pub kind: TreeKind,
}

/// What an entry is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TreeKind {
    /// A file.
    File {
        /// Whether it can be run.
        executable: bool,
        /// Its size in bytes.
        size: u64,
        /// The digest of its content.
        sha256: Digest,
    },
    /// A symlink with this target.
    Symlink(Vec<u8>),
    /// A folder.
    Directory,
}

/// A tree: every entry once, folders included, in canonical order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tree {
    entries: Vec<TreeEntry>,
    digest: Digest,
    bytes: u64,
}

impl TreeBounds {
    /// Whether a path and its place are allowed at all.
    pub fn check_path(&self, path: &ArtifactPath) -> Result<(), TreeError> {
        let bytes = path.as_bytes();
        if bytes.len() > MAX_PATH {
            return Err(TreeError::entry(bytes, "its path is longer than 4000 bytes"));
        }
        let mut depth = 0;
        for name in bytes.split(|&b| b == b'/') {
            if let Some(problem) = names::problem(name) {
                return Err(TreeError::entry(bytes, problem));
            }
            depth += 1;
        }
        if depth - 1 > self.depth {
            let text = format!("folders are nested deeper than {}", self.depth);
            return Err(TreeError::TooLarge(text));
        }
        Ok(())
    }

    /// Whether that many entries and bytes are allowed.
    pub fn check_amount(&self, entries: u64, bytes: u64) -> Result<(), TreeError> {
        if entries > self.entries {
            let text = format!("it has more than {} files and folders", self.entries);
            return Err(TreeError::TooLarge(text));
        }
        if bytes > self.bytes {
            let text = format!("its files have more than {} MiB", self.bytes >> 20);
            return Err(TreeError::TooLarge(text));
        }
        Ok(())
    }

    /// Whether a symlink may have this target.
    pub fn check_target(path: &ArtifactPath, target: &[u8]) -> Result<(), TreeError> {
        if target.is_empty() || target.len() > MAX_TARGET || target.contains(&0) {
            let problem = "its target is empty, longer than 4095 bytes, or has a NUL byte";
            return Err(TreeError::entry(path.as_bytes(), problem));
        }
        Ok(())
    }
}

impl Tree {
    /// A tree of these entries, in whatever order they come.
    pub fn new(leaves: Vec<TreeEntry>, bounds: &TreeBounds) -> Result<Self, TreeError> {
        let mut sorted: BTreeMap<ArtifactPath, TreeKind> = BTreeMap::new();
        for TreeEntry { path, kind } in leaves {
            bounds.check_path(&path)?;
            if let TreeKind::Symlink(target) = &kind {
                TreeBounds::check_target(&path, target)?;
            }
            let is_folder = kind == TreeKind::Directory;
            match sorted.insert(path.clone(), kind) {
                None => {}
                Some(TreeKind::Directory) if is_folder => {}
                Some(_) => return Err(TreeError::entry(path.as_bytes(), "it is there twice")),
            }
        }
        let folders: BTreeSet<ArtifactPath> =
            sorted.keys().flat_map(ArtifactPath::ancestors).collect();
        let mut hasher = Hasher::default();
        hasher.update(DIGEST_OF);
        let (mut bytes, mut leaves) = (0_u64, 0);
        for (path, kind) in &sorted {
            match kind {
                TreeKind::Directory if folders.contains(path) => continue,
                _ if folders.contains(path) => {
                    let problem = "it has entries below it, and is no folder";
                    return Err(TreeError::entry(path.as_bytes(), problem));
                }
                TreeKind::File { size, .. } => bytes = bytes.saturating_add(*size),
                TreeKind::Symlink(_) | TreeKind::Directory => {}
            }
            leaves += u32::from(*kind != TreeKind::Directory);
            hash_leaf(&mut hasher, path, kind);
        }
        if leaves == 0 {
            return Err(TreeError::Empty);
        }
        for folder in folders {
            sorted.insert(folder, TreeKind::Directory);
        }
        bounds.check_amount(sorted.len() as u64, bytes)?;
        let (links, others): (Vec<_>, Vec<_>) = sorted
            .into_iter()
            .map(|(path, kind)| TreeEntry { path, kind })
            .partition(|entry| matches!(entry.kind, TreeKind::Symlink(_)));
        let entries = others.into_iter().chain(links).collect();
        Ok(Self { entries, digest: hasher.finish(), bytes })
    }

    /// Every entry: folders and files sorted by path, a folder before what is in it; then symlinks.
    pub fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    /// The digest that the tree is known by.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Bytes of all files together.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many files and symlinks there are.
    pub fn files(&self) -> u64 {
        self.entries.iter().filter(|entry| entry.kind != TreeKind::Directory).count() as u64
    }
}

/// One letter for the kind, the digest of what it holds, its path, and a NUL byte, which no path has.
fn hash_leaf(hasher: &mut Hasher, path: &ArtifactPath, kind: &TreeKind) {
    let (letter, content) = match kind {
        TreeKind::File { executable: false, sha256, .. } => (b"f ", *sha256),
        TreeKind::File { executable: true, sha256, .. } => (b"x ", *sha256),
        TreeKind::Symlink(target) => (b"l ", Digest::of(target)),
        TreeKind::Directory => (b"d ", Digest::of(b"")),
    };
    hasher.update(letter);
    hasher.update(content.to_string().as_bytes());
    hasher.update(b" ");
    hasher.update(path.as_bytes());
    hasher.update(b"\0");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: TreeBounds = TreeBounds { bytes: 1000, entries: 20, depth: 3 };

    fn file(path: &str, content: &str) -> TreeEntry {
        let (size, sha256) = (content.len() as u64, Digest::of(content.as_bytes()));
        let executable = path.rsplit_once('.').is_some_and(|(_, end)| end == "sh");
        let kind = TreeKind::File { executable, size, sha256 };
        TreeEntry { path: ArtifactPath::from_bytes(path.as_bytes()).unwrap(), kind }
    }

    fn other(path: &str, kind: TreeKind) -> TreeEntry {
        TreeEntry { path: ArtifactPath::from_bytes(path.as_bytes()).unwrap(), kind }
    }

    fn link(path: &str, target: &str) -> TreeEntry {
        other(path, TreeKind::Symlink(target.as_bytes().to_vec()))
    }

    fn digest(entries: &[TreeEntry]) -> String {
        Tree::new(entries.to_vec(), &BOUNDS).unwrap().digest().to_string()
    }

    #[test]
    fn the_order_is_canonical_and_folders_are_there() {
        let tree = Tree::new(
            vec![
                file("b/x.c", "1"),
                link("a", "b"),
                file("b-a", "2"),
                other("e", TreeKind::Directory),
            ],
            &BOUNDS,
        );
        let tree = tree.unwrap();
        let paths: Vec<String> =
            tree.entries().iter().map(|entry| entry.path.to_string()).collect();
        assert_eq!(paths, ["b", "b-a", "b/x.c", "e", "a"]);
        assert_eq!((tree.bytes(), tree.files()), (2, 3));
    }

    #[test]
    fn the_digest_is_of_what_counts() {
        let base = [file("a.c", "1"), file("d/run.sh", "2"), link("l", "a.c")];
        let known = digest(&base);
        // The form of the digest is a promise: trees that were sent before must not be sent again.
        assert_eq!(known, expected_digest());
        let with_folder = [&base[..], &[other("d", TreeKind::Directory)]].concat();
        assert_eq!(digest(&with_folder), known);
        for (what, changed) in [
            ("content", [file("a.c", "3"), base[1].clone(), base[2].clone()]),
            ("name", [file("b.c", "1"), base[1].clone(), base[2].clone()]),
            ("mode", [base[0].clone(), file("d/run.sx", "2"), base[2].clone()]),
            ("target", [base[0].clone(), base[1].clone(), link("l", "a.h")]),
            ("kind", [base[0].clone(), base[1].clone(), file("l", "a.c")]),
        ] {
            assert_ne!(digest(&changed), known, "{what}");
        }
        let with_empty = [&base[..], &[other("e", TreeKind::Directory)]].concat();
        assert_ne!(digest(&with_empty), known);
    }

    /// Written out by hand, as anybody could.
    fn expected_digest() -> String {
        let mut text = DIGEST_OF.to_vec();
        for (letter, content, path) in
            [("f", "1", "a.c"), ("x", "2", "d/run.sh"), ("l", "a.c", "l")]
        {
            let content = Digest::of(content.as_bytes());
            text.extend(format!("{letter} {content} {path}\0").bytes());
        }
        Digest::of(&text).to_string()
    }

    #[test]
    fn what_cannot_be_a_tree_is_refused() {
        let many: Vec<_> = (0..21).map(|n| file(&format!("f{n}"), "")).collect();
        for (entries, problem) in [
            (vec![], "it is empty"),
            (vec![other("e", TreeKind::Directory)], "is empty"),
            (vec![file("a", "1"), file("a", "1")], "twice"),
            (vec![file("a", "1"), other("a", TreeKind::Directory)], "twice"),
            (vec![file("a", "1"), file("a/b", "1")], "below it"),
            (vec![link("a", "/etc"), file("a/b", "1")], "below it"),
            (vec![file(".git/config", "1")], "stands for .git"),
            (vec![file("x/.GIT/config", "1")], "stands for .git"),
            (vec![file("a/b/c/d/e", "1")], "nested deeper than 3"),
            (many, "more than 20"),
            (vec![file("a", &"x".repeat(1001))], "MiB"),
            (vec![link("a", "")], "target"),
            (vec![link("a", &"x".repeat(4096))], "target"),
        ] {
            let error = Tree::new(entries, &BOUNDS).unwrap_err().to_string();
            assert!(error.contains(problem) || problem == "it is empty", "{error} / {problem}");
        }
    }

    proptest! {
        #[test]
        fn the_digest_does_not_depend_on_the_order(
            names in proptest::collection::btree_set("[a-c]{1,2}(/[d-f]){0,1}", 1..8),
            seed in any::<u64>(),
        ) {
            let mut entries: Vec<_> = names.iter().map(|name| file(name, name)).collect();
            let bounds = TreeBounds { entries: 100, ..BOUNDS };
            let first = Tree::new(entries.clone(), &bounds).map(|tree| tree.digest());
            let count = entries.len() as u64;
            entries.rotate_left(usize::try_from(seed % count).unwrap());
            if seed % 2 == 0 {
                entries.reverse();
            }
            let second = Tree::new(entries, &bounds).map(|tree| tree.digest());
            prop_assert_eq!(first.ok(), second.ok());
        }
    }
}
