//! What the states of its jobs mean for a build. Pure, but for the row it writes.

use super::{QueueError, change::Change};
use crate::{
    model::{BuildId, JobState, Outcome, StateName, Verdict},
    protocol::{BuildState, EventKind, JobKind},
    store::JobRow,
};

impl Change<'_> {
    /// Writes the state of a build, which is locked, if it is no longer what its jobs say.
    pub(super) async fn settle(&mut self, id: BuildId) -> Result<(), QueueError> {
        let store = self.store().clone();
        let jobs = store.jobs_of_in(&mut self.tx, id).await?;
        let build = store.build_in(&mut self.tx, id).await?;
        let build = build.ok_or_else(|| QueueError::not_found("build", id))?;
        let (state, outcome) = state_of(&jobs);
        if (state, outcome) == (build.state, build.outcome) {
            return Ok(());
        }
        let finished_at = (state == BuildState::Finished).then_some(self.now);
        store.set_build_state(&mut self.tx, id, state, outcome, finished_at).await?;
        self.tell(EventKind::Build { build: id, state, outcome });
        Ok(())
    }
}

/// The state and outcome of a build from its jobs; what was retried no longer counts.
fn state_of(jobs: &[JobRow]) -> (BuildState, Option<Outcome>) {
    let newest = |kind| jobs.iter().filter(move |row| row.job.kind == kind && !row.retried);
    let verdict = |state: &JobState| match state {
        JobState::Finished(finished) => Some(finished.verdict),
        _ => None,
    };
    let plan = newest(JobKind::Plan).next_back().and_then(|plan| verdict(&plan.state));
    match plan {
        None => return (BuildState::Planning, None),
        Some(Verdict::Failed(cause)) => return (BuildState::Finished, Some(cause.outcome())),
        Some(Verdict::Success) => {}
    }
    let legs: Vec<_> = newest(JobKind::Leg).collect();
    let outcomes: Option<Vec<Outcome>> =
        legs.iter().map(|leg| verdict(&leg.state).map(Verdict::outcome)).collect();
    match outcomes {
        Some(outcomes) => (BuildState::Finished, Some(Outcome::of_build(outcomes))),
        None if legs.iter().all(|leg| leg.state.name() == StateName::Queued) => {
            (BuildState::Queued, None)
        }
        None => (BuildState::Running, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Cause, Finished, JobId, Limits, Queued, Recipe, Timestamp},
        store::NewJob,
    };

    fn row(kind: JobKind, retried: bool, end: Option<Verdict>) -> JobRow {
        let now = Timestamp::from_millis(0);
        let state = match end {
            None => JobState::Queued(Queued { attempts: 0, since: now, not_before: now }),
            Some(verdict) => JobState::Finished(Finished {
                attempts: 1,
                verdict,
                message: String::new(),
                started_at: None,
                finished_at: now,
            }),
        };
        let job = NewJob {
            id: JobId::new(now),
            build: BuildId::new(now),
            owner: crate::store::JobOwner {
                project: None,
                created_by: String::new(),
                share: String::new(),
            },
            kind,
            toolchain: None,
            leg: 0,
            recipe: Recipe::default(),
            limits: Limits::default(),
            own_recipe: false,
            retry_of: None,
            queue: "default".parse().unwrap(),
            priority: 0,
            created_at: now,
        };
        JobRow { job, retried, state }
    }

    #[test]
    fn a_builds_state_follows_from_its_jobs() {
        use BuildState::{Finished, Planning, Queued, Running};
        let ok = Some(Verdict::Success);
        let bad = Some(Verdict::Failed(Cause::Compile));
        let lost = Some(Verdict::Failed(Cause::SourceUnreachable));
        let plan = |end| row(JobKind::Plan, false, end);
        let leg = |end| row(JobKind::Leg, false, end);
        let retried = |end| row(JobKind::Leg, true, end);
        for (jobs, expected) in [
            (vec![plan(None)], (Planning, None)),
            (vec![plan(lost)], (Finished, Some(Outcome::Error))),
            (vec![row(JobKind::Plan, true, lost), plan(None)], (Planning, None)),
            (vec![plan(ok), leg(None), leg(None)], (Queued, None)),
            (vec![plan(ok), leg(ok), leg(None)], (Running, None)),
            (vec![plan(ok), leg(ok), leg(bad)], (Finished, Some(Outcome::Failure))),
            (vec![plan(ok), leg(ok), retried(bad), leg(None)], (Running, None)),
            (vec![plan(ok), retried(bad), leg(ok)], (Finished, Some(Outcome::Success))),
        ] {
            assert_eq!(state_of(&jobs), expected, "{jobs:?}");
        }
    }
}
