//! What the clock does to jobs: leases lapse, jobs that waited for too long expire.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Queue, QueueError};
use crate::{
    model::{Cause, JobId, JobState, Timestamp, Verdict},
    store::StoreError,
};

/// How often the clock is looked at; a lapse may be noticed this much late.
const INTERVAL: Duration = Duration::from_secs(1);

/// How often old idempotency keys are forgotten.
const FORGET_KEYS: Duration = Duration::from_hours(1);

/// How long an idempotency key is remembered.
const REMEMBER_KEYS: Duration = Duration::from_hours(24);

impl Queue {
    /// Looks after leases and waiting times until it is told to stop. Agents get a whole lease
    /// from the start on: a server that was away must not take their jobs.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), QueueError> {
        self.give_leases().await?;
        let mut last = self.clock.now();
        let mut forgot = Timestamp::from_millis(0);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let now = self.clock.now();
            let jumped = now.since(last) > self.settings.lease / 2;
            last = now;
            let done = async {
                if jumped {
                    // The machine slept, or the clock was set: agents could not renew either.
                    self.give_leases().await?;
                }
                self.tick().await?;
                if now.since(forgot) > FORGET_KEYS {
                    self.forget_keys().await?;
                    forgot = now;
                }
                Ok::<(), QueueError>(())
            };
            if let Err(error) = done.await {
                tracing::error!(%error, "the queue's upkeep failed; trying again");
            }
        }
    }

    /// Gives every running job a whole lease from now on.
    async fn give_leases(&self) -> Result<(), QueueError> {
        let mut change = self.change().await?;
        let until = change.now.plus(self.settings.lease);
        self.store.extend_leases(&mut change.tx, until).await?;
        change.commit().await
    }

    /// One look at the clock. A job that cannot be changed does not keep others from it.
    pub async fn tick(&self) -> Result<(), QueueError> {
        let now = self.clock.now();
        for id in self.store.jobs_with_lapsed_lease(now).await? {
            if let Err(error) = self.lapse(id).await {
                tracing::error!(job.id = %id, %error, "a lapsed lease could not be ended");
            }
        }
        let since = before(now, self.settings.queue_time);
        for id in self.store.jobs_queued_since(since).await? {
            if let Err(error) = self.expire(id).await {
                tracing::error!(job.id = %id, %error, "a job that waited too long stays queued");
            }
        }
        Ok(())
    }

    async fn lapse(&self, id: JobId) -> Result<(), QueueError> {
        let mut change = self.change().await?;
        let row = change.job(id).await?;
        let JobState::Running(running) = &row.state else { return Ok(()) };
        let number = running.attempt.number;
        // Renewed, finished or cancelled in the meantime: nothing to do.
        let Ok(state) = row.state.clone().lapse(change.now) else { return Ok(()) };
        let lost = Verdict::Failed(Cause::AgentLost);
        change.end_attempt(id, number, lost, "the agent that had this job went silent").await?;
        change.put_state(&row, &state).await?;
        change.commit().await?;
        tracing::warn!(job.id = %id, job.attempt = number, "lease lapsed");
        Ok(())
    }

    async fn expire(&self, id: JobId) -> Result<(), QueueError> {
        let mut change = self.change().await?;
        let row = change.job(id).await?;
        let Ok(state) = row.state.clone().expire(change.now, self.settings.queue_time) else {
            return Ok(());
        };
        change.put_state(&row, &state).await?;
        change.commit().await
    }

    async fn forget_keys(&self) -> Result<(), QueueError> {
        let mut change = self.change().await?;
        let before = before(change.now, REMEMBER_KEYS);
        self.store.forget_idempotency_keys(&mut change.tx, before).await?;
        change.tx.commit().await.map_err(StoreError::from)?;
        Ok(())
    }
}

/// The time that lies `duration` before `now`.
fn before(now: Timestamp, duration: Duration) -> Timestamp {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(millis))
}
