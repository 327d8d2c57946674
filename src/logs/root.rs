//! The logs themselves: what their parts share.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Semaphore;

use super::{LogError, hub};
use crate::{
    artifact::ArtifactStore,
    model::{Clock, JobId},
    store::{AttemptRow, JobRow, Store},
};

/// Followers that read from the store at one time: fewer than a database has connections.
const READING: usize = 3;

/// Followers that read sealed logs at one time, of which each has a member in memory. Another number
/// than the one above: a store that hangs holds up those who need it, and nobody else.
const READING_OBJECTS: usize = 16;

/// The logs of one server.
#[derive(Clone, Debug)]
pub struct Logs {
    pub(super) store: Store,
    pub(super) artifacts: ArtifactStore,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) hub: hub::Hub,
    pub(super) reading: Arc<Semaphore>,
    pub(super) reading_objects: Arc<Semaphore>,
    reads: Arc<AtomicU64>,
}

impl Logs {
    /// Logs over this database and artifact repository.
    pub fn new(store: Store, artifacts: ArtifactStore, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            artifacts,
            clock,
            hub: hub::Hub::default(),
            reading: Arc::new(Semaphore::new(READING)),
            reading_objects: Arc::new(Semaphore::new(READING_OBJECTS)),
            reads: Arc::default(),
        }
    }

    /// Another server appended to this job's log.
    pub fn wake(&self, job: JobId) {
        self.hub.wake(job);
    }

    /// Any log may have grown.
    pub fn wake_all(&self) {
        self.hub.wake_all();
    }

    /// Questions that reading logs has asked the database since the start.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Counts a question.
    pub(super) fn count_read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// A job that has to be there.
    pub(super) async fn job_row(&self, job: JobId) -> Result<JobRow, LogError> {
        self.count_read();
        let row = self.store.job(job).await?;
        row.ok_or_else(|| LogError::NotFound(format!("job {job}")))
    }

    /// The attempts of a job, the newest last.
    pub(super) async fn attempts_of(&self, job: JobId) -> Result<Vec<AttemptRow>, LogError> {
        self.count_read();
        Ok(self.store.attempts_of(job).await?)
    }
}
