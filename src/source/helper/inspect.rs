//! Says what is in a source: the commit, every entry, and the few small files that decide the plan.

use git2::{Oid, Repository};

use super::{
    walk::{self, Source, damaged},
    wire::{
        Failure, FoundFile, FoundSubmodule, Inspected, TreeBounds, TreeEntry, TreeKind, TreeRequest,
    },
};
use crate::model::{CommitId, CommitInfo, Timestamp};

/// What is kept of a commit's message, in bytes.
const MAX_MESSAGE: usize = 4 << 10;
/// What is kept of a name or address, in bytes.
const MAX_NAME: usize = 256;
/// A file is inflated as a whole, though only its beginning is given: configure scripts have some
/// hundred KiB, the largest a few MiB.
const MAX_INFLATED: u64 = 8 << 20;
/// Changed paths that are kept.
const MAX_CHANGED: usize = 1_000;

pub(super) fn inspect(
    request: TreeRequest,
    files: &[String],
    file_bytes: u64,
) -> Result<Inspected, Failure> {
    let bounds = request.bounds;
    let source = Source::open(request)?;
    let walked = source.walk()?;
    let (repository, commit) = source.root();
    let mut found = Inspected {
        info: info(repository, commit, bounds)?,
        entries: Vec::with_capacity(walked.len()),
        files: Vec::new(),
        submodules: Vec::new(),
        too_large: Vec::new(),
    };
    let included = source.included();
    for entry in walked {
        let is_file = matches!(entry.kind, TreeKind::File | TreeKind::Executable);
        if let Some(name) = files.iter().find(|name| is_file && name.as_bytes() == entry.path) {
            if entry.size > file_bytes {
                found.too_large.push(name.clone());
            }
            if entry.size <= MAX_INFLATED.max(file_bytes) {
                let most = usize::try_from(file_bytes).unwrap_or(usize::MAX);
                let begin = |bytes: &[u8]| bytes[..bytes.len().min(most)].to_vec();
                let content = source.read(&entry, begin)?;
                found.files.push(FoundFile { name: name.clone(), content });
            }
        }
        if entry.kind == TreeKind::Submodule && !included.contains(entry.path.as_slice()) {
            let commit = commit_id(entry.id)?;
            found.submodules.push(FoundSubmodule { path: entry.path.clone(), commit });
        }
        let (kind, size) = (entry.kind, entry.size);
        found.entries.push(TreeEntry { path: entry.path, kind, size });
    }
    Ok(found)
}

fn commit_id(id: Oid) -> Result<CommitId, Failure> {
    id.to_string().parse().map_err(|_| damaged(&git2::Error::from_str("a submodule's id is odd")))
}

fn info(
    repository: &Repository,
    commit: &CommitId,
    bounds: TreeBounds,
) -> Result<CommitInfo, Failure> {
    let tree = walk::tree_of(repository, commit)?;
    let id = Oid::from_str(commit.as_str()).map_err(|e| damaged(&e))?;
    let commit = repository.find_commit(id).map_err(|e| damaged(&e))?;
    // A shallow fetch has no parents; a first commit has none either. Both say nothing.
    let parent = commit.parent_id(0).ok().and_then(|id| id.to_string().parse::<CommitId>().ok());
    let old = parent.and_then(|parent| walk::tree_of(repository, &parent).ok());
    let mut changed_paths =
        old.and_then(|old| walk::changed(repository, old, tree, bounds)).unwrap_or_default();
    changed_paths.truncate(MAX_CHANGED);
    let author = commit.author();
    Ok(CommitInfo {
        author: cut(author.name_bytes(), MAX_NAME),
        email: cut(author.email_bytes(), MAX_NAME),
        message: cut(commit.message_bytes(), MAX_MESSAGE),
        committed_at: Timestamp::from_millis(commit.time().seconds().saturating_mul(1_000)),
        changed_paths,
    })
}

/// A commit's message.
pub(super) fn message(repository: &Repository, commit: &CommitId) -> Result<String, Failure> {
    let id = Oid::from_str(commit.as_str()).map_err(|e| damaged(&e))?;
    let commit = repository.find_commit(id).map_err(|e| damaged(&e))?;
    Ok(cut(commit.message_bytes(), MAX_MESSAGE))
}

/// The beginning of a text that may not be UTF-8, cut between characters, without NUL: databases
/// do not take it.
fn cut(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(most + 4)]).replace('\0', "");
    let end = (0..=most.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text[..end.unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        for (bytes, most, expected) in [
            ("abc".as_bytes(), 10, "abc"),
            ("abc".as_bytes(), 2, "ab"),
            ("aü".as_bytes(), 2, "a"),
            (b"a\0b", 9, "ab"),
            (b"", 5, ""),
        ] {
            assert_eq!(cut(bytes, most), expected);
        }
    }
}
