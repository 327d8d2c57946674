//! What is new at a commit: what it says, and which paths changed since another one.

use tokio_util::sync::CancellationToken;

use super::{
    FetchSpec, SourceError, Sources, Submodules,
    helper::{Reply, Request},
    sources::{NO_FILES, unexpected},
};
use crate::model::CommitId;

/// What a commit says of itself, and what it changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// Its message, cut to 4 KiB.
    pub message: String,
    /// The paths that are not as they were; nothing if that is not known, as after a force-push
    /// that took the other commit away, or far too many.
    pub paths: Option<Vec<String>>,
}

impl Sources {
    /// Fetches a commit, and the one it is compared with if there is one. Where the mirror has them
    /// there is no network.
    pub async fn compare(
        &self,
        spec: &FetchSpec,
        since: Option<&CommitId>,
        cancel: &CancellationToken,
    ) -> Result<Comparison, SourceError> {
        let spec = FetchSpec { submodules: Submodules::LeftOut, ..spec.clone() };
        if let Some(since) = since {
            let older = FetchSpec { commit: since.clone(), refname: None, ..spec.clone() };
            match self.fetch(&older, cancel).await {
                // A commit that nobody can fetch any more is compared with nothing.
                Ok(_) | Err(SourceError::UnknownRef(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let fetched = self.fetch(&spec, cancel).await?;
        let tree = fetched.checkout.request(&self.inner);
        let request = Request::Compare { tree, since: since.cloned() };
        match self.inner.call(request, self.inner.allowance(NO_FILES, cancel)).await? {
            Reply::Compared { message, paths } => Ok(Comparison { message, paths }),
            reply => Err(unexpected(&reply)),
        }
    }
}
