//! What is to be built: a repository elsewhere, or a working tree here.

use crate::{
    cli::{CliError, Console, args::is_remote},
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

/// The source as the server takes it.
pub(super) async fn of(
    _rest: &Rest,
    place: Place<'_>,
    _console: &mut Console,
) -> Result<SourceSubmission, CliError> {
    if is_remote(place.text) {
        return Ok(SourceSubmission::Git(GitSubmission {
            url: place.text.to_owned(),
            reference: place.reference.cloned(),
            commit: place.commit.cloned(),
        }));
    }
    Err(CliError::Usage(format!(
        "{:?} is not the URL of a git repository: give one such as https://git.example/project.git, \
         ssh://host/path or file:///path",
        place.text
    )))
}
