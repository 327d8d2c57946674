//! Removing: by the rules, again and again; by hand, at once; and what would go, without doing it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{RetentionError, rules::Judge};
use crate::{
    artifact::{ArtifactStore, AttemptKey, ObjectName},
    model::{BuildId, Clock, Fate, Parts, RetentionPolicy, Timestamp},
    protocol::{BuildState, RetentionEntry, RetentionReport},
    store::{FinishedBuild, KeptObjects, Store, StoreError},
};

/// How often the rules are applied.
const INTERVAL: Duration = Duration::from_hours(1);

/// Builds that are read at a time.
const PAGE: u32 = 500;

/// How long it waits after a build that went, in times of what that took, while others use the database: a sweep
/// without pauses costs a third of the claims of a busy SQLite, and half of those of PostgreSQL.
const SHARE: u32 = 6;

/// Entries of a report.
const TOLD: usize = 100;

/// The retention of one server.
#[derive(Clone, Debug)]
pub struct Retention {
    store: Store,
    artifacts: ArtifactStore,
    clock: Arc<dyn Clock>,
    defaults: RetentionPolicy,
}

impl Retention {
    /// With these rules where projects say nothing else.
    pub fn new(
        (store, artifacts): (Store, ArtifactStore),
        clock: Arc<dyn Clock>,
        defaults: RetentionPolicy,
    ) -> Self {
        Self { store, artifacts, clock, defaults }
    }

    /// The rules where projects say nothing else.
    pub fn defaults(&self) -> RetentionPolicy {
        self.defaults
    }

    /// Applies the rules until told to stop, for the first time a while after the start.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let swept = tokio::select! {
                () = stop.cancelled() => return,
                swept = self.sweep() => swept,
            };
            match swept {
                Ok(Some(report)) if report != RetentionReport::default() => tracing::info!(
                    builds = report.builds,
                    artifacts = report.artifacts,
                    logs = report.logs,
                    uploads = report.uploads,
                    bytes = report.bytes,
                    "removed what has its time over"
                ),
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "removing what has its time over failed; trying again later");
                }
            }
        }
    }

    /// Applies the rules once; nothing if another server does.
    pub async fn sweep(&self) -> Result<Option<RetentionReport>, RetentionError> {
        let Some(_lock) = self.store.try_lock("retention").await? else { return Ok(None) };
        self.walk(true).await.map(Some)
    }

    /// What the rules would remove now.
    pub async fn plan(&self) -> Result<RetentionReport, RetentionError> {
        self.walk(false).await
    }

    async fn walk(&self, does: bool) -> Result<RetentionReport, RetentionError> {
        let now = self.now().await?;
        let mut judge = Judge::new(&self.store, self.defaults, now).await?;
        let mut report = RetentionReport::default();
        let mut after = None;
        loop {
            let page = self.store.finished_builds(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(report) };
            after = Some(last.id);
            for build in &page {
                let fate = judge.fate(build).await?;
                if fate == Fate::Stays {
                    continue;
                }
                let (began, others) = (Instant::now(), self.store.writes());
                self.apply(build, fate, (does, now), &mut report).await?;
                // Its own is one; where there are more, the database belongs to those who build.
                if does && self.store.writes() > others + 1 {
                    tokio::time::sleep(began.elapsed() * SHARE).await;
                }
            }
            tokio::task::yield_now().await;
        }
    }

    async fn apply(
        &self,
        build: &FinishedBuild,
        fate: Fate,
        (does, now): (bool, Timestamp),
        report: &mut RetentionReport,
    ) -> Result<(), RetentionError> {
        let (what, rule, parts) = match fate {
            Fate::Stays => return Ok(()),
            Fate::Goes(rule) => ("build".to_owned(), rule.to_owned(), None),
            Fate::Shrinks(parts) => {
                let (what, rules): (Vec<_>, Vec<_>) = parts.named().unzip();
                (what.join(" and "), rules.join(" and "), Some(parts))
            }
        };
        let objects = self.store.objects_of_build(build.id).await?;
        if does && !self.drop_rows(build.id, parts, now).await? {
            // Pinned, or tried again, a moment ago.
            return Ok(());
        }
        let bytes = if does {
            self.drop_objects(&objects, parts).await
        } else {
            objects.iter().map(|one| bytes(one, parts)).sum()
        };
        report.bytes += bytes;
        match parts {
            None => report.builds += 1,
            Some(parts) => {
                report.artifacts += u64::from(parts.artifacts);
                report.logs += u64::from(parts.logs);
                report.uploads += u64::from(parts.upload);
            }
        }
        if report.first.len() < TOLD {
            report.first.push(RetentionEntry { build: build.id, what, rule, bytes });
        }
        Ok(())
    }

    /// Removes a build with everything, by hand.
    pub async fn remove(&self, id: BuildId) -> Result<(), RetentionError> {
        self.by_hand(id, None).await
    }

    /// Removes the artifacts of a build, by hand.
    pub async fn remove_artifacts(&self, id: BuildId) -> Result<(), RetentionError> {
        self.by_hand(id, Some(Parts::ARTIFACTS)).await
    }

    async fn by_hand(&self, id: BuildId, parts: Option<Parts>) -> Result<(), RetentionError> {
        let now = self.now().await?;
        let objects = self.store.objects_of_build(id).await?;
        if !self.drop_rows(id, parts, now).await? {
            let row = self.store.build(id).await?.ok_or(RetentionError::NotFound(id))?;
            return Err(match row.state {
                BuildState::Finished => RetentionError::Pinned(id),
                _ => RetentionError::Unfinished(id),
            });
        }
        self.drop_objects(&objects, parts).await;
        Ok(())
    }

    async fn drop_rows(
        &self,
        id: BuildId,
        parts: Option<Parts>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.store.begin().await?;
        let is_there = match parts {
            None => self.store.remove_build(&mut tx, id).await?,
            Some(parts) => self.store.expire_objects(&mut tx, id, parts, now).await?,
        };
        tx.commit().await?;
        Ok(is_there)
    }

    /// Removes objects whose rows are gone; answers their bytes. One that cannot be removed now is one
    /// that nobody knows, and goes with those.
    async fn drop_objects(&self, objects: &[KeptObjects], parts: Option<Parts>) -> u64 {
        let mut freed = 0;
        for one in objects {
            let toolchain = one.toolchain.clone();
            let toolchain = toolchain.unwrap_or_else(|| "plan".parse().expect("it is a name"));
            let key = AttemptKey::new(one.commit.clone(), &toolchain, one.job, one.attempt);
            let goes = |name: &ObjectName| match (parts, name) {
                (None, _) => true,
                (Some(parts), ObjectName::Archive | ObjectName::Manifest) => parts.artifacts,
                (Some(parts), ObjectName::Log) => parts.logs,
                (Some(_), ObjectName::Diagnostics) => false,
            };
            for name in ObjectName::ALL.into_iter().filter(goes) {
                if let Err(error) = self.artifacts.delete(&key.object(name)).await {
                    tracing::warn!(%error, job.id = %one.job, "an object stays for now");
                }
            }
            freed += bytes(one, parts);
        }
        freed
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(self.store.clock().await?.unwrap_or_else(|| self.clock.now()))
    }
}

/// Bytes of the parts that go.
fn bytes(objects: &KeptObjects, parts: Option<Parts>) -> u64 {
    let all = Parts { artifacts: true, logs: true, upload: true };
    let Parts { artifacts, logs, .. } = parts.unwrap_or(all);
    let of = |is: bool, bytes: Option<u64>| if is { bytes.unwrap_or(0) } else { 0 };
    of(artifacts, objects.archive_bytes) + of(logs, objects.log_bytes)
}
