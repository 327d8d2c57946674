//! Why a folder cannot be sent, and what to do about it.

use std::{io, path::PathBuf};

use crate::archive::tree::TreeError;

/// The folder cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum WorktreeError {
    /// There is no such folder.
    #[error("{}: {error}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// It is a folder that nobody means to build.
    #[error(
        "{} is {what}: name the project's own folder (what is in it would be sent to the server)",
        .path.display()
    )]
    TooWide {
        /// The folder.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// git's own data cannot be read.
    #[error("the git repository at {}: {problem}", .path.display())]
    Repository {
        /// Its folder.
        path: PathBuf,
        /// What git says.
        problem: String,
    },
    /// A file or folder in it cannot be read.
    #[error("{path} cannot be read ({error}): make it readable, or leave it out with .kilnignore")]
    Unreadable {
        /// The file, as text.
        path: String,
        /// What is wrong with it.
        error: io::Error,
    },
    /// A file was written to while it was read, more than once.
    #[error(
        "{path} changes while it is read: stop what writes it, or leave it out with .kilnignore"
    )]
    Changes {
        /// The file, as text.
        path: String,
    },
    /// It is more than a server takes.
    #[error("{0}; .kilnignore leaves out what is not needed")]
    TooLarge(String),
    /// There is nothing to send.
    #[error("{}: there is no file to send{why}", .path.display())]
    Nothing {
        /// The folder.
        path: PathBuf,
        /// Why, where that is known.
        why: &'static str,
    },
    /// A name or a link that no source may have.
    #[error(transparent)]
    Tree(TreeError),
    /// What was packed could not be passed on.
    #[error("sending the tree: {0}")]
    Sink(#[source] io::Error),
}

impl WorktreeError {
    /// Whether reading all of it again may help.
    pub(super) const fn is_change(&self) -> bool {
        matches!(self, Self::Changes { .. })
    }
}
