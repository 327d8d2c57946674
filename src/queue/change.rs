//! One change of state: a transaction that wakes whoever waits once it is committed.

use super::{Queue, QueueError};
use crate::{
    model::{JobId, JobState, StateName, Timestamp, Verdict},
    protocol::EventKind,
    store::{AttemptEnd, JobRow, Lane, NewJob, Store, Tx},
};

/// An open transaction of the queue.
pub(super) struct Change<'q> {
    pub(super) tx: Tx,
    /// The database's time: leases are compared with it, whichever server writes or reads them.
    pub(super) now: Timestamp,
    /// What followers are told, written at the end: see `Store::insert_events`.
    events: Vec<EventKind>,
    /// The lane that a job was let into last: those of a build wait in one.
    entered: Option<Lane>,
    queue: &'q Queue,
}

impl Queue {
    pub(super) async fn change(&self) -> Result<Change<'_>, QueueError> {
        let mut tx = self.store.begin().await?;
        let now = self.store.clock_in(&mut tx).await?.unwrap_or_else(|| self.clock.now());
        Ok(Change { tx, now, events: Vec::new(), entered: None, queue: self })
    }

    /// The time by which rows are stamped: the database's, else this machine's.
    pub async fn time(&self) -> Result<Timestamp, QueueError> {
        self.now().await
    }

    /// The database's time.
    pub(super) async fn now(&self) -> Result<Timestamp, QueueError> {
        Ok(self.store.clock().await?.unwrap_or_else(|| self.clock.now()))
    }
}

impl Change<'_> {
    pub(super) fn store(&self) -> &Store {
        &self.queue.store
    }

    /// The job and its build, to be changed.
    pub(super) async fn job(&mut self, id: JobId) -> Result<JobRow, QueueError> {
        self.queue.store.lock_build_of(&mut self.tx, id).await?;
        self.job_alone(id).await
    }

    /// The job, to be changed in what does not concern its build.
    pub(super) async fn job_alone(&mut self, id: JobId) -> Result<JobRow, QueueError> {
        let job = self.queue.store.job_in(&mut self.tx, id).await?;
        job.ok_or_else(|| QueueError::not_found("job", id))
    }

    /// Writes a new job and tells of it; the build is settled by the caller.
    pub(super) async fn insert_job(&mut self, job: &NewJob) -> Result<(), QueueError> {
        self.enter_lane(job).await?;
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
        self.tell(event);
        Ok(())
    }

    /// Notes in its lane that a job waits, before it does.
    async fn enter_lane(&mut self, job: &NewJob) -> Result<(), QueueError> {
        let lane = job.lane();
        if self.entered.as_ref() != Some(&lane) {
            self.queue.store.enter_lane(&mut self.tx, &lane, self.now).await?;
            self.entered = Some(lane);
        }
        Ok(())
    }

    /// Reads the time again, after a wait for a lock.
    pub(super) async fn look_at_clock(&mut self) -> Result<(), QueueError> {
        let now = self.queue.store.clock_in(&mut self.tx).await?;
        self.now = now.unwrap_or_else(|| self.queue.clock.now());
        Ok(())
    }

    /// Tells followers, once all is written.
    pub(super) fn tell(&mut self, event: EventKind) {
        self.events.push(event);
    }

    /// Writes a job's new state, tells of it, and sees what it means for the build.
    pub(super) async fn put_state(
        &mut self,
        row: &JobRow,
        state: &JobState,
    ) -> Result<(), QueueError> {
        if state.name() == StateName::Queued {
            self.enter_lane(&row.job).await?;
        }
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
        self.tell(event);
        self.settle(row.job.build).await
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
    pub(super) async fn commit(mut self) -> Result<(), QueueError> {
        self.queue.store.insert_events(&mut self.tx, self.now, &self.events).await?;
        self.tx.commit().await?;
        self.queue.wake();
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
