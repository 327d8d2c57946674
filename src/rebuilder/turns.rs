//! The loop: whose time has come, how many at one time, when next.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::{Mutex, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::RebuildError;
use crate::{
    model::{ProjectId, Timestamp},
    queue::Queue,
    source::Sources,
    store::{Store, WatchRow},
};

/// How often is looked whose time has come.
const INTERVAL: Duration = Duration::from_secs(1);

/// Projects that are taken in one go.
const TAKEN: u32 = 64;

/// Repositories that are asked at one time, and of one host. Each takes a process.
const AT_ONCE: usize = 8;
const OF_ONE_HOST: usize = 2;

/// Until when a server that took a project has it: far beyond what asking for its refs takes.
const TAKEN_FOR: Duration = Duration::from_mins(5);

/// The longest pause after failures.
const LONGEST: Duration = Duration::from_hours(1);

/// The rebuilder of one server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rebuilder {
    pub(super) store: Store,
    pub(super) queue: Queue,
    pub(super) sources: Sources,
    places: Arc<Semaphore>,
    hosts: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

impl Rebuilder {
    /// One over this store, queue and way to repositories.
    pub fn new(store: Store, queue: Queue, sources: Sources) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self { store, queue, sources, places, hosts: Arc::default() }
    }

    /// Looks at projects until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let looking = TaskTracker::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            match self.take().await {
                Ok(due) => {
                    for row in due {
                        let (this, stop) = (self.clone(), stop.clone());
                        looking.spawn(async move { this.turn(row, stop).await });
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "watched projects cannot be looked at; trying again");
                }
            }
        }
        looking.close();
        looking.wait().await;
    }

    async fn take(&self) -> Result<Vec<WatchRow>, RebuildError> {
        let now = self.queue.time().await?;
        let mut tx = self.store.begin().await?;
        let due = self.store.take_watches(&mut tx, (now, now.plus(TAKEN_FOR)), TAKEN).await?;
        tx.commit().await?;
        Ok(due)
    }

    /// One look at one project, and when the next is.
    async fn turn(&self, row: WatchRow, stop: CancellationToken) {
        let id = row.project;
        let looked = tokio::select! {
            () = stop.cancelled() => return,
            looked = self.in_its_place(&row) => looked,
        };
        if let Err(error) = &looked {
            tracing::warn!(project.id = %id, "a watched project could not be looked at: {error}");
        }
        if let Err(error) = self.end(&row, looked.err().map(|error| error.to_string())).await {
            // Its time comes again when the one it was taken for is over.
            tracing::error!(project.id = %id, %error, "how a look went could not be written");
        }
    }

    async fn in_its_place(&self, row: &WatchRow) -> Result<(), RebuildError> {
        let project = self.store.project(row.project).await?;
        let Some(project) = project else { return Ok(()) };
        let url = project.url.as_deref().ok_or(RebuildError::NoRepository)?;
        let url = self.sources.parse_url(url)?;
        let host = {
            let mut hosts = self.hosts.lock().await;
            hosts.retain(|_, places| Arc::strong_count(places) > 1);
            let places = hosts.entry(url.authority().clone());
            Arc::clone(places.or_insert_with(|| Arc::new(Semaphore::new(OF_ONE_HOST))))
        };
        let _of_host = host.acquire_owned().await?;
        let _place = self.places.acquire().await?;
        self.look(row, &project, &url).await
    }

    async fn end(&self, row: &WatchRow, problem: Option<String>) -> Result<(), RebuildError> {
        let now = self.queue.time().await?;
        let failures = if problem.is_some() { row.failures.saturating_add(1) } else { 0 };
        let usual = Duration::from_secs(row.rules.poll_seconds.into());
        let pause = pause(usual, failures, rand::random_range(0.0..0.1));
        let mut tx = self.store.begin().await?;
        let seen = problem.is_none().then_some(now);
        let ended = (problem.as_deref(), failures);
        self.store.end_watch(&mut tx, row.project, (now.plus(pause), seen), ended).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Has a project looked at as soon as can be; whether it is watched.
    pub async fn check(&self, project: ProjectId) -> Result<bool, RebuildError> {
        let now: Timestamp = self.queue.time().await?;
        let mut tx = self.store.begin().await?;
        let is_watched = self.store.hurry_watch(&mut tx, project, now).await?;
        tx.commit().await?;
        Ok(is_watched)
    }
}

/// When next: as often as the rules say, less often the longer it has failed, and never all at the same
/// moment.
fn pause(usual: Duration, failures: u32, jitter: f64) -> Duration {
    let factor = 2_u32.saturating_pow(failures.min(16));
    let pause = usual.saturating_mul(factor).min(LONGEST.max(usual));
    pause + pause.mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_is_asked_less_often_and_never_never() {
        let minute = Duration::from_mins(1);
        for (failures, expected) in [(0, 1), (1, 2), (2, 4), (5, 32), (6, 60), (4_000, 60)] {
            assert_eq!(pause(minute, failures, 0.0), minute * expected, "{failures}");
        }
        assert_eq!(pause(Duration::from_hours(5), 9, 0.0), Duration::from_hours(5));
        assert_eq!(pause(minute, 0, 0.05), Duration::from_secs(63));
    }
}
