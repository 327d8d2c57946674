//! Submodules, and theirs: each is one more fetch through the same gate, to a bounded depth.
//!
//! Where they are only wanted if possible, one that cannot be had is noted and done without: a
//! project is often built without most of what it records.

use std::collections::VecDeque;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{
    Checkout, FetchSpec, GitUrl, MissingSubmodule, SourceError, Submodules, TreeKind,
    error::foreign, fetch::One, mirror::Mirror, sources::Inner, submodules,
};
use crate::{config::Scheme, model::CommitId};

const GITMODULES: &str = ".gitmodules";

/// What a fetch has so far.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) checkout: Checkout,
    pub(super) missing: Vec<MissingSubmodule>,
    /// Whether the network was used.
    pub(super) fetched: bool,
    /// Received.
    pub(super) bytes: u64,
}

/// When it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound<'a> {
    pub(super) cancel: &'a CancellationToken,
    /// Later than this nothing is waited for that the source can do without.
    pub(super) until: Instant,
}

struct Submodule {
    path: Vec<u8>,
    url: Result<GitUrl, SourceError>,
    commit: CommitId,
}

/// A repository whose submodules are to be looked for.
struct Parent {
    depth: u32,
    url: GitUrl,
    /// Where its files are, with a slash at the end; empty for the source itself.
    prefix: Vec<u8>,
    mirror: Mirror,
    commit: CommitId,
}

/// Fetches the submodules of what was gathered, and theirs.
pub(super) async fn gather(
    inner: &Inner,
    spec: &FetchSpec,
    gathered: &mut Gathered,
    bound: Bound<'_>,
) -> Result<(), SourceError> {
    let (_, mirror, commit) = gathered.checkout.parts[0].clone();
    let root = Parent { depth: 0, url: spec.url.clone(), prefix: Vec::new(), mirror, commit };
    let mut waiting = VecDeque::from([root]);
    while let Some(parent) = waiting.pop_front() {
        let recorded = match inner.submodules(&parent, bound.cancel).await {
            Err(error) if spec.submodules == Submodules::IfPossible => {
                let path = [&parent.prefix, GITMODULES.as_bytes()].concat();
                gathered.miss(path, error)?;
                continue;
            }
            recorded => recorded?,
        };
        for submodule in recorded {
            let path = [&parent.prefix, submodule.path.as_slice()].concat();
            match inner.submodule(&parent, submodule, gathered, bound).await {
                Ok((url, mirror, commit)) => {
                    gathered.checkout.parts.push((path.clone(), mirror.clone(), commit.clone()));
                    let prefix = [&path, &b"/"[..]].concat();
                    let depth = parent.depth + 1;
                    waiting.push_back(Parent { depth, url, prefix, mirror, commit });
                }
                Err(error) if spec.submodules == Submodules::IfPossible => {
                    gathered.miss(path, error)?;
                }
                Err(error) => return Err(within(&foreign(&String::from_utf8_lossy(&path)), error)),
            }
        }
    }
    Ok(())
}

impl Gathered {
    /// Notes that something is not there, unless everything is to stop.
    fn miss(&mut self, path: Vec<u8>, error: SourceError) -> Result<(), SourceError> {
        if error == SourceError::Stopped {
            return Err(error);
        }
        self.missing.push(MissingSubmodule { path, reason: error.to_string() });
        Ok(())
    }
}

impl Inner {
    /// Brings one submodule into its mirror.
    async fn submodule(
        &self,
        parent: &Parent,
        submodule: Submodule,
        gathered: &mut Gathered,
        bound: Bound<'_>,
    ) -> Result<(GitUrl, Mirror, CommitId), SourceError> {
        let settings = &self.settings;
        if parent.depth >= settings.submodule_depth {
            let most = settings.submodule_depth;
            let text = format!("submodules are nested deeper than {most}");
            return Err(SourceError::TooLarge(text));
        }
        // The first part is the source itself.
        if gathered.checkout.parts.len() > settings.submodules as usize {
            let most = settings.submodules;
            return Err(SourceError::TooLarge(format!("more than {most} submodules")));
        }
        let url = submodule.url?;
        let one = One { url: &url, commit: &submodule.commit, refname: None };
        let rest = settings.pack_bytes.saturating_sub(gathered.bytes);
        let fetch = self.fetch_one(one, rest, bound.cancel);
        let (mirror, new, more) = timeout_at(bound.until, fetch).await.unwrap_or_else(|_| {
            Err(SourceError::Timeout("fetching it took too long".to_owned()))
        })?;
        gathered.fetched |= new;
        gathered.bytes += more;
        Ok((url, mirror, submodule.commit))
    }

    /// The submodules that a commit records and says the URL of. One without a URL is left out.
    async fn submodules(
        &self,
        parent: &Parent,
        cancel: &CancellationToken,
    ) -> Result<Vec<Submodule>, SourceError> {
        let (mirror, commit) = (parent.mirror.clone(), parent.commit.clone());
        let checkout = Checkout { parts: vec![(Vec::new(), mirror, commit)], git: None };
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
        let recorded = found.submodules.into_iter().filter_map(|one| {
            let url = self.url_of(parent, &urls.remove(&one.path)?);
            Some(Submodule { path: one.path, url, commit: one.commit })
        });
        Ok(recorded.collect())
    }

    fn url_of(&self, parent: &Parent, text: &str) -> Result<GitUrl, SourceError> {
        let url = parent.url.join(text, &self.settings)?;
        // A repository must not name folders of this machine, even where operators may.
        if url.scheme() == Scheme::File && parent.url.scheme() != Scheme::File {
            let text = "its URL is a folder of this machine, its repository's is not";
            return Err(SourceError::Refused(text.to_owned()));
        }
        Ok(url)
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
