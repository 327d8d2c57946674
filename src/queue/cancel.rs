//! Cancelling: a queued job ends at once, a running one when its agent has stopped it.

use super::{Queue, QueueError};
use crate::model::{BuildId, CancelReason, JobId, StateName};

impl Queue {
    /// Asks for a job to end. Asking again, or for a job that has ended, changes nothing.
    pub async fn cancel_job(&self, id: JobId, reason: CancelReason) -> Result<(), QueueError> {
        let mut change = self.change().await?;
        let row = change.job(id).await?;
        let state = row.state.clone().cancel(reason, change.now);
        if state != row.state {
            change.put_state(&row, &state).await?;
        }
        change.commit().await
    }

    /// Asks for every job of a build to end.
    pub async fn cancel_build(&self, id: BuildId, reason: CancelReason) -> Result<(), QueueError> {
        let mut change = self.change().await?;
        if !self.store.lock_build(&mut change.tx, id).await? {
            return Err(QueueError::not_found("build", id));
        }
        let jobs = self.store.lock_jobs_of(&mut change.tx, id).await?;
        for row in jobs.iter().filter(|row| row.state.name() != StateName::Finished) {
            let state = row.state.clone().cancel(reason, change.now);
            change.put_state(row, &state).await?;
        }
        change.commit().await
    }
}
