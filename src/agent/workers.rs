//! The attempts that run now, a task each: a worker is there for as long as its job, so that there are
//! as many as are needed and none that is idle.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;
use tracing::Instrument as _;

use super::{
    attempt::supervise,
    deps::Deps,
    ending::{Ending, StopReason},
};
use crate::{client::AgentClient, model::JobId, protocol::Claimed};

/// The attempts that are alive; the sweep leaves them alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Alive(Arc<Mutex<Vec<(JobId, u32)>>>);

impl Alive {
    /// A copy of the list.
    pub(super) fn list(&self) -> Vec<(JobId, u32)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, attempt: (JobId, u32)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(attempt);
    }

    fn remove(&self, attempt: (JobId, u32)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| *one != attempt);
    }
}

/// One of them.
#[derive(Debug)]
struct Running {
    attempt: (JobId, u32),
    ending: Ending,
    /// The memory that its container may take.
    memory_bytes: u64,
}

/// The running attempts.
#[derive(Debug)]
pub(super) struct Workers {
    deps: Arc<Deps>,
    tasks: JoinSet<()>,
    running: HashMap<Id, Running>,
    alive: Alive,
}

impl Workers {
    /// None yet.
    pub(super) fn new(deps: Arc<Deps>, alive: Alive) -> Self {
        Self { deps, tasks: JoinSet::new(), running: HashMap::new(), alive }
    }

    /// How many run.
    pub(super) fn busy(&self) -> usize {
        self.tasks.len()
    }

    /// The memory that is promised to those that run.
    pub(super) fn promised(&self) -> u64 {
        self.running.values().map(|one| one.memory_bytes).fold(0, u64::saturating_add)
    }

    /// Whether one more may be taken: a worker is free, and what runs leaves the memory that a job
    /// of the usual size may take. One that asks for more comes only
    /// if it fits, which the server is told, and then stands for several.
    pub(super) fn has_room(&self) -> bool {
        let most = self.deps.workers();
        if self.busy() >= most as usize {
            return false;
        }
        self.busy() == 0 || self.deps.has_memory(most, self.promised())
    }

    /// Starts one more.
    pub(super) fn start(&mut self, client: AgentClient, claimed: Claimed) {
        let attempt = (claimed.job, claimed.attempt);
        if self.running.values().any(|known| known.attempt == attempt) {
            tracing::warn!(job.id = %attempt.0, "an attempt that runs already was claimed again");
            return;
        }
        self.alive.add(attempt);
        let ending = Ending::default();
        let memory_bytes = self.deps.memory_of(&claimed.work);
        // Every line of it says whose it is, however little is logged.
        let span = tracing::error_span!("attempt", job.id = %attempt.0, job.attempt = attempt.1);
        let work = supervise(Arc::clone(&self.deps), client, claimed, ending.clone());
        let id = self.tasks.spawn(work.instrument(span)).id();
        self.running.insert(id, Running { attempt, ending, memory_bytes });
    }

    /// Waits until one has ended; for ever if none runs.
    pub(super) async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.forget(ended),
            None => std::future::pending().await,
        }
    }

    /// Lets those that run go on for a while, then stops them; returns when none is left.
    pub(super) async fn stop(mut self, grace: Duration) {
        let all = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.forget(ended);
            }
        };
        if timeout(grace, all).await.is_ok() {
            return;
        }
        tracing::info!("stopping {} running jobs", self.tasks.len());
        for Running { ending, .. } in self.running.values() {
            ending.stop(StopReason::AgentStops);
        }
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.forget(ended);
        }
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!("an attempt's frame broke, its lease will lapse: {error}");
                error.id()
            }
        };
        if let Some(Running { attempt, .. }) = self.running.remove(&id) {
            self.alive.remove(attempt);
        }
    }
}
