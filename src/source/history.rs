//! What version scripts will find: how much of a commit's history comes with its tree.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Checkout, FetchSpec, SourceError, Sources,
    helper::{Asks, FetchRequest, GitFolder, Reply, Request, asked_by},
    sources::{Inner, unexpected, with_index},
};

/// The most that is fetched only to name a version.
const MAX_BYTES: u64 = 256 << 20;
/// The longest that is waited for it.
const MAX_TIME: Duration = Duration::from_mins(2);
/// Tags that were read so long ago are read again: the legs of a build share one reading.
const FRESH: Duration = Duration::from_mins(1);
/// Readings that are remembered.
const MAX_REMEMBERED: usize = 1_000;

/// When the tags of what was fetched were last read.
#[derive(Debug, Default)]
pub(super) struct Readings(Mutex<HashMap<String, Instant>>);

impl Sources {
    /// Has the tree come with a `.git` in which build scripts find commit, branch and nearest tag.
    /// Asks the remote for more history only if something in the tree, or `steps`, needs it. What
    /// cannot be had is no error: it is said.
    pub async fn with_history(
        &self,
        spec: &FetchSpec,
        checkout: &mut Checkout,
        steps: &str,
        cancel: &CancellationToken,
    ) -> Result<Option<String>, SourceError> {
        let inner = &*self.inner;
        let request = Request::Survey(checkout.request(inner));
        let asks = match inner.call(request, inner.allowance(1 << 20, cancel)).await? {
            Reply::Surveyed { asks } => asks.max(asked_by(steps)),
            reply => return Err(unexpected(&reply)),
        };
        let branch = spec.refname.clone().filter(|name| name.starts_with("refs/heads/"));
        checkout.git = Some(GitFolder { branch, asks });
        if asks == Asks::Head && !is_tag(spec) {
            return Ok(None);
        }
        let reading = format!("{} {} {:?} {asks:?}", spec.url, spec.commit, spec.refname);
        if inner.readings.is_fresh(&reading) {
            return Ok(None);
        }
        let deepened = timeout(MAX_TIME, inner.deepen(spec, asks, cancel)).await;
        match deepened {
            Ok(Ok(note)) => {
                inner.readings.remember(reading);
                Ok(note)
            }
            Ok(Err(SourceError::Stopped)) => Err(SourceError::Stopped),
            Ok(Err(error)) => Ok(Some(error.to_string())),
            Err(_) => {
                Ok(Some(format!("fetching the history took longer than {} s", MAX_TIME.as_secs())))
            }
        }
    }
}

fn is_tag(spec: &FetchSpec) -> bool {
    spec.refname.as_ref().is_some_and(|name| name.starts_with("refs/tags/"))
}

impl Readings {
    fn is_fresh(&self, reading: &str) -> bool {
        let readings = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        readings.get(reading).is_some_and(|at| at.elapsed() < FRESH)
    }

    fn remember(&self, reading: String) {
        let mut readings = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if readings.len() >= MAX_REMEMBERED {
            readings.clear();
        }
        readings.insert(reading, Instant::now());
    }
}

impl Inner {
    async fn deepen(
        &self,
        spec: &FetchSpec,
        asks: Asks,
        cancel: &CancellationToken,
    ) -> Result<Option<String>, SourceError> {
        let most = self.settings.pack_bytes.min(MAX_BYTES);
        let (mut way, key) = self.way(&spec.url, with_index(most)).await?;
        let lock = self.mirrors.lock(&key).await?;
        let mirror = self.mirrors.open(&key, &lock).await?;
        let request = FetchRequest {
            access: way.take_access(),
            mirror: mirror.path().to_owned(),
            commit: spec.commit.clone(),
            hint: spec.refname.clone(),
            pack_bytes: most,
            bounds: self.bounds(),
        };
        let allowance = self.allowance(with_index(most), cancel);
        let request = Request::Deepen { fetch: request, asks };
        match way.explained(self.call(request, allowance).await)? {
            Reply::Deepened { note, .. } => Ok(note),
            reply => Err(unexpected(&reply)),
        }
    }
}
