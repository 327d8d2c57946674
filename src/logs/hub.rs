//! The tails of the jobs that are followed on this server.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::watch;

use super::{Logs, tail::Tail};
use crate::model::{Frame, JobId};

/// The tail of each followed job; followers hold them, the hub only finds them.
#[derive(Clone, Debug, Default)]
pub(super) struct Hub {
    tails: Arc<Mutex<HashMap<JobId, Weak<Tail>>>>,
}

impl Hub {
    /// The tail of a job, which begins with the first who follows it.
    pub(super) fn tail(&self, logs: &Logs, job: JobId, changes: watch::Receiver<u64>) -> Arc<Tail> {
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tail) = tails.get(&job).and_then(Weak::upgrade)
            && !tail.is_broken()
        {
            return tail;
        }
        // Jobs that nobody follows any more are forgotten whenever somebody follows a new one.
        tails.retain(|_, tail| tail.strong_count() > 0);
        let tail = Arc::new(Tail::start(logs.clone(), job, changes));
        tails.insert(job, Arc::downgrade(&tail));
        tail
    }

    /// Tells a job's tail that there is more than what came through here.
    pub(super) fn wake(&self, job: JobId) {
        if let Some(tail) = self.find(job) {
            tail.wake();
        }
    }

    /// The same for every job.
    pub(super) fn wake_all(&self) {
        let tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        let tails: Vec<_> = tails.values().filter_map(Weak::upgrade).collect();
        for tail in tails {
            tail.wake();
        }
    }

    /// Hands frames that were just stored to all who follow the job.
    pub(super) fn append(&self, job: JobId, attempt: u32, frames: &[Frame]) {
        if let Some(tail) = self.find(job) {
            tail.append(attempt, frames);
        }
    }

    fn find(&self, job: JobId) -> Option<Arc<Tail>> {
        let tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        tails.get(&job).and_then(Weak::upgrade)
    }
}
