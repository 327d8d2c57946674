//! What is to be built: a repository elsewhere, or a working tree here.

use std::path::PathBuf;

use crate::{
    cli::{CliError, Console, args::is_remote, tree},
    client::Rest,
    model::{CommitId, RefName},
    protocol::{GitSubmission, SourceSubmission},
};

/// A source as it was typed.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Place<'a> {
    /// A URL or a folder.
    pub(in crate::cli) text: &'a str,
    /// A branch or tag.
    pub(in crate::cli) reference: Option<&'a RefName>,
    /// A commit.
    pub(in crate::cli) commit: Option<&'a CommitId>,
}

/// Where a source is.
#[derive(Debug)]
pub(in crate::cli) enum Found {
    /// A folder of this machine, which has to be sent.
    Folder(PathBuf),
    /// What the server fetches by itself.
    Remote(SourceSubmission),
}

impl Place<'_> {
    /// Tells the one from the other.
    pub(in crate::cli) fn find(self) -> Result<Found, CliError> {
        if is_remote(self.text) {
            return Ok(Found::Remote(SourceSubmission::Git(GitSubmission {
                url: self.text.to_owned(),
                reference: self.reference.cloned(),
                commit: self.commit.cloned(),
            })));
        }
        let path = PathBuf::from(self.text);
        if !path.is_dir() {
            let what = if path.exists() { "is no folder" } else { "does not exist" };
            return Err(CliError::Usage(format!(
                "{:?} {what}: give a folder, or the URL of a git repository such as \
                 https://git.example/project.git, ssh://host/path or file:///path",
                self.text
            )));
        }
        if self.reference.is_some() || self.commit.is_some() {
            let given = if self.commit.is_some() { "--commit" } else { "--ref" };
            return Err(CliError::Usage(format!(
                "{given} is for a repository's URL: {:?} is a folder, which is sent as it is",
                self.text
            )));
        }
        Ok(Found::Folder(path))
    }
}

/// The source as the server takes it; a folder is sent first.
pub(super) async fn of(
    rest: &Rest,
    place: Place<'_>,
    console: &mut Console,
) -> Result<SourceSubmission, CliError> {
    match place.find()? {
        Found::Remote(source) => Ok(source),
        Found::Folder(path) => tree::send(rest, &path, console).await,
    }
}
