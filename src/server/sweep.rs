//! Objects and rows compared: objects that nobody knows, left by attempts that died between storing
//! and telling, go; rows whose objects somebody else removed are told.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    artifact::{ArtifactStore, Key, ObjectName},
    meters,
    model::{Clock, JobId, Timestamp},
    store::{AttemptObjects, Store},
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
    let attempts = store.attempt_objects().await?;
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
                ObjectName::Log => attempt.is_some_and(|it| !it.log_expired),
                ObjectName::Diagnostics => attempt.is_some(),
                ObjectName::Archive | ObjectName::Manifest => {
                    attempt.is_some_and(|it| it.is_running || it.has_artifacts)
                }
            }
        }
    };
    let swept = artifacts.sweep(is_known, before).await?;
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let lost = lost(&attempts, &seen);
    if !lost.is_empty() {
        tracing::error!(
            objects = lost.len(),
            "objects are gone that kiln has not removed; look at the rules of the bucket. The first of \
             them: {}",
            lost.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ")
        );
    }
    meters::swept((swept.objects + swept.staged) as u64);
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

/// Objects that rows tell of and that were not seen, by name.
fn lost(
    attempts: &HashMap<(JobId, u32), AttemptObjects>,
    seen: &HashSet<(JobId, u32, ObjectName)>,
) -> Vec<String> {
    let mut lost: Vec<String> = attempts
        .iter()
        .flat_map(|(&(job, attempt), objects)| {
            [
                (objects.has_artifacts, ObjectName::Archive),
                (objects.has_artifacts, ObjectName::Manifest),
                (objects.has_log, ObjectName::Log),
            ]
            .map(|(is_there, name)| (is_there, (job, attempt, name)))
        })
        .filter(|(is_there, object)| *is_there && !seen.contains(object))
        .map(|(_, (job, attempt, name))| format!("{job}/{attempt}/{}", name.as_str()))
        .collect();
    lost.sort_unstable();
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_whose_objects_are_gone_are_found_and_others_are_not() {
        let job = JobId::new(Timestamp::from_millis(1));
        let objects = |is_running, has_artifacts, has_log| AttemptObjects {
            is_running,
            has_artifacts,
            has_log,
            log_expired: false,
        };
        let attempts = HashMap::from([
            ((job, 1), objects(false, false, true)),
            ((job, 2), objects(false, true, true)),
            // Nothing is promised of one that runs.
            ((job, 3), objects(true, false, false)),
        ]);
        let all = [
            (job, 1, ObjectName::Log),
            (job, 2, ObjectName::Archive),
            (job, 2, ObjectName::Manifest),
            (job, 2, ObjectName::Log),
        ];
        assert_eq!(lost(&attempts, &all.into()), [] as [String; 0]);
        for gone in all {
            let seen = all.into_iter().filter(|object| *object != gone).collect();
            let (_, attempt, name) = gone;
            assert_eq!(lost(&attempts, &seen), [format!("{job}/{attempt}/{}", name.as_str())]);
        }
    }
}
