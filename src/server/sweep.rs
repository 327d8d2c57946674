//! Objects that nobody knows: left by attempts that died between storing and telling.

use std::{collections::HashSet, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    artifact::ArtifactStore,
    model::{Clock, Timestamp},
    store::Store,
};

/// How often objects are compared with the database.
const INTERVAL: Duration = Duration::from_hours(1);

/// Objects younger than this are left alone: their row may be about to come.
const GRACE: Duration = Duration::from_hours(24);

/// Sweeps until told to stop, for the first time a while after the start.
pub(super) async fn run(
    artifacts: ArtifactStore,
    store: Store,
    clock: std::sync::Arc<dyn Clock>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        if let Err(error) = sweep(&artifacts, &store, clock.now()).await {
            tracing::error!(%error, "sweeping the artifact repository failed; trying again later");
        }
    }
}

async fn sweep(artifacts: &ArtifactStore, store: &Store, now: Timestamp) -> anyhow::Result<()> {
    let attempts: HashSet<_> = store.all_attempts().await?.into_iter().collect();
    let grace = i64::try_from(GRACE.as_millis()).expect("a day fits into 64 bits");
    let before = Timestamp::from_millis(now.as_millis() - grace);
    let swept = artifacts
        .sweep(|key| attempts.contains(&(key.attempt.job, key.attempt.attempt)), before)
        .await?;
    if swept.objects + swept.staged > 0 {
        tracing::info!(
            objects = swept.objects,
            staged = swept.staged,
            bytes = swept.bytes,
            "removed objects that nobody knows"
        );
    }
    Ok(())
}
