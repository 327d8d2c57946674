//! The source of an attempt: a commit, which this machine fetches, or an upload, which the server has.

use super::context::Context;
use crate::{
    agent::ports::{FetchedSource, PortError},
    model::Cause,
    protocol::ClaimedSource,
    source::Submodules,
};

/// Makes sure that the source is on this machine.
pub(super) async fn fetch(
    cx: &Context,
    submodules: Submodules,
) -> Result<Box<dyn FetchedSource>, PortError> {
    match &cx.claimed.source {
        ClaimedSource::Git(git) => {
            cx.deps.sources.fetch(git, submodules, cx.ending.stopped()).await
        }
        ClaimedSource::Upload(upload) => Err(PortError {
            cause: Some(Cause::SourceRefused),
            message: format!("there is no upload {}", upload.digest),
        }),
    }
}
