//! What can go wrong with an upload, by whose turn it is.

use crate::{archive::tree::TreeError, artifact::ArtifactError, store::StoreError};

/// An upload was not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// What was sent cannot be built.
    #[error("{0}")]
    Refused(String),
    /// It is more than may be sent.
    #[error("{0}")]
    TooLarge(String),
    /// The sender stopped or failed.
    #[error("the upload broke off: {0}")]
    BrokeOff(String),
    /// The artifact repository, or the disk, failed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<TreeError> for UploadError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::TooLarge(_) => Self::TooLarge(error.to_string()),
            TreeError::Sink(error) => Self::Artifact(error.into()),
            TreeError::Tar(_) | TreeError::Entry { .. } | TreeError::Empty => {
                Self::Refused(error.to_string())
            }
        }
    }
}
