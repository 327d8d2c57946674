//! Walks the tree of a commit in the object database, under bounds.
//!
//! Sizes come from object headers, so that nothing large is read before it is known to be allowed;
//! the walk keeps its own stack, so that depth costs nothing; every entry counts, so that a tree
//! that refers to itself a million times ends at the bound.

use std::collections::{BTreeMap, HashSet};

use git2::{ErrorClass, ErrorCode, ObjectType, Odb, Oid, Repository};

use super::wire::{Failure, FailureKind, Part, TreeBounds, TreeKind, TreeRequest};
use crate::{archive::names, model::CommitId, source::error::foreign};

/// The largest tree object that is read, in bytes: 50 000 names of 255 bytes and their ids.
const MAX_TREE_OBJECT: usize = 16 << 20;
/// The largest commit object that is read, in bytes.
const MAX_COMMIT_OBJECT: usize = 1 << 20;
/// The longest path, in bytes: `PATH_MAX` with room for what comes before it.
const MAX_PATH: usize = 4_000;
/// The longest target of a symlink that Linux takes, in bytes.
const MAX_TARGET: usize = 4_095;

/// One entry, as it was found.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) path: Vec<u8>,
    pub(super) kind: TreeKind,
    pub(super) size: u64,
    pub(super) id: Oid,
    /// Index of the part it belongs to.
    pub(super) part: usize,
}

/// The repositories of a request's parts, opened.
pub(super) struct Source {
    parts: Vec<(Repository, Part)>,
    bounds: TreeBounds,
}

impl Source {
    pub(super) fn open(request: TreeRequest) -> Result<Self, Failure> {
        let parts = request.parts.into_iter().map(|part| {
            let repository = Repository::open_bare(&part.mirror).map_err(|e| damaged(&e))?;
            Ok((repository, part))
        });
        Ok(Self { parts: parts.collect::<Result<_, Failure>>()?, bounds: request.bounds })
    }

    /// The repository and commit of the source itself.
    pub(super) fn root(&self) -> (&Repository, &CommitId) {
        let (repository, part) = &self.parts[0];
        (repository, &part.commit)
    }

    /// Every entry of every part, sorted by path; a directory comes before what is in it.
    pub(super) fn walk(&self) -> Result<Vec<Walked>, Failure> {
        let mut walk = Walk { entries: Vec::new(), bytes: 0, bounds: self.bounds };
        for (index, (repository, part)) in self.parts.iter().enumerate() {
            let tree = tree_of(repository, &part.commit)?;
            walk.part(repository, index, tree, &part.prefix)?;
        }
        walk.entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(walk.entries)
    }

    /// The paths of the submodules that are among the parts.
    pub(super) fn included(&self) -> HashSet<&[u8]> {
        self.parts.iter().skip(1).map(|(_, part)| part.prefix.as_slice()).collect()
    }

    /// Hands over the content of a blob, which must be as large as the walk said. It is lent, not
    /// copied: it may be half of what this process may use.
    pub(super) fn read<T>(
        &self,
        entry: &Walked,
        with: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Failure> {
        let odb = self.odb(entry.part)?;
        let object = odb.read(entry.id).map_err(|e| damaged(&e))?;
        if object.kind() != ObjectType::Blob || object.len() as u64 != entry.size {
            return Err(Failure::new(FailureKind::Corrupt, "a file is not what its header says"));
        }
        Ok(with(object.data()))
    }

    fn odb(&self, part: usize) -> Result<Odb<'_>, Failure> {
        self.parts[part].0.odb().map_err(|e| damaged(&e))
    }
}

/// Paths that differ between two commits of one repository; nothing if either cannot be walked.
pub(super) fn changed(
    repository: &Repository,
    old: Oid,
    new: Oid,
    bounds: TreeBounds,
) -> Option<Vec<String>> {
    let list = |tree| -> Option<BTreeMap<Vec<u8>, (Oid, TreeKind)>> {
        let mut walk = Walk { entries: Vec::new(), bytes: 0, bounds };
        walk.part(repository, 0, tree, b"").ok()?;
        let leaves = walk.entries.into_iter().filter(|entry| entry.kind != TreeKind::Directory);
        Some(leaves.map(|entry| (entry.path, (entry.id, entry.kind))).collect())
    };
    let (old, new) = (list(old)?, list(new)?);
    let gone_or_new = old.keys().chain(new.keys());
    let mut paths: Vec<_> = gone_or_new
        .filter(|path| old.get(*path) != new.get(*path))
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .collect();
    paths.sort();
    paths.dedup();
    Some(paths)
}

/// The tree of a commit; the commit's size is looked at before it is read.
pub(super) fn tree_of(repository: &Repository, commit: &CommitId) -> Result<Oid, Failure> {
    let id = Oid::from_str(commit.as_str()).map_err(|e| damaged(&e))?;
    let odb = repository.odb().map_err(|e| damaged(&e))?;
    let (size, kind) = odb.read_header(id).map_err(|e| damaged(&e))?;
    if kind != ObjectType::Commit {
        let text = format!("{} is not a commit but a {kind}", commit.short());
        return Err(Failure::new(FailureKind::UnknownRef, text));
    }
    if size > MAX_COMMIT_OBJECT {
        return Err(too_large("the commit itself is larger than 1 MiB"));
    }
    Ok(repository.find_commit(id).map_err(|e| damaged(&e))?.tree_id())
}

struct Walk {
    entries: Vec<Walked>,
    bytes: u64,
    bounds: TreeBounds,
}

impl Walk {
    fn part(
        &mut self,
        repository: &Repository,
        part: usize,
        root: Oid,
        prefix: &[u8],
    ) -> Result<(), Failure> {
        let odb = repository.odb().map_err(|e| damaged(&e))?;
        let mut stack = vec![(root, prefix.to_vec())];
        while let Some((tree, parent)) = stack.pop() {
            self.tree(repository, &odb, (part, tree, &parent), &mut stack)?;
        }
        Ok(())
    }

    fn tree(
        &mut self,
        repository: &Repository,
        odb: &Odb<'_>,
        (part, id, parent): (usize, Oid, &[u8]),
        stack: &mut Vec<(Oid, Vec<u8>)>,
    ) -> Result<(), Failure> {
        let (size, kind) = odb.read_header(id).map_err(|e| damaged(&e))?;
        if kind != ObjectType::Tree {
            return Err(refused(parent, "it is a directory that is not one"));
        }
        if size > MAX_TREE_OBJECT {
            return Err(too_large("a directory's list is larger than 16 MiB"));
        }
        let tree = repository.find_tree(id).map_err(|e| damaged(&e))?;
        let mut names = HashSet::with_capacity(tree.len());
        for entry in &tree {
            let name = entry.name_bytes();
            let path = join(parent, name);
            if let Some(problem) = names::problem(name) {
                return Err(refused(&path, problem));
            }
            if !names.insert(name.to_vec()) {
                return Err(refused(&path, "it is there twice"));
            }
            if path.len() > MAX_PATH {
                return Err(refused(&path, "its path is longer than 4000 bytes"));
            }
            let kind = kind_of(entry.filemode());
            let size = self.size(odb, entry.id(), kind, &path)?;
            if kind == TreeKind::Directory {
                let depth = path.split(|&b| b == b'/').count();
                if depth > self.bounds.depth as usize {
                    let text = format!("directories are nested deeper than {}", self.bounds.depth);
                    return Err(too_large(&text));
                }
                stack.push((entry.id(), path.clone()));
            }
            if self.entries.len() >= self.bounds.entries as usize {
                let text = format!("the source has more than {} entries", self.bounds.entries);
                return Err(too_large(&text));
            }
            self.entries.push(Walked { path, kind, size, id: entry.id(), part });
        }
        Ok(())
    }

    fn size(
        &mut self,
        odb: &Odb<'_>,
        id: Oid,
        kind: TreeKind,
        path: &[u8],
    ) -> Result<u64, Failure> {
        if matches!(kind, TreeKind::Directory | TreeKind::Submodule) {
            return Ok(0);
        }
        let (size, object) = odb.read_header(id).map_err(|e| damaged(&e))?;
        if object != ObjectType::Blob {
            return Err(refused(path, "it is a file that is not one"));
        }
        if kind == TreeKind::Symlink && (size == 0 || size > MAX_TARGET) {
            return Err(refused(path, "its target is empty or longer than 4095 bytes"));
        }
        self.bytes = self.bytes.saturating_add(size as u64);
        if self.bytes > self.bounds.bytes {
            let mib = self.bounds.bytes >> 20;
            return Err(too_large(&format!("the source is larger than {mib} MiB")));
        }
        Ok(size as u64)
    }
}

/// libgit2 has normalized the mode: one of five.
fn kind_of(mode: i32) -> TreeKind {
    match mode {
        0o040_000 => TreeKind::Directory,
        0o120_000 => TreeKind::Symlink,
        0o160_000 => TreeKind::Submodule,
        0o100_755 => TreeKind::Executable,
        _ => TreeKind::File,
    }
}

fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}

fn refused(path: &[u8], problem: &str) -> Failure {
    let shown = foreign(&String::from_utf8_lossy(path));
    Failure::new(
        FailureKind::RefusedTree,
        format!("the source is refused because of the name {shown:?}: {problem}"),
    )
}

fn too_large(text: &str) -> Failure {
    Failure::new(FailureKind::TooLarge, text)
}

/// A failure of the object database: memory, or objects that are missing or wrong.
pub(super) fn damaged(error: &git2::Error) -> Failure {
    let text = foreign(error.message());
    if error.class() == ErrorClass::NoMemory {
        return too_large("the source needs more memory than the helper may use");
    }
    let kind = match error.code() {
        ErrorCode::Owner => FailureKind::Internal,
        _ => FailureKind::Corrupt,
    };
    Failure::new(kind, format!("the source's objects are incomplete or damaged: {text}"))
}
