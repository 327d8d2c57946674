//! Why a tree is refused, by what its sender can do about it.

use std::io;

use crate::archive::tar_reader::TarError;

/// The tree cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// It is not a tar, or one that was cut off.
    #[error("the tree is refused: {0}")]
    Tar(TarError),
    /// An entry that cannot be in a source.
    #[error("the tree is refused because of {path:?}: {problem}")]
    Entry {
        /// Its path, as text that can be shown.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It is more than may be sent.
    #[error("the tree is too large: {0}")]
    TooLarge(String),
    /// There is no file in it.
    #[error("the tree is empty: there is no file in it")]
    Empty,
    /// What takes the content failed: not the sender's fault.
    #[error("storing the tree: {0}")]
    Sink(#[source] io::Error),
}

impl TreeError {
    /// For an entry that cannot be taken.
    pub fn entry(path: &[u8], problem: &'static str) -> Self {
        let shown = &path[..path.len().min(200)];
        Self::Entry { path: String::from_utf8_lossy(shown).into_owned(), problem }
    }
}

impl From<TarError> for TreeError {
    fn from(error: TarError) -> Self {
        Self::Tar(error)
    }
}
