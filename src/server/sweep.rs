//! Objects that nobody knows: left by attempts that died between storing and telling.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    artifact::{ArtifactStore, Key, ObjectName},
    model::{Clock, Timestamp},
    store::Store,
    uploads::Uploads,
};

/// How often objects are compared with the database.
const INTERVAL: Duration = Duration::from_hours(1);

/// Objects younger than this are left alone: their row may be about to come.
const GRACE: Duration = Duration::from_hours(24);

/// Sweeps until told to stop, for the first time a while after the start.
pub(super) async fn run(
    (artifacts, store, uploads): (ArtifactStore, Store, Uploads),
    clock: std::sync::Arc<dyn Clock>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let swept = tokio::select! {
            () = stop.cancelled() => return,
            swept = sweep(&artifacts, &store, &uploads, clock.now()) => swept,
        };
        if let Err(error) = swept {
            tracing::error!(%error, "sweeping the artifact repository failed; trying again later");
        }
    }
}

async fn sweep(
    artifacts: &ArtifactStore,
    store: &Store,
    uploads: &Uploads,
    now: Timestamp,
) -> anyhow::Result<()> {
    if !artifacts.belongs_to(&store.installation().await?).await? {
        tracing::warn!(
            "the artifact repository belongs to another installation of kiln: nothing is swept there"
        );
        return Ok(());
    }
    // First those whose time is over: then what is left has its row.
    let forgotten = uploads.sweep().await?;
    if forgotten > 0 {
        tracing::info!(objects = forgotten, "removed uploads that nobody built in time");
    }
    let attempts = store.all_attempts().await?;
    let trees = store.upload_objects().await?;
    let grace = i64::try_from(GRACE.as_millis()).expect("a day fits into 64 bits");
    let before = Timestamp::from_millis(now.as_millis() - grace);
    let is_known = |key: &Key| match key {
        Key::Upload(key) => trees.contains(&key.object),
        Key::Attempt(key, name) => {
            let attempt = attempts.get(&(key.job, key.attempt));
            match name {
                ObjectName::Log | ObjectName::Diagnostics => attempt.is_some(),
                ObjectName::Archive | ObjectName::Manifest => attempt.is_some_and(|keeps| *keeps),
            }
        }
    };
    let swept = artifacts.sweep(is_known, before).await?;
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
