//! What a commit says of itself, and which paths are not as they were at another one.

use super::{
    inspect,
    walk::{self, Source},
    wire::{Failure, Reply, TreeRequest},
};
use crate::model::CommitId;

/// Changed paths that are told; more are as good as not knowing them.
const MAX_CHANGED: usize = 10_000;

pub(super) fn compare(request: TreeRequest, since: Option<&CommitId>) -> Result<Reply, Failure> {
    let bounds = request.bounds;
    let source = Source::open(request)?;
    let (repository, commit) = source.root();
    let tree = walk::tree_of(repository, commit)?;
    // It may not be there any more: then nobody knows.
    let old = since.and_then(|since| walk::tree_of(repository, since).ok());
    let paths = old.and_then(|old| walk::changed(repository, old, tree, bounds));
    Ok(Reply::Compared {
        message: inspect::message(repository, commit)?,
        paths: paths.filter(|paths| paths.len() <= MAX_CHANGED),
    })
}
