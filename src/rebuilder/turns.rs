//! The loop: whose time has come, how many at one time, when next.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::{
    Mutex, Notify, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, SemaphorePermit,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{RebuildError, look::Watched};
use crate::{
    config::WatchSettings,
    model::{POLL_SECONDS, ProjectId},
    queue::Queue,
    secrets::Secrets,
    source::{GitUrl, LoginReach, Sources},
    store::{DeliveryRow, ProjectRow, Store, StoreError, Tx, WatchRow},
};

/// How often is looked whose time has come.
const INTERVAL: Duration = Duration::from_secs(1);

/// Projects and deliveries that are taken in one go.
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
    secrets: Secrets,
    pub(super) settings: WatchSettings,
    /// Something is to be done now.
    pub(super) wake: Arc<Notify>,
    places: Arc<Semaphore>,
    hosts: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
    projects: Arc<Mutex<HashMap<ProjectId, Arc<Mutex<()>>>>>,
}

impl Rebuilder {
    /// One over this store, queue and way to repositories.
    pub fn new(
        (store, queue): (Store, Queue),
        sources: Sources,
        secrets: Secrets,
        settings: WatchSettings,
    ) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self {
            store,
            queue,
            sources,
            secrets,
            settings,
            wake: Arc::default(),
            places,
            hosts: Arc::default(),
            projects: Arc::default(),
        }
    }

    /// Looks at projects until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let looking = TaskTracker::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
            match self.take().await {
                Ok((deliveries, watches)) => {
                    for row in deliveries {
                        let (this, stop) = (self.clone(), stop.clone());
                        looking.spawn(async move { this.deliver(row, &stop).await });
                    }
                    for row in watches {
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

    /// What is to be done by now. Where there is nothing nobody is kept from writing.
    async fn take(&self) -> Result<(Vec<DeliveryRow>, Vec<WatchRow>), RebuildError> {
        let now = self.queue.time().await?;
        if !self.store.has_rebuilds_due(now).await? {
            return Ok((Vec::new(), Vec::new()));
        }
        let times = (now, now.plus(TAKEN_FOR));
        let mut tx = self.store.begin().await?;
        let deliveries = self.store.take_deliveries(&mut tx, times, TAKEN).await?;
        let watches = self.store.take_watches(&mut tx, times, TAKEN).await?;
        tx.commit().await?;
        Ok((deliveries, watches))
    }

    /// One look at one project, and when the next is.
    async fn turn(&self, row: WatchRow, stop: CancellationToken) {
        let id = row.project;
        let (project, looked) = tokio::select! {
            () = stop.cancelled() => return,
            looked = self.in_its_place(id, &stop) => looked,
        };
        if let Err(error) = &looked {
            tracing::warn!(project.id = %id, "a watched project could not be looked at: {error}");
        }
        let problem = looked.err().map(|error| error.to_string());
        if let Err(error) = self.end(&row, project, problem).await {
            // Its time comes again when the one it was taken for is over.
            tracing::error!(project.id = %id, %error, "how a look went could not be written");
        }
    }

    /// How a look went, and at which project as it was then.
    async fn in_its_place(
        &self,
        project: ProjectId,
        stop: &CancellationToken,
    ) -> (Option<ProjectRow>, Result<(), RebuildError>) {
        let _turn = self.turn_of(project).await;
        let watched = match self.watched(project).await {
            Ok(Some(watched)) => watched,
            Ok(None) => return (None, Ok(())),
            Err(error) => return (None, Err(error)),
        };
        let look = async {
            let _places = self.places_for(&watched.url).await?;
            self.look(&watched, stop).await
        };
        let looked = look.await;
        (Some(watched.project), looked)
    }

    /// Whether a project still has the repository that was looked at; it keeps that until the
    /// transaction ends.
    pub(super) async fn is_still_at(
        &self,
        tx: &mut Tx,
        project: &ProjectRow,
    ) -> Result<bool, StoreError> {
        let now = self.store.lock_project(tx, project.id).await?;
        Ok(now.is_some_and(|now| now.url == project.url))
    }

    /// A watched project as it is now, and how its repository is asked.
    pub(super) async fn watched(&self, id: ProjectId) -> Result<Option<Watched>, RebuildError> {
        let (project, row) = (self.store.project(id).await?, self.store.watch(id).await?);
        let (Some(project), Some(row)) = (project, row) else { return Ok(None) };
        let url = project.url.as_deref().ok_or(RebuildError::NoRepository)?;
        let url = self.sources.parse_url(url)?;
        let mut tx = self.store.snapshot().await?;
        let login = self.secrets.login_for(&mut tx, id, &url.authority()).await?;
        // Nothing but the refs and the commit itself is asked for here.
        let url = url.with_login(login.map(|login| (Arc::new(login), LoginReach::Itself)));
        Ok(Some(Watched { project, row, url }))
    }

    /// Waits until nobody else in this process is at a project.
    pub(super) async fn turn_of(&self, project: ProjectId) -> OwnedMutexGuard<()> {
        let lock = {
            let mut projects = self.projects.lock().await;
            projects.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(projects.entry(project).or_default())
        };
        lock.lock_owned().await
    }

    /// Waits until a repository may be asked.
    pub(super) async fn places_for(
        &self,
        url: &GitUrl,
    ) -> Result<(OwnedSemaphorePermit, SemaphorePermit<'_>), RebuildError> {
        let host = {
            let mut hosts = self.hosts.lock().await;
            hosts.retain(|_, places| Arc::strong_count(places) > 1);
            let places = hosts.entry(url.authority());
            Arc::clone(places.or_insert_with(|| Arc::new(Semaphore::new(OF_ONE_HOST))))
        };
        let of_host = host.acquire_owned().await?;
        Ok((of_host, self.places.acquire().await?))
    }

    async fn end(
        &self,
        row: &WatchRow,
        project: Option<ProjectRow>,
        problem: Option<String>,
    ) -> Result<(), RebuildError> {
        let now = self.queue.time().await?;
        let failures = if problem.is_some() { row.failures.saturating_add(1) } else { 0 };
        let usual = row.rules.poll_seconds.unwrap_or(self.settings.poll_seconds);
        let usual = usual.clamp(*POLL_SECONDS.start(), *POLL_SECONDS.end());
        let usual = Duration::from_secs(usual.into());
        let pause = pause(usual, failures, rand::random_range(0.0..0.1));
        let mut tx = self.store.begin().await?;
        if let Some(project) = project
            && !self.is_still_at(&mut tx, &project).await?
        {
            // Its new repository has not been looked at, and is due.
            return Ok(());
        }
        let seen = problem.is_none().then_some(now);
        let times = (now.plus(pause), seen);
        self.store.end_watch(&mut tx, row, times, (problem.as_deref(), failures)).await?;
        // That all is as it was is told only to who waits for it.
        if row.asked || problem != row.problem || row.seen_at.is_none() {
            self.store.tell_of_project(&mut tx, now, row.project).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Has a project looked at as soon as can be; whether it is watched.
    pub async fn check(&self, project: ProjectId) -> Result<bool, RebuildError> {
        let now = self.queue.time().await?;
        let mut tx = self.store.begin().await?;
        let is_watched = self.store.hurry_watch(&mut tx, project, now).await?;
        tx.commit().await?;
        self.wake.notify_one();
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
