//! What an agent says of its attempt: that it still has it, what it runs in, and how it ended.

use tokio::time::{Duration, Instant, timeout_at};

use super::{Queue, QueueError, claim::millis};
use crate::{
    meters,
    model::{
        AgentId, Cause, JobId, JobState, Outcome, Running, StateName, TransitionError, Verdict,
    },
    protocol::{FinishReport, JobKind, RenewAnswer, RenewRequest, SandboxView},
    store::{AttemptEnd, JobRow},
};

impl Queue {
    /// Extends an attempt's lease, then waits for a cancel request as long as the agent asked.
    pub async fn renew(
        &self,
        agent: AgentId,
        job: JobId,
        attempt: u32,
        request: &RenewRequest,
    ) -> Result<RenewAnswer, QueueError> {
        let mut changes = self.changes();
        let wait = Duration::from_millis(request.wait_ms).min(self.settings.longest_wait);
        let began = Instant::now();
        let deadline = began + wait;
        let mut change = self.change().await?;
        let row = change.job_alone(job).await?;
        let lease = self.settings.lease;
        let running = row.state.renew((attempt, agent), change.now, lease)?;
        let mut cancel = running.cancel.is_some();
        let state = JobState::Running(running);
        // A renewal is no news to anybody: no event, and nobody is woken.
        self.store.set_job_state(&mut change.tx, job, &state).await?;
        self.store.touch_agent(&mut change.tx, agent, change.now).await?;
        change.tx.commit().await?;
        while !cancel && Instant::now() < deadline {
            let _ = timeout_at(deadline, changes.changed()).await;
            let row = self.store.job(job).await?;
            let row = row.ok_or_else(|| QueueError::not_found("job", job))?;
            cancel = Self::running(&row, agent, attempt)?;
        }
        // Counted from the renewal, which is as long ago as this call has waited.
        Ok(RenewAnswer { lease_ms: millis(lease.saturating_sub(began.elapsed())), cancel })
    }

    /// Whether the job is to be cancelled; an error unless this attempt has it.
    fn running(row: &JobRow, agent: AgentId, attempt: u32) -> Result<bool, QueueError> {
        let fence = (attempt, agent);
        Ok(row.state.clone().renew(fence, row.job.created_at, Duration::ZERO)?.cancel.is_some())
    }

    /// Checks that this attempt has the job now; its limits are answered.
    pub async fn check_attempt(
        &self,
        agent: AgentId,
        job: JobId,
        attempt: u32,
    ) -> Result<JobRow, QueueError> {
        let row = self.store.job(job).await?;
        let row = row.ok_or_else(|| QueueError::not_found("job", job))?;
        Self::running(&row, agent, attempt)?;
        Ok(row)
    }

    /// Writes what the attempt runs in.
    pub async fn start(
        &self,
        agent: AgentId,
        job: JobId,
        attempt: u32,
        sandbox: &SandboxView,
    ) -> Result<(), QueueError> {
        let mut change = self.change().await?;
        let row = change.job_alone(job).await?;
        Self::running(&row, agent, attempt)?;
        self.store.set_attempt_sandbox(&mut change.tx, job, attempt, sandbox).await?;
        change.commit().await
    }

    /// Ends an attempt. Answers `LogIncomplete` until the log is whole, and the same as before if
    /// the agent says it again because the answer was lost.
    pub async fn finish(
        &self,
        agent: AgentId,
        job: JobId,
        attempt: u32,
        report: FinishReport,
    ) -> Result<(), QueueError> {
        let mut change = self.change().await?;
        let row = change.job(job).await?;
        let stored = self.store.attempt_in(&mut change.tx, job, attempt).await?;
        let stored = stored.ok_or(TransitionError::Fenced { given: attempt, current: 0 })?;
        // What lapsed was not ended by its agent: that one comes too late.
        let ended = stored.end.is_some_and(|(_, end)| end != Verdict::Failed(Cause::AgentLost));
        if stored.agent == agent && ended && Self::said_before(&row, attempt) {
            return Ok(());
        }
        Self::running(&row, agent, attempt)?;
        if stored.log_end != report.log_end {
            return Err(QueueError::LogIncomplete { job, have: stored.log_end });
        }
        let (verdict, message) = self.accept_plan(&mut change, &row, &report).await?;
        let end = AttemptEnd {
            at: change.now,
            verdict,
            message: &message,
            usage: Some(&report.usage),
            diagnostics: report.diagnostics.as_ref(),
            artifacts: report.artifacts.as_ref(),
        };
        self.store.end_attempt(&mut change.tx, job, attempt, &end).await?;
        let state =
            row.state.clone().finish((attempt, agent), verdict, message.clone(), change.now)?;
        let took = change.now.since(stored.started_at);
        change.put_state(&row, &state).await?;
        change.commit().await?;
        let how = (verdict.outcome(), verdict.cause());
        // As the agent measured it; of what failed before there was a sandbox, nothing.
        let prepared = Duration::from_millis(report.usage.sandbox_millis);
        if row.job.toolchain.is_some()
            && (!prepared.is_zero() || verdict.outcome() == Outcome::Success)
        {
            meters::prepared(prepared);
        }
        meters::ended(row.job.toolchain.as_ref(), how, took);
        tracing::info!(
            job.id = %job, job.attempt = attempt, job.outcome = %verdict.outcome(),
            job.cause = verdict.cause().map(Cause::as_str), "attempt finished: {message}"
        );
        Ok(())
    }

    /// Whether this attempt was the one that ended the job (or sent it back to the queue): then its
    /// finish has landed before and is not an error.
    fn said_before(row: &JobRow, attempt: u32) -> bool {
        row.state.name() != StateName::Running && super::change::attempts(&row.state) == attempt
    }

    /// A plan's success makes the legs; what makes that impossible becomes its verdict.
    async fn accept_plan(
        &self,
        change: &mut super::change::Change<'_>,
        row: &JobRow,
        report: &FinishReport,
    ) -> Result<(Verdict, String), QueueError> {
        let message: String = report.message.chars().filter(|c| *c != '\0').take(4096).collect();
        match (row.job.kind, report.verdict, &report.plan) {
            (JobKind::Plan, Verdict::Success, Some(plan)) => {
                if let JobState::Running(Running { cancel: Some(reason), .. }) = &row.state {
                    return Ok((Verdict::Failed(reason.cause()), reason.message().to_owned()));
                }
                match self.make_legs(change, row, plan).await? {
                    Ok(()) => Ok((Verdict::Success, message)),
                    Err(sentence) => Ok((Verdict::Failed(Cause::RecipeInvalid), sentence)),
                }
            }
            (JobKind::Plan, Verdict::Success, None) => Err(QueueError::Invalid(
                "a plan's success needs what the plan found out".to_owned(),
            )),
            (JobKind::Leg, _, Some(_)) => {
                Err(QueueError::Invalid("only a plan reports a plan".to_owned()))
            }
            (_, verdict, _) => Ok((verdict, message)),
        }
    }
}
