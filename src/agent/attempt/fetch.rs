//! The source of an attempt: a commit, which this machine fetches, or an upload, which the server has.

use super::{context::Context, retry::until_heard};
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
        ClaimedSource::Upload(upload) => {
            let (uploads, now) = (&cx.deps.uploads, cx.deps.clock.now());
            let heard = until_heard(&cx.ending, || uploads.get(upload, &cx.client, now)).await;
            match heard {
                None => Err(PortError { cause: None, message: "stopped".to_owned() }),
                Some(Ok(uploaded)) => Ok(Box::new(uploaded?)),
                Some(Err(error)) => Err(PortError {
                    cause: Some(Cause::Store),
                    message: format!("the server did not give the uploaded tree: {error}"),
                }),
            }
        }
    }
}
