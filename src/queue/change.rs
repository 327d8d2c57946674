//! One change of state: a transaction that wakes whoever waits once it is committed.

use super::{Queue, QueueError, settle};
use crate::{
    model::{JobId, JobState, StateName, Timestamp, Verdict},
    protocol::EventKind,
    store::{AttemptEnd, JobRow, NewJob, Store, Tx},
};

/// An open transaction of the queue.
pub(super) struct Change<'q> {
    pub(super) tx: Tx,
    pub(super) now: Timestamp,
    queue: &'q Queue,
}

impl Queue {
    pub(super) async fn change(&self) -> Result<Change<'_>, QueueError> {
        let tx = self.store.begin().await?;
        Ok(Change { tx, now: self.clock.now(), queue: self })
    }
}

impl Change<'_> {
    pub(super) fn store(&self) -> &Store {
        &self.queue.store
    }

    /// The job, to be changed.
    pub(super) async fn job(&mut self, id: JobId) -> Result<JobRow, QueueError> {
        let job = self.queue.store.job_in(&mut self.tx, id).await?;
        job.ok_or_else(|| QueueError::not_found("job", id))
    }

    /// Writes a new job and tells of it; the build is settled by the caller.
    pub(super) async fn insert_job(&mut self, job: &NewJob) -> Result<(), QueueError> {
        let store = &self.queue.store;
        store.insert_job(&mut self.tx, job).await?;
        let event = EventKind::Job {
            job: job.id,
            build: job.build,
            toolchain: job.toolchain.clone(),
            state: StateName::Queued,
            attempt: 0,
            outcome: None,
        };
        store.insert_event(&mut self.tx, self.now, &event).await?;
        Ok(())
    }

    /// Writes a job's new state, tells of it, and sees what it means for the build.
    pub(super) async fn put_state(
        &mut self,
        row: &JobRow,
        state: &JobState,
    ) -> Result<(), QueueError> {
        let store = &self.queue.store;
        store.set_job_state(&mut self.tx, row.job.id, state).await?;
        let event = EventKind::Job {
            job: row.job.id,
            build: row.job.build,
            toolchain: row.job.toolchain.clone(),
            state: state.name(),
            attempt: attempts(state),
            outcome: match state {
                JobState::Finished(finished) => Some(finished.verdict.outcome()),
                _ => None,
            },
        };
        store.insert_event(&mut self.tx, self.now, &event).await?;
        settle::settle(store, &mut self.tx, row.job.build, self.now).await
    }

    /// Writes how the running attempt of a job ended.
    pub(super) async fn end_attempt(
        &mut self,
        id: JobId,
        number: u32,
        verdict: Verdict,
        message: &str,
    ) -> Result<(), QueueError> {
        let end = AttemptEnd {
            at: self.now,
            verdict,
            message,
            usage: None,
            diagnostics: None,
            artifacts: None,
        };
        Ok(self.queue.store.end_attempt(&mut self.tx, id, number, &end).await?)
    }

    /// Commits, then wakes whoever waits.
    pub(super) async fn commit(self) -> Result<(), QueueError> {
        self.tx.commit().await.map_err(crate::store::StoreError::from)?;
        self.queue.changes.send_modify(|count| *count += 1);
        Ok(())
    }
}

/// Attempts that were made of a job, the running one included.
pub(super) const fn attempts(state: &JobState) -> u32 {
    match state {
        JobState::Queued(queued) => queued.attempts,
        JobState::Running(running) => running.attempt.number,
        JobState::Finished(finished) => finished.attempts,
    }
}
