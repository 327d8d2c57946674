//! The way in: resolve, fetch, inspect, tar.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::Stream;
use tokio_util::sync::CancellationToken;

use super::{
    Checkout, GitUrl, SourceError, TreeEntry, credentials,
    dial::Dialer,
    helper::{
        Access, Allowance, Failure, FailureKind, Helper, Inspected, Reply, Request, TreeBounds,
        TreeRequest, Wanted,
    },
    history::Readings,
    mirror::{MirrorKey, Mirrors},
    relay::Relay,
};
use crate::{
    config::{Scheme, SourceSettings},
    model::{CommitId, CommitInfo, RefName},
};

/// Bytes of a tar on their way: the same type as the sandbox's.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// This program, also after its file was replaced by an upgrade.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// What a server may send when it is only asked for its refs.
const MAX_ADVERTISEMENT: u64 = 128 << 20;
/// Room for what a fetch writes beside the pack: its index.
const BESIDE_THE_PACK: u64 = 64 << 20;
/// What a helper that only reads may write.
pub(super) const NO_FILES: u64 = 1 << 20;
/// The largest of the small files that are read: a recipe is a page of text.
const MAX_SMALL_FILE: u64 = 64 << 10;
/// The largest source file that is read for a few of its lines: nearly all are smaller.
const MAX_FILE: u64 = 4 << 20;

/// What is to be built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RefSpec {
    /// The remote's default branch.
    Default,
    /// A branch, tag or full ref name.
    Ref(RefName),
    /// A commit; whether it exists shows when it is fetched.
    Commit(CommitId),
}

/// The commit that a ref led to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// The commit.
    pub commit: CommitId,
    /// The full name of the ref, if there was one.
    pub refname: Option<String>,
}

/// The branches and tags of a repository.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Full names with their commits, by name.
    pub refs: Vec<(String, CommitId)>,
    /// The full name of the default branch.
    pub default: Option<String>,
}

/// What is in a source.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// What the commit says of itself.
    pub info: CommitInfo,
    /// Every entry, sorted by path; a directory comes before what is in it.
    pub entries: Vec<TreeEntry>,
    /// The files that were asked for and are there: their first 64 KiB.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Those that are larger, and so not whole.
    pub too_large: Vec<String>,
    /// Paths of submodules that are not in it: empty directories.
    pub left_out: Vec<Vec<u8>>,
}

/// Git sources under the operator's settings. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sources {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) settings: SourceSettings,
    pub(super) mirrors: Mirrors,
    helper: Helper,
    dialer: Dialer,
    pub(super) readings: Readings,
}

/// How a repository is reached, and who as.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) access: Access,
    /// None for files.
    relay: Option<Relay>,
}

impl Sources {
    /// Sources whose mirrors are in `data` unless the settings say otherwise.
    pub fn new(settings: SourceSettings, data: &Path) -> Result<Self, SourceError> {
        Self::with_helper(settings, data, PathBuf::from(THIS_PROGRAM))
    }

    /// The same with another program as the helper: for tests, whose own program is not kiln.
    pub fn with_helper(
        settings: SourceSettings,
        data: &Path,
        program: PathBuf,
    ) -> Result<Self, SourceError> {
        if let Some(file) = &settings.credentials_file {
            credentials::check(file)?;
        }
        let root = settings.mirror_directory.clone().unwrap_or_else(|| data.join("mirrors"));
        let root = std::path::absolute(root)
            .map_err(|error| SourceError::io("finding the mirror directory", &error))?;
        let mirrors = Mirrors::new(root, settings.mirrors_bytes)?;
        let helper = Helper { program, memory_bytes: settings.helper_memory_bytes };
        let dialer = Dialer::new(&settings);
        Ok(Self {
            inner: Arc::new(Inner {
                settings,
                mirrors,
                helper,
                dialer,
                readings: Readings::default(),
            }),
        })
    }

    /// Reads a URL under this instance's policy.
    pub fn parse_url(&self, text: &str) -> Result<GitUrl, SourceError> {
        GitUrl::parse(text, &self.inner.settings)
    }

    /// The commit that a ref means now. Asks the remote for its refs; nothing is downloaded.
    pub async fn resolve(&self, url: &GitUrl, spec: &RefSpec) -> Result<Resolved, SourceError> {
        let wanted = match spec {
            RefSpec::Commit(commit) => {
                return Ok(Resolved { commit: commit.clone(), refname: None });
            }
            RefSpec::Ref(name) => Wanted::Ref(name.to_string()),
            RefSpec::Default => Wanted::Default,
        };
        let inner = &self.inner;
        let (mut way, _) = inner.way(url, MAX_ADVERTISEMENT).await?;
        let access = way.take_access();
        let request = Request::Resolve { access, wanted, refs: inner.settings.refs };
        let allowance = Allowance {
            time: Duration::from_secs(inner.settings.resolve_seconds.into()),
            file_bytes: NO_FILES,
            cancel: &CancellationToken::new(),
        };
        match way.explained(inner.helper.call(request, allowance).await)? {
            Reply::Resolved { commit, refname } => Ok(Resolved { commit, refname }),
            reply => Err(unexpected(&reply)),
        }
    }

    /// Every branch and tag as it is now, and which branch is the default one. Nothing is downloaded.
    pub async fn refs(&self, url: &GitUrl) -> Result<Listed, SourceError> {
        let inner = &self.inner;
        let (mut way, _) = inner.way(url, MAX_ADVERTISEMENT).await?;
        let request = Request::List { access: way.take_access(), refs: inner.settings.refs };
        let allowance = Allowance {
            time: Duration::from_secs(inner.settings.resolve_seconds.into()),
            file_bytes: NO_FILES,
            cancel: &CancellationToken::new(),
        };
        match way.explained(inner.helper.call(request, allowance).await)? {
            Reply::Listed { refs, default } => Ok(Listed { refs, default }),
            reply => Err(unexpected(&reply)),
        }
    }

    /// What is in a source, with the content of those of `files` that are there.
    pub async fn inspect(
        &self,
        checkout: &Checkout,
        files: &[&str],
        cancel: &CancellationToken,
    ) -> Result<Inspection, SourceError> {
        let found = self.inner.inspect(checkout.request(&self.inner), files, cancel).await?;
        Ok(Inspection {
            info: found.info,
            entries: found.entries,
            files: found.files.into_iter().map(|file| (file.name, file.content)).collect(),
            too_large: found.too_large,
            left_out: found.submodules.into_iter().map(|submodule| submodule.path).collect(),
        })
    }

    /// The content of one file; none if it is not there or larger than 4 MiB.
    pub async fn read(
        &self,
        checkout: &Checkout,
        path: &str,
        cancel: &CancellationToken,
    ) -> Result<Option<Vec<u8>>, SourceError> {
        let tree = checkout.request(&self.inner);
        let request = Request::Inspect { tree, files: vec![path.to_owned()], file_bytes: MAX_FILE };
        match self.inner.call(request, self.inner.allowance(NO_FILES, cancel)).await? {
            Reply::Inspected(found) => Ok(found.files.into_iter().next().map(|file| file.content)),
            reply => Err(unexpected(&reply)),
        }
    }

    /// A source as a tar whose first entry is `src/` and whose symlinks come last. It is read from
    /// the mirror as the stream is; an error in the middle is the stream's last item.
    pub async fn tar(
        &self,
        checkout: &Checkout,
        cancel: &CancellationToken,
    ) -> Result<ByteStream, SourceError> {
        let allowance = self.inner.allowance(NO_FILES, cancel);
        let request = checkout.request(&self.inner);
        self.inner.helper.tar(request, allowance, checkout.clone()).await
    }
}

impl Inner {
    /// Opens the way to a repository, and names its mirror.
    pub(super) async fn way(
        &self,
        url: &GitUrl,
        most: u64,
    ) -> Result<(Way, MirrorKey), SourceError> {
        let credential = credentials::find(self.settings.credentials_file.as_deref(), url)?;
        let scope = credential.as_ref().map(credentials::Credential::scope);
        let key = MirrorKey::new(url, scope.as_deref());
        if url.scheme() == Scheme::File {
            let access = Access { url: url.to_string(), ssh: None };
            return Ok((Way { access, relay: None }, key));
        }
        let ssh = credential.as_ref().and_then(|one| one.ssh(url));
        if url.scheme() == Scheme::Ssh && ssh.is_none() {
            return Err(SourceError::Credentials(format!(
                "{} needs a key: kiln credential, or ssh_key and host_key in the credentials file",
                url.authority()
            )));
        }
        let authorization = credential.and_then(|one| one.authorization(url.scheme()));
        let relay = Relay::open(url, &self.dialer, authorization, most).await?;
        let access = Access { url: relay.url().to_owned(), ssh };
        Ok((Way { access, relay: Some(relay) }, key))
    }

    pub(super) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    pub(super) async fn call(
        &self,
        request: Request,
        allowance: Allowance<'_>,
    ) -> Result<Reply, SourceError> {
        self.helper.call(request, allowance).await
    }

    pub(super) async fn inspect(
        &self,
        tree: TreeRequest,
        files: &[&str],
        cancel: &CancellationToken,
    ) -> Result<Inspected, SourceError> {
        let files = files.iter().map(|&name| name.to_owned()).collect();
        let request = Request::Inspect { tree, files, file_bytes: MAX_SMALL_FILE };
        match self.call(request, self.allowance(NO_FILES, cancel)).await? {
            Reply::Inspected(inspected) => Ok(inspected),
            Reply::Failed(failure) => Err(failure.into()),
            reply => Err(unexpected(&reply)),
        }
    }

    pub(super) fn allowance<'a>(
        &self,
        file_bytes: u64,
        cancel: &'a CancellationToken,
    ) -> Allowance<'a> {
        let time = Duration::from_secs(self.settings.fetch_seconds.into());
        Allowance { time, file_bytes, cancel }
    }

    pub(super) fn bounds(&self) -> TreeBounds {
        TreeBounds {
            bytes: self.settings.source_bytes,
            entries: self.settings.source_entries,
            depth: self.settings.source_depth,
        }
    }
}

impl Way {
    /// What the helper gets of it; the relay stays.
    pub(super) fn take_access(&mut self) -> Access {
        let empty = Access { url: String::new(), ssh: None };
        std::mem::replace(&mut self.access, empty)
    }

    /// The helper's answer; where it only says that the connection failed, what the relay saw.
    pub(super) fn explained(
        &self,
        result: Result<Reply, SourceError>,
    ) -> Result<Reply, SourceError> {
        let finding = self.relay.as_ref().and_then(Relay::finding);
        match result {
            Ok(Reply::Failed(Failure { kind: FailureKind::Corrupt, text })) => {
                Ok(Reply::Failed(Failure { kind: FailureKind::Corrupt, text }))
            }
            Ok(Reply::Failed(failure)) => {
                let error = SourceError::from(failure);
                let vague = matches!(
                    error,
                    SourceError::Unreachable(_)
                        | SourceError::Credentials(_)
                        | SourceError::Helper(_)
                );
                Err(finding.filter(|_| vague).unwrap_or(error))
            }
            Err(SourceError::Timeout(text)) => Err(finding.unwrap_or(SourceError::Timeout(text))),
            result => result,
        }
    }
}

/// A pack of this size and what is written beside it.
pub(super) const fn with_index(pack_bytes: u64) -> u64 {
    pack_bytes.saturating_add(BESIDE_THE_PACK)
}

pub(super) fn unexpected(reply: &Reply) -> SourceError {
    match reply {
        Reply::Failed(failure) => failure.clone().into(),
        _ => SourceError::Helper("the source helper gave the wrong kind of answer".to_owned()),
    }
}
