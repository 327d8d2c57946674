//! What can go wrong with the artifact repository, by what has to be done about it.

use std::{error::Error, io};

use crate::{archive::RangeError, model::Cause};

/// What `object_store` calls the folder of this machine.
const LOCAL: &str = "LocalFileSystem";

/// The artifact repository could not do its part.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// There is no such object.
    #[error("there is no object {0}")]
    NotFound(String),
    /// The space is used up: the operator has to make room.
    #[error("the artifact repository is full: make room, then retry ({0})")]
    Full(String),
    /// The service or the file system failed.
    #[error("the artifact repository failed: {0}")]
    Failed(String),
    /// The service does not answer, or answers that it cannot now: the same may work in a moment.
    #[error("the artifact repository cannot be used for now: {0}")]
    Unavailable(String),
    /// Whoever sent the bytes stopped or failed.
    #[error("the upload broke off: {0}")]
    Upload(#[source] io::Error),
    /// The bytes are more than allowed.
    #[error("the upload is larger than {0} bytes")]
    TooLarge(u64),
    /// What is stored is not what was stored.
    #[error("the stored object is damaged: {0}")]
    Damaged(String),
    /// The range is not inside the object.
    #[error("the range is not inside the object")]
    Range,
}

impl ArtifactError {
    /// The cause an attempt ends with when this happens to it; none where it is not the
    /// repository's fault.
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            Self::Full(_)
            | Self::Failed(_)
            | Self::Unavailable(_)
            | Self::Damaged(_)
            | Self::NotFound(_) => Some(Cause::Store),
            Self::Upload(_) | Self::TooLarge(_) | Self::Range => None,
        }
    }

    /// From an error that may have an I/O error somewhere inside it.
    fn failed(error: &(dyn Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut source = Some(error);
        let mut is_away = false;
        while let Some(inner) = source {
            // What a service of others fails with has been tried again for a while already. A disk
            // that fails will go on failing.
            is_away |= inner.downcast_ref::<object_store::Error>().is_some_and(|error| {
                matches!(error, object_store::Error::Generic { store, .. } if *store != LOCAL)
            });
            let io = inner.downcast_ref::<io::Error>();
            let full = |io: &io::Error| {
                matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            };
            if io.is_some_and(full) {
                return Self::Full(inner.to_string());
            }
            let inner_text = inner.to_string();
            if !text.contains(&inner_text) {
                text = format!("{text}: {inner_text}");
            }
            // An I/O error that wraps another error names that one's source as its own.
            let wrapped = io.and_then(io::Error::get_ref);
            source = wrapped.map(|wrapped| wrapped as _).or_else(|| inner.source());
        }
        if is_away { Self::Unavailable(text) } else { Self::Failed(text) }
    }
}

impl From<object_store::Error> for ArtifactError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { path, .. } => Self::NotFound(path),
            error => Self::failed(&error),
        }
    }
}

impl From<io::Error> for ArtifactError {
    fn from(error: io::Error) -> Self {
        Self::failed(&error)
    }
}

impl From<RangeError> for ArtifactError {
    fn from(error: RangeError) -> Self {
        match error {
            RangeError::Outside(_) => Self::Range,
            RangeError::Io(error) => error.into(),
            error @ (RangeError::Manifest | RangeError::Damaged(_)) => {
                Self::Damaged(error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_found_however_deep_it_lies() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let nested = object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(io::Error::other(full)),
        };
        let error = ArtifactError::from(nested);
        assert!(matches!(error, ArtifactError::Full(_)), "{error}");
        assert_eq!(error.cause(), Some(Cause::Store));
        let other = ArtifactError::from(io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(matches!(other, ArtifactError::Failed(_)));
    }
}
