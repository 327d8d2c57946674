//! Appending: frames of the attempt that runs, in order, each once.
//!
//! Beyond the job's bound the head stays and a ring of the newest frames follows it; what falls out
//! between is a gap. Steps are read off the log's marks on the way, in the same transaction.

use super::{LogError, Logs};
use crate::{
    meters,
    model::{AgentId, Frame, FrameKind, JobId},
    protocol::{LogEnd, StepView},
    store::{AttemptRow, Notice, Tx},
};

/// Steps that are noted of one attempt: a recipe has at most 64, and the marks could be forged.
const MAX_STEPS: usize = 64;

impl Logs {
    /// Appends frames; those that are there already are passed over. Answers how far the log
    /// reaches now.
    pub async fn append(
        &self,
        agent: AgentId,
        job: JobId,
        attempt: u32,
        frames: Vec<Frame>,
    ) -> Result<LogEnd, LogError> {
        let mut tx = self.store.begin().await?;
        let row = self.store.job_in(&mut tx, job).await?;
        let row = row.ok_or_else(|| LogError::NotFound(format!("job {job}")))?;
        // Only asks whether the attempt has the job: the renewed state is not written.
        row.state.renew((attempt, agent), self.clock.now(), std::time::Duration::ZERO)?;
        let stored = self.store.attempt_in(&mut tx, job, attempt).await?;
        let mut stored =
            stored.ok_or_else(|| LogError::NotFound(format!("attempt {attempt} of job {job}")))?;
        let before = stored.log_end;
        let new: Vec<Frame> = frames.into_iter().filter(|frame| frame.seq >= before.seq).collect();
        let bound = row.job.limits.log_bytes;
        for frame in &new {
            self.append_one(&mut tx, &mut stored, frame, bound).await?;
        }
        if stored.log_end == before {
            return Ok(before);
        }
        self.store.set_attempt_log(&mut tx, &stored).await?;
        self.store.notify(&mut tx, Notice::Log(job)).await?;
        tx.commit().await?;
        meters::logged(stored.log_end.offset.saturating_sub(before.offset));
        self.hub.append(job, attempt, &new);
        Ok(stored.log_end)
    }

    async fn append_one(
        &self,
        tx: &mut Tx,
        stored: &mut AttemptRow,
        frame: &Frame,
        bound: u64,
    ) -> Result<(), LogError> {
        let end = stored.log_end;
        if frame.seq != end.seq {
            return Err(LogError::Gap(end));
        }
        if frame.offset != end.offset {
            return Err(LogError::Invalid(format!(
                "frame {} says it begins at byte {}, but the log reaches to {}",
                frame.seq, frame.offset, end.offset
            )));
        }
        let length = frame.data().len() as u64;
        let half = bound / 2;
        // Once something went to the tail all does, or the head would have a hole in it.
        let in_tail = end.offset > stored.log_head || stored.log_head + length > half;
        self.store.insert_frame(tx, stored.job, stored.number, frame, in_tail).await?;
        if in_tail {
            stored.log_tail += length;
            while stored.log_tail > half {
                let dropped = self
                    .store
                    .drop_tail_frame_before(tx, stored.job, stored.number, frame.seq)
                    .await?;
                let Some(dropped) = dropped else { break };
                stored.log_tail = stored.log_tail.saturating_sub(dropped);
            }
        } else {
            stored.log_head += length;
        }
        note_step(&mut stored.steps, frame);
        stored.log_end = LogEnd { seq: frame.seq + 1, offset: frame.end() };
        Ok(())
    }
}

fn note_step(steps: &mut Vec<StepView>, frame: &Frame) {
    match &frame.kind {
        FrameKind::StepStart { name, kind, run } if steps.len() < MAX_STEPS => {
            steps.push(StepView {
                name: name.clone(),
                kind: *kind,
                run: run.clone(),
                started_at: frame.at,
                finished_at: None,
                exit_code: None,
            });
        }
        FrameKind::StepEnd { exit_code } => {
            let step = frame.step.and_then(|step| steps.get_mut(usize::from(step)));
            if let Some(step) = step {
                step.finished_at = Some(frame.at);
                step.exit_code = Some(*exit_code);
            }
        }
        _ => {}
    }
}
