//! What the clock does to jobs: leases lapse, jobs that waited for too long expire.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Queue, QueueError, leases::LeaseWatch};
use crate::{
    meters,
    model::{Cause, JobId, JobState, Timestamp, Verdict},
    store::Lease,
};

/// How often the clock is looked at; a lapse may be noticed this much late.
const INTERVAL: Duration = Duration::from_secs(1);

/// How often old idempotency keys are forgotten.
const FORGET_KEYS: Duration = Duration::from_hours(1);

/// How long an idempotency key is remembered.
const REMEMBER_KEYS: Duration = Duration::from_hours(24);

/// How often lanes are put in order, and how long an empty one is kept.
const TIDY_LANES: Duration = Duration::from_secs(30);

impl Queue {
    /// Looks after leases and waiting times until it is told to stop.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), QueueError> {
        let mut watch = LeaseWatch::new(self.settings.lease);
        let mut forgot: Option<Duration> = None;
        let mut tidied: Option<Duration> = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let done = async {
                self.tick(&mut watch).await?;
                self.tell_of_agents().await?;
                let at = self.clock.elapsed();
                if forgot.is_none_or(|before| at.saturating_sub(before) > FORGET_KEYS) {
                    self.forget_keys().await?;
                    forgot = Some(at);
                }
                if tidied.is_none_or(|before| at.saturating_sub(before) > TIDY_LANES) {
                    self.tidy_lanes().await?;
                    tidied = Some(at);
                }
                Ok::<(), QueueError>(())
            };
            if let Err(error) = done.await {
                tracing::error!(%error, "the queue's upkeep failed; trying again");
            }
        }
    }

    /// One look at the clock. A job that cannot be changed does not keep others from it.
    pub(super) async fn tick(&self, watch: &mut LeaseWatch) -> Result<(), QueueError> {
        let now = self.now().await?;
        let leases = self.store.leases().await?;
        for lease in watch.look(&leases, now, self.clock.elapsed()) {
            if let Err(error) = self.lapse(lease).await {
                tracing::error!(job.id = %lease.job, %error, "a lapsed lease could not be ended");
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

    /// Takes a job from an agent that went silent, unless it was renewed a moment ago.
    async fn lapse(&self, lease: Lease) -> Result<(), QueueError> {
        let mut change = self.change().await?;
        let row = change.job(lease.job).await?;
        let JobState::Running(running) = &row.state else { return Ok(()) };
        if (running.attempt.number, running.lease_until) != (lease.attempt, lease.until) {
            return Ok(());
        }
        // That it is over was decided; the clock may have jumped back since it was written.
        let Ok(state) = row.state.clone().lapse(change.now.max(lease.until)) else {
            return Ok(());
        };
        let lost = Verdict::Failed(Cause::AgentLost);
        let message = "the agent that had this job went silent";
        change.end_attempt(lease.job, lease.attempt, lost, message).await?;
        change.put_state(&row, &state).await?;
        change.commit().await?;
        meters::lapsed();
        tracing::warn!(job.id = %lease.job, job.attempt = lease.attempt, "lease lapsed");
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

    /// Forgets lanes in which nobody waits any more. That every waiting job has one is seen to where
    /// it begins to wait; should one have been lost, nothing else would ever find its jobs.
    pub(super) async fn tidy_lanes(&self) -> Result<(), QueueError> {
        let mut change = self.change().await?;
        let before = before(change.now, TIDY_LANES);
        self.store.forget_lanes(&mut change.tx, before).await?;
        let now = change.now;
        let mended = self.store.mend_lanes(&mut change.tx, now).await?;
        change.tx.commit().await?;
        if mended > 0 {
            tracing::warn!(lanes = mended, "waiting jobs had no lane; they have one again");
            self.wake();
        }
        Ok(())
    }

    async fn forget_keys(&self) -> Result<(), QueueError> {
        let mut change = self.change().await?;
        let before = before(change.now, REMEMBER_KEYS);
        self.store.forget_idempotency_keys(&mut change.tx, before).await?;
        change.tx.commit().await?;
        Ok(())
    }
}

/// The time that lies `duration` before `now`.
fn before(now: Timestamp, duration: Duration) -> Timestamp {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(millis))
}
