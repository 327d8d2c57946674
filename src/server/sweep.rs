//! Objects and rows compared: objects that nobody knows, left by attempts that died between storing
//! and telling, go; rows whose objects somebody else removed are told.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    artifact::{ArtifactStore, Key, ObjectName},
    model::{Clock, Timestamp},
    store::Store,
    uploads::Uploads,
};

/// How often objects are compared with the database.
const INTERVAL: Duration = Duration::from_hours(1);

/// Lost objects that are named in one line.
const TOLD: usize = 20;

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
    // One of several servers at a time.
    let Some(_lock) = store.try_lock("sweep").await? else { return Ok(()) };
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
    // Asked before the objects are listed: what these rows tell of was there already.
    let expected = store.attempts_with_objects().await?;
    let attempts = store.all_attempts().await?;
    let trees = store.upload_objects().await?;
    let grace = i64::try_from(GRACE.as_millis()).expect("a day fits into 64 bits");
    let before = Timestamp::from_millis(now.as_millis() - grace);
    let seen = Mutex::new(HashSet::new());
    let is_known = |key: &Key| match key {
        Key::Upload(key) => trees.contains(&key.object),
        Key::Attempt(key, name) => {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert((key.job, key.attempt, *name));
            let attempt = attempts.get(&(key.job, key.attempt));
            match name {
                ObjectName::Log | ObjectName::Diagnostics => attempt.is_some(),
                ObjectName::Archive | ObjectName::Manifest => attempt.is_some_and(|keeps| *keeps),
            }
        }
    };
    let swept = artifacts.sweep(is_known, before).await?;
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut lost = Vec::new();
    for (job, attempt, keeps, sealed) in expected {
        let names = [
            (keeps, ObjectName::Archive),
            (keeps, ObjectName::Manifest),
            (sealed, ObjectName::Log),
        ];
        for (is_there, name) in names {
            if is_there && !seen.contains(&(job, attempt, name)) {
                lost.push(format!("{job}/{attempt}/{}", name.as_str()));
            }
        }
    }
    if !lost.is_empty() {
        tracing::error!(
            objects = lost.len(),
            "objects are gone that kiln has not removed; look at the rules of the bucket. The first of \
             them: {}",
            lost.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ")
        );
    }
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
