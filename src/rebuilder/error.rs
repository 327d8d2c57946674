//! A look that could not be taken.

use crate::{
    forge::BadPayload, model::ProjectName, queue::QueueError, secrets::SecretsError,
    source::SourceError, store::StoreError,
};

/// A look could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Nothing can be read from a delivery.
    #[error(transparent)]
    Payload(#[from] BadPayload),
    /// The repository did not answer.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The queue did not take a build.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The login of the project cannot be used.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Every name is taken.
    #[error("no name like {0} is left for a project: make one by hand")]
    NoName(ProjectName),
    /// There is nothing to look at.
    #[error("the project has no repository: it takes uploads")]
    NoRepository,
    /// What was seen is of the repository before.
    #[error("the project has another repository by now")]
    Moved,
    /// It is the end.
    #[error("the server stops")]
    Stopping(#[from] tokio::sync::AcquireError),
}
