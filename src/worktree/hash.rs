//! Hashes what was found, so that the digest of the tree is known before anything is sent.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::Read as _,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{
    WorktreeError,
    walk::{self, Found, FoundKind, is_executable, shown},
};
use crate::{
    archive::{
        ArtifactPath, Hasher,
        tree::{Tree, TreeBounds, TreeEntry, TreeError, TreeKind},
    },
    protocol::TreeBase,
};

/// Files that are hashed at one time: reading small files is mostly waiting.
const MAX_THREADS: usize = 8;
/// How often a tree that changes is read again from the start.
const TRIES: u32 = 2;
const BUFFER: usize = 256 * 1024;

/// Hears how far it is.
pub trait Meter: Sync {
    /// There will be so many bytes.
    fn expect(&self, bytes: u64);
    /// So many more were read.
    fn advance(&self, bytes: u64);
}

/// A folder as it was when it was hashed.
#[derive(Debug)]
pub struct Worktree {
    pub(super) root: PathBuf,
    pub(super) tree: Tree,
    /// What is compared before a file is sent.
    pub(super) stamps: BTreeMap<ArtifactPath, Stamp>,
    base: Option<TreeBase>,
    notes: Vec<String>,
}

/// What changes when a file is written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    file: (u64, u64),
}

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self {
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            file: (meta.dev(), meta.ino()),
        }
    }
}

impl Worktree {
    /// The tree.
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What it was made from, if it is part of a git repository.
    pub const fn base(&self) -> Option<&TreeBase> {
        self.base.as_ref()
    }

    /// What was left out although nobody said so.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Reads a folder: again if it changes meanwhile, and then it is an error.
pub fn read(
    folder: &Path,
    bounds: &TreeBounds,
    meter: &dyn Meter,
) -> Result<Worktree, WorktreeError> {
    let broken = |error| WorktreeError::Folder { path: folder.to_owned(), error };
    let root = folder.canonicalize().map_err(broken)?;
    fs::read_dir(&root).map_err(broken)?;
    check_width(&root)?;
    let mut tries = 1;
    loop {
        let found = walk::find(&root, bounds)?;
        meter.expect(found.bytes);
        match hash(&root, found, (bounds, meter)) {
            Err(error) if error.is_change() && tries < TRIES => tries += 1,
            result => return result,
        }
    }
}

/// Refuses what nobody means: the whole machine, or everything that a person has.
fn check_width(root: &Path) -> Result<(), WorktreeError> {
    let wide = |what| Err(WorktreeError::TooWide { path: root.to_owned(), what });
    if root == Path::new("/") {
        return wide("the whole machine");
    }
    let home = std::env::home_dir().and_then(|home| home.canonicalize().ok());
    if home.is_some_and(|home| home == root) && !root.join(".git").exists() {
        return wide("your home folder");
    }
    Ok(())
}

fn hash(
    root: &Path,
    found: Found,
    (bounds, meter): (&TreeBounds, &dyn Meter),
) -> Result<Worktree, WorktreeError> {
    let Found { entries, base, notes, .. } = found;
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let work = || {
        let mut done = Vec::new();
        let mut buffer = vec![0; BUFFER];
        while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
            let kind = match &entry.kind {
                FoundKind::Folder => (TreeKind::Directory, None),
                FoundKind::Symlink(target) => (TreeKind::Symlink(target.clone()), None),
                FoundKind::File { .. } => {
                    let (kind, stamp) = file(root, &entry.path, (&mut buffer, meter))?;
                    (kind, Some(stamp))
                }
            };
            done.push((entry.path.clone(), kind));
        }
        Ok(done)
    };
    let parts: Vec<Result<Vec<_>, WorktreeError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("hashing does not panic")).collect()
    });
    let (mut leaves, mut stamps) = (Vec::with_capacity(entries.len()), BTreeMap::new());
    for part in parts {
        for (path, (kind, stamp)) in part? {
            stamps.extend(stamp.map(|stamp| (path.clone(), stamp)));
            leaves.push(TreeEntry { path, kind });
        }
    }
    let tree = Tree::new(leaves, bounds).map_err(|error| match error {
        TreeError::TooLarge(text) => WorktreeError::TooLarge(text),
        error => WorktreeError::Tree(error),
    })?;
    Ok(Worktree { root: root.to_owned(), tree, stamps, base, notes })
}

/// Opens a file if it still is one, and not through a symlink that took its place.
pub(super) fn open(root: &Path, path: &ArtifactPath) -> Result<(File, Metadata), WorktreeError> {
    let name = path.as_bytes();
    let place = root.join(std::ffi::OsStr::from_bytes(name));
    let changed = || WorktreeError::Changes { path: shown(name) };
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => changed(),
        _ => walk::unreadable(name, error),
    };
    let before = place.symlink_metadata().map_err(failed)?;
    if !before.is_file() {
        return Err(changed());
    }
    let file = File::open(&place).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if Stamp::of(&before).file == Stamp::of(&meta).file { Ok((file, meta)) } else { Err(changed()) }
}

fn file(
    root: &Path,
    path: &ArtifactPath,
    (buffer, meter): (&mut [u8], &dyn Meter),
) -> Result<(TreeKind, Stamp), WorktreeError> {
    let unreadable = |error| walk::unreadable(path.as_bytes(), error);
    let (mut file, meta) = open(root, path)?;
    let stamp = Stamp::of(&meta);
    let (mut hasher, mut size) = (Hasher::default(), 0_u64);
    loop {
        let read = match file.read(buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error)),
        };
        hasher.update(&buffer[..read]);
        size += read as u64;
        meter.advance(read as u64);
        if size > meta.len() {
            // It grows: that is noticed below, and a log that grows for ever has an end here.
            break;
        }
    }
    let after = Stamp::of(&file.metadata().map_err(unreadable)?);
    if size != meta.len() || after != stamp {
        return Err(WorktreeError::Changes { path: shown(path.as_bytes()) });
    }
    let executable = is_executable(&meta);
    Ok((TreeKind::File { executable, size, sha256: hasher.finish() }, stamp))
}
