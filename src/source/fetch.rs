//! Fetches a commit, and the submodules it records if the recipe wants them.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    GitUrl, SourceError, Sources,
    helper::{FailureKind, FetchRequest, GitFolder, Part, Reply, Request, TreeRequest},
    mirror::Mirror,
    nested::{self, Bound, Gathered},
    sources::{Inner, unexpected, with_index},
};
use crate::model::CommitId;

/// Time that is kept back for a source whose submodules take too long: it is built without them.
const RESERVE: Duration = Duration::from_secs(5);

/// What is to be fetched.
#[derive(Clone, Debug)]
pub struct FetchSpec {
    /// The repository.
    pub url: GitUrl,
    /// The commit.
    pub commit: CommitId,
    /// A full ref name that led to it, for remotes that do not give out commits by id.
    pub refname: Option<String>,
    /// Whether its submodules come with it.
    pub submodules: Submodules,
}

/// What is done with submodules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Submodules {
    /// Their places are empty directories.
    LeftOut,
    /// They are fetched as far as they can be; the places of the others are empty directories.
    IfPossible,
    /// They are fetched, each through the same gate; without one of them there is no source.
    Fetched,
}

/// A submodule that was to be fetched if possible, and could not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MissingSubmodule {
    /// Where it belongs.
    pub path: Vec<u8>,
    /// Why it is not there.
    pub reason: String,
}

/// A commit that is in its mirror, with the submodules that came with it. While this, or a clone of
/// it, lives, the mirrors are not removed.
#[derive(Clone, Debug)]
pub struct Checkout {
    pub(super) parts: Vec<(Vec<u8>, Mirror, CommitId)>,
    /// What of git comes with it.
    pub(super) git: Option<GitFolder>,
}

/// What a fetch did.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// What was fetched.
    pub checkout: Checkout,
    /// Submodules that it had to do without.
    pub missing: Vec<MissingSubmodule>,
    /// Whether the network was used: false if everything was there.
    pub fetched: bool,
    /// Received, in bytes.
    pub bytes: u64,
    /// How long it took.
    pub duration: Duration,
}

impl Checkout {
    pub(super) fn request(&self, inner: &Inner) -> TreeRequest {
        let parts = self.parts.iter().map(|(prefix, mirror, commit)| Part {
            prefix: prefix.clone(),
            mirror: mirror.path().to_owned(),
            commit: commit.clone(),
        });
        TreeRequest { parts: parts.collect(), bounds: inner.bounds(), git: self.git.clone() }
    }
}

impl Sources {
    /// Brings a commit into its mirror; without any network if it is there already.
    pub async fn fetch(
        &self,
        spec: &FetchSpec,
        cancel: &CancellationToken,
    ) -> Result<Fetched, SourceError> {
        let started = Instant::now();
        let time = Duration::from_secs(self.inner.settings.fetch_seconds.into());
        let inner = &*self.inner;
        let most = inner.settings.pack_bytes;
        let root = One { url: &spec.url, commit: &spec.commit, refname: spec.refname.as_deref() };
        let work = async {
            let got = inner.fetch_one(root, most, cancel).await?;
            let mut gathered = Gathered::new(spec, got);
            if spec.submodules != Submodules::LeftOut {
                let until = started + time.saturating_sub(RESERVE);
                nested::gather(inner, spec, &mut gathered, Bound { cancel, until }).await?;
            }
            Ok(gathered)
        };
        let result = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(SourceError::Stopped),
            result = tokio::time::timeout(time, work) => result,
        };
        let gathered = result.unwrap_or_else(|_| {
            let text = format!("fetching the source took longer than {} s", time.as_secs());
            Err(SourceError::Timeout(text))
        })?;
        let Gathered { checkout, missing, fetched, bytes } = gathered;
        if fetched {
            let inner = std::sync::Arc::clone(&self.inner);
            // Removing files may take a while, and nobody needs to wait for it.
            tokio::task::spawn_blocking(move || inner.mirrors.evict());
        }
        Ok(Fetched { checkout, missing, fetched, bytes, duration: started.elapsed() })
    }
}

impl Gathered {
    fn new(spec: &FetchSpec, (mirror, fetched, bytes): (Mirror, bool, u64)) -> Self {
        let checkout =
            Checkout { parts: vec![(Vec::new(), mirror, spec.commit.clone())], git: None };
        Self { checkout, missing: Vec::new(), fetched, bytes }
    }
}

/// One commit of one repository.
#[derive(Clone, Copy)]
pub(super) struct One<'a> {
    pub(super) url: &'a GitUrl,
    pub(super) commit: &'a CommitId,
    pub(super) refname: Option<&'a str>,
}

impl Inner {
    pub(super) async fn fetch_one(
        &self,
        one: One<'_>,
        most: u64,
        cancel: &CancellationToken,
    ) -> Result<(Mirror, bool, u64), SourceError> {
        let mut last = SourceError::Stopped;
        // A damaged mirror is thrown away and fetched once more.
        for _ in 0..2 {
            let (mut way, key) = self.way(one.url, with_index(most)).await?;
            let lock = self.mirrors.lock(&key).await?;
            let mirror = self.mirrors.open(&key, &lock).await?;
            let request = Request::Fetch(FetchRequest {
                access: way.take_access(),
                mirror: mirror.path().to_owned(),
                commit: one.commit.clone(),
                hint: one.refname.map(str::to_owned),
                pack_bytes: most,
                bounds: self.bounds(),
            });
            let allowance = self.allowance(with_index(most), cancel);
            match way.explained(self.call(request, allowance).await)? {
                Reply::Fetched { fetched, bytes } => {
                    self.mirrors.touch(&key);
                    return Ok((mirror, fetched, bytes));
                }
                Reply::Failed(failure) if failure.kind == FailureKind::Corrupt => {
                    tracing::warn!(url = %one.url, problem = failure.text, "a mirror is damaged");
                    drop(mirror);
                    self.mirrors.discard(&key);
                    last = failure.into();
                }
                reply => return Err(unexpected(&reply)),
            }
        }
        Err(last)
    }
}
