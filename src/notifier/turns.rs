//! The loop: what has happened, what is due.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use crate::{
    model::{NoticeId, ProjectId},
    queue::{Queue, QueueError},
    secrets::{Secrets, SecretsError},
    source::{SourceError, Sources},
    store::{NoticeRow, Store, StoreError},
};

/// How often is looked.
const INTERVAL: Duration = Duration::from_secs(1);
/// Notices that are taken in one go.
const TAKEN: u32 = 32;
/// Requests at one time.
const AT_ONCE: usize = 8;
/// Until when a server that took a notice has it.
const TAKEN_FOR: Duration = Duration::from_mins(2);

/// Something could not be told.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The other side does not answer, or is not allowed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The other side says no, and would the next time.
    #[error("it is refused: {0}")]
    Refused(String),
    /// The other side says no for now.
    #[error("it cannot be told now: {0}")]
    Busy(String),
    /// The token cannot be opened.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// A build cannot be read.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The notifier of one server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Notifier {
    pub(super) store: Store,
    pub(super) queue: Queue,
    pub(super) sources: Sources,
    pub(super) secrets: Secrets,
    /// Where people reach this installation.
    public: Option<Arc<Url>>,
    wake: Arc<Notify>,
    places: Arc<Semaphore>,
}

impl Notifier {
    /// One over this store and queue, that reaches others through this gate.
    pub fn new(
        (store, queue): (Store, Queue),
        sources: Sources,
        secrets: Secrets,
        public: Option<Url>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let public = public.map(Arc::new);
        Self { store, queue, sources, secrets, public, wake: Arc::default(), places }
    }

    /// The address of a path for people elsewhere, if this installation knows its own.
    pub fn public(&self, path: &str) -> Option<String> {
        self.public.as_ref()?.join(path).ok().map(String::from)
    }

    /// Has something told once more, soon; whether a project has it to tell.
    pub async fn resend(&self, project: ProjectId, id: NoticeId) -> Result<bool, NotifyError> {
        let now = self.queue.time().await?;
        let mut tx = self.store.begin().await?;
        let is_there = self.store.resend_notice(&mut tx, (project, id), now).await?;
        tx.commit().await?;
        self.wake.notify_one();
        Ok(is_there)
    }

    /// Tells until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let telling = TaskTracker::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
            if let Err(error) = self.collect().await {
                tracing::error!(%error, "what is to be told cannot be written down; trying again");
            }
            match self.take().await {
                Ok(due) => {
                    for row in due {
                        let (this, stop) = (self.clone(), stop.clone());
                        telling.spawn(async move {
                            let Ok(_place) = this.places.acquire().await else { return };
                            tokio::select! {
                                () = stop.cancelled() => {}
                                () = this.tell(row) => {}
                            }
                        });
                    }
                }
                Err(error) => tracing::error!(%error, "what is due cannot be read; trying again"),
            }
        }
        telling.close();
        telling.wait().await;
    }

    async fn take(&self) -> Result<Vec<NoticeRow>, NotifyError> {
        let now = self.queue.time().await?;
        if !self.store.has_notices_due(now).await? {
            return Ok(Vec::new());
        }
        let mut tx = self.store.begin().await?;
        let times = (now, now.plus(TAKEN_FOR));
        let due = self.store.take_notices(&mut tx, times, TAKEN).await?;
        tx.commit().await?;
        Ok(due)
    }
}
