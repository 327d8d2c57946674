//! Fetches a commit, and the submodules it records if the recipe wants them.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    GitUrl, SourceError, Sources, TreeKind,
    error::foreign,
    helper::{FailureKind, FetchRequest, Part, Reply, Request, TreeRequest},
    mirror::Mirror,
    sources::{Inner, unexpected},
    submodules,
};
use crate::{config::Scheme, model::CommitId};

/// Room for what a fetch writes beside the pack: its index.
const BESIDE_THE_PACK: u64 = 64 << 20;
const GITMODULES: &str = ".gitmodules";

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
    /// They are fetched, each through the same gate.
    Fetched,
}

/// A commit that is in its mirror, with the submodules that came with it. While this, or a clone of
/// it, lives, the mirrors are not removed.
#[derive(Clone, Debug)]
pub struct Checkout {
    parts: Vec<(Vec<u8>, Mirror, CommitId)>,
}

/// What a fetch did.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// What was fetched.
    pub checkout: Checkout,
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
        TreeRequest { parts: parts.collect(), bounds: inner.bounds() }
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
        let result = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(SourceError::Stopped),
            result = tokio::time::timeout(time, self.fetch_all(spec, cancel)) => result,
        };
        let (checkout, fetched, bytes) = result.unwrap_or_else(|_| {
            let text = format!("fetching the source took longer than {} s", time.as_secs());
            Err(SourceError::Timeout(text))
        })?;
        if fetched {
            let inner = std::sync::Arc::clone(&self.inner);
            // Removing files may take a while, and nobody needs to wait for it.
            tokio::task::spawn_blocking(move || inner.mirrors.evict());
        }
        Ok(Fetched { checkout, fetched, bytes, duration: started.elapsed() })
    }

    async fn fetch_all(
        &self,
        spec: &FetchSpec,
        cancel: &CancellationToken,
    ) -> Result<(Checkout, bool, u64), SourceError> {
        let inner = &*self.inner;
        let most = inner.settings.pack_bytes;
        let root = One { url: &spec.url, commit: &spec.commit, refname: spec.refname.as_deref() };
        let (mirror, mut fetched, mut bytes) = inner.fetch_one(root, most, cancel).await?;
        let mut checkout =
            Checkout { parts: vec![(Vec::new(), mirror.clone(), spec.commit.clone())] };
        if spec.submodules == Submodules::LeftOut {
            return Ok((checkout, fetched, bytes));
        }
        let mut waiting =
            VecDeque::from([(0, spec.url.clone(), Vec::new(), mirror, spec.commit.clone())]);
        while let Some((depth, url, prefix, mirror, commit)) = waiting.pop_front() {
            for submodule in inner.submodules(&url, &mirror, &commit, cancel).await? {
                let path = [prefix.as_slice(), &submodule.path].concat();
                let at = foreign(&String::from_utf8_lossy(&path));
                if depth >= inner.settings.submodule_depth {
                    let text = format!("submodules are nested too deeply, at {at}");
                    return Err(SourceError::TooLarge(text));
                }
                if checkout.parts.len() > inner.settings.submodules as usize {
                    let most = inner.settings.submodules;
                    return Err(SourceError::TooLarge(format!("more than {most} submodules")));
                }
                let one = One { url: &submodule.url, commit: &submodule.commit, refname: None };
                let rest = most.saturating_sub(bytes);
                let result = inner.fetch_one(one, rest, cancel).await;
                let (mirror, new, more) = result.map_err(|error| within(&at, error))?;
                fetched |= new;
                bytes += more;
                checkout.parts.push((path.clone(), mirror.clone(), submodule.commit.clone()));
                let below = [&path, &b"/"[..]].concat();
                waiting.push_back((depth + 1, submodule.url, below, mirror, submodule.commit));
            }
        }
        Ok((checkout, fetched, bytes))
    }
}

/// One commit of one repository.
#[derive(Clone, Copy)]
struct One<'a> {
    url: &'a GitUrl,
    commit: &'a CommitId,
    refname: Option<&'a str>,
}

struct Submodule {
    path: Vec<u8>,
    url: GitUrl,
    commit: CommitId,
}

impl Inner {
    async fn fetch_one(
        &self,
        one: One<'_>,
        most: u64,
        cancel: &CancellationToken,
    ) -> Result<(Mirror, bool, u64), SourceError> {
        let mut last = SourceError::Stopped;
        // A damaged mirror is thrown away and fetched once more.
        for _ in 0..2 {
            let (mut way, key) = self.way(one.url, most.saturating_add(BESIDE_THE_PACK)).await?;
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
            let allowance = self.allowance(most.saturating_add(BESIDE_THE_PACK), cancel);
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

    /// The submodules that a commit records and says the URL of. One without a URL is left out.
    async fn submodules(
        &self,
        url: &GitUrl,
        mirror: &Mirror,
        commit: &CommitId,
        cancel: &CancellationToken,
    ) -> Result<Vec<Submodule>, SourceError> {
        let checkout = Checkout { parts: vec![(Vec::new(), mirror.clone(), commit.clone())] };
        let found = self.inspect(checkout.request(self), &[GITMODULES], cancel).await?;
        let odd = found.entries.iter().any(|entry| {
            entry.path == GITMODULES.as_bytes()
                && !matches!(entry.kind, TreeKind::File | TreeKind::Executable)
        });
        if odd || !found.too_large.is_empty() {
            let text = ".gitmodules is not a small regular file: its submodules are not fetched";
            return Err(SourceError::RefusedTree(text.to_owned()));
        }
        let urls = found.files.first().map(|file| submodules::urls(&file.content));
        let mut urls = urls.unwrap_or_default();
        let mut submodules = Vec::new();
        for one in found.submodules {
            let Some(text) = urls.remove(&one.path) else { continue };
            let at = foreign(&String::from_utf8_lossy(&one.path));
            let parent = url;
            let url = parent.join(&text, &self.settings).map_err(|error| within(&at, error))?;
            // A repository must not name folders of this machine, even where operators may.
            if url.scheme() == Scheme::File && parent.scheme() != Scheme::File {
                let text = "its URL is a folder of this machine, its repository's is not";
                return Err(within(&at, SourceError::Refused(text.to_owned())));
            }
            submodules.push(Submodule { path: one.path, url, commit: one.commit });
        }
        Ok(submodules)
    }
}

/// Says which submodule it was.
fn within(path: &str, error: SourceError) -> SourceError {
    let say = |text: String| format!("submodule {path}: {text}");
    match error {
        SourceError::Refused(text) => SourceError::Refused(say(text)),
        SourceError::UnknownRef(text) => SourceError::UnknownRef(say(text)),
        SourceError::Unreachable(text) => SourceError::Unreachable(say(text)),
        SourceError::TooLarge(text) => SourceError::TooLarge(say(text)),
        SourceError::RefusedTree(text) => SourceError::RefusedTree(say(text)),
        SourceError::Credentials(text) => SourceError::Credentials(say(text)),
        SourceError::Timeout(text) => SourceError::Timeout(say(text)),
        SourceError::Helper(text) => SourceError::Helper(say(text)),
        SourceError::Stopped => SourceError::Stopped,
    }
}
