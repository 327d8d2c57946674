//! Retrying: a new job in the same build that takes the old one's place.

use super::{Queue, QueueError, change::Change};
use crate::{
    model::{BuildId, JobId, JobState, StateName, ToolchainName, Verdict},
    protocol::JobKind,
    store::{JobRow, NewJob},
};

impl Queue {
    /// Runs a finished job again; answers the new job.
    pub async fn retry_job(&self, id: JobId) -> Result<JobId, QueueError> {
        let queue = self.store.job(id).await?.map(|row| row.job.queue);
        let mut change = self.change().await?;
        let queue = queue.ok_or_else(|| QueueError::not_found("job", id))?;
        change.used_queue(&queue).await?;
        let row = change.job(id).await?;
        let new = self.again(&mut change, &row).await?;
        change.settle(row.job.build).await?;
        change.commit().await?;
        Ok(new)
    }

    /// Runs legs of a build again: those named, else every one that did not succeed; the plan, if
    /// that is what failed. Answers the new jobs.
    pub async fn retry_build(
        &self,
        id: BuildId,
        toolchains: &[ToolchainName],
    ) -> Result<Vec<JobId>, QueueError> {
        let mut change = self.change().await?;
        let build = self.store.build_in(&mut change.tx, id).await?;
        let build = build.ok_or_else(|| QueueError::not_found("build", id))?;
        change.used_queue(&build.queue).await?;
        self.store.lock_build(&mut change.tx, id).await?;
        let jobs = self.store.jobs_of_in(&mut change.tx, id).await?;
        if jobs.is_empty() {
            return Err(QueueError::not_found("build", id));
        }
        let newest = || jobs.iter().filter(|row| !row.retried);
        if let Some(unknown) = toolchains
            .iter()
            .find(|name| !newest().any(|row| row.job.toolchain.as_ref() == Some(*name)))
        {
            return Err(QueueError::Invalid(format!("the build has no job for {unknown}")));
        }
        let wanted: Vec<_> = newest()
            .filter(|row| match &row.job.toolchain {
                Some(name) if !toolchains.is_empty() => toolchains.contains(name),
                _ => failed(&row.state),
            })
            .collect();
        if wanted.is_empty() {
            let sentence = "nothing to retry: no job of this build has failed; name toolchains to \
                            run them again";
            return Err(QueueError::Conflict(sentence.to_owned()));
        }
        let mut new = Vec::new();
        for row in wanted {
            new.push(self.again(&mut change, row).await?);
        }
        change.settle(id).await?;
        change.commit().await?;
        Ok(new)
    }

    async fn again(&self, change: &mut Change<'_>, row: &JobRow) -> Result<JobId, QueueError> {
        let id = row.job.id;
        if row.state.name() != StateName::Finished {
            let sentence = format!(
                "job {id} is {}: only a finished job can be retried",
                row.state.name().as_str()
            );
            return Err(QueueError::Conflict(sentence));
        }
        if row.retried {
            return Err(QueueError::Conflict(format!("job {id} was retried already")));
        }
        let build = self.store.build_in(&mut change.tx, row.job.build).await?;
        if let Some(at) = build.and_then(|build| build.upload_expired_at) {
            return Err(QueueError::Conflict(format!(
                "the tree that was uploaded for this build was given up at {at} by the retention rules: \
                 send it again with kiln build"
            )));
        }
        if row.job.kind == JobKind::Plan && !failed(&row.state) {
            return Err(QueueError::Conflict("the plan succeeded: retry its jobs".to_owned()));
        }
        let job = NewJob {
            id: JobId::new(change.now),
            retry_of: Some(id),
            created_at: change.now,
            ..row.job.clone()
        };
        change.insert_job(&job).await?;
        self.store.mark_retried(&mut change.tx, id).await?;
        self.store.forget_expiry(&mut change.tx, row.job.build).await?;
        Ok(job.id)
    }
}

fn failed(state: &JobState) -> bool {
    matches!(state, JobState::Finished(finished) if finished.verdict != Verdict::Success)
}
