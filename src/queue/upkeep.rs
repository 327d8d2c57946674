//! What the clock does to jobs: leases lapse, jobs that waited for too long expire.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Queue, QueueError};
use crate::model::{Cause, JobState, Verdict};

/// How often the clock is looked at; a lapse may be noticed this much late.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long an idempotency key is remembered.
const REMEMBER_KEYS: Duration = Duration::from_hours(24);

impl Queue {
    /// Looks after leases and waiting times until it is told to stop. Agents get a whole lease
    /// from the start on: a server that was away must not take their jobs.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), QueueError> {
        let mut change = self.change().await?;
        let until = change.now.plus(self.settings.lease);
        self.store.extend_leases(&mut change.tx, until).await?;
        change.commit().await?;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(INTERVAL) => {}
            }
            if let Err(error) = self.tick().await {
                tracing::error!(%error, "the queue's upkeep failed; trying again");
            }
        }
    }

    /// One look at the clock.
    pub async fn tick(&self) -> Result<(), QueueError> {
        let now = self.clock.now();
        for id in self.store.jobs_with_lapsed_lease(now).await? {
            let mut change = self.change().await?;
            let row = change.job(id).await?;
            let JobState::Running(running) = &row.state else { continue };
            let number = running.attempt.number;
            // Renewed, finished or cancelled in the meantime: nothing to do.
            let Ok(state) = row.state.clone().lapse(change.now) else { continue };
            let lost = Verdict::Failed(Cause::AgentLost);
            change.end_attempt(id, number, lost, "the agent that had this job went silent").await?;
            change.put_state(&row, &state).await?;
            change.commit().await?;
            tracing::warn!(job.id = %id, job.attempt = number, "lease lapsed");
        }
        let queue_time = self.settings.queue_time;
        let since = crate::model::Timestamp::from_millis(
            now.as_millis()
                .saturating_sub(i64::try_from(queue_time.as_millis()).unwrap_or(i64::MAX)),
        );
        for id in self.store.jobs_queued_since(since).await? {
            let mut change = self.change().await?;
            let row = change.job(id).await?;
            let Ok(state) = row.state.clone().expire(change.now, queue_time) else { continue };
            change.put_state(&row, &state).await?;
            change.commit().await?;
        }
        let mut change = self.change().await?;
        let before = now.as_millis()
            - i64::try_from(REMEMBER_KEYS.as_millis()).expect("a day fits into 64 bits");
        let before = crate::model::Timestamp::from_millis(before);
        self.store.forget_idempotency_keys(&mut change.tx, before).await?;
        change.tx.commit().await.map_err(crate::store::StoreError::from)?;
        Ok(())
    }
}
