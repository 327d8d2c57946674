//! What cannot be removed, and why.

use crate::{artifact::ArtifactError, model::BuildId, store::StoreError};

/// A build was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// There is none.
    #[error("there is no build {0}")]
    NotFound(BuildId),
    /// It is not over.
    #[error("build {0} has not ended: cancel it first")]
    Unfinished(BuildId),
    /// Somebody said that it stays.
    #[error("build {0} is pinned: take the pin away first (`kiln unpin`)")]
    Pinned(BuildId),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The artifact store failed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}
