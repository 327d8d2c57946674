//! What can go wrong with a log.

use crate::{
    artifact::ArtifactError,
    model::{Timestamp, TransitionError},
    protocol::LogEnd,
    store::StoreError,
};

/// A log could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is no such job or attempt.
    #[error("there is no {0}")]
    NotFound(String),
    /// The message comes from an attempt that no longer has the job.
    #[error(transparent)]
    Stale(#[from] TransitionError),
    /// What was sent are not frames, or not in order.
    #[error("{0}")]
    Invalid(String),
    /// Frames are missing before those that were sent.
    #[error("frames are missing: the log reaches to frame {}, send from there", .0.seq)]
    Gap(LogEnd),
    /// The log was removed.
    #[error("the log was removed at {0}, by the retention rules or by hand")]
    Expired(Timestamp),
    /// A sealed log cannot be read.
    #[error("the stored log is damaged: {0}")]
    Damaged(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The artifact store failed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}
