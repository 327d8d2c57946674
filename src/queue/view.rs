//! Builds and jobs as the API shows them, put together from rows.

use std::collections::HashMap;

use super::{
    Queue, QueueError,
    change::attempts,
    waiting::{MOST_BEFORE, Waiting},
};
use crate::{
    model::{
        BuildId, JobId, JobState, ProjectId, ProjectName, Revision, Scope, StateName, Verdict,
    },
    protocol::{
        AttemptView, Build, BuildFilter, CommitArtifacts, CommitJob, CommitView, Job, JobKind,
        JobSummary, Page, page_limit,
    },
    store::{AttemptRow, BuildRow, JobRow, Tx},
};

impl Queue {
    /// A build with its plan and jobs.
    pub async fn build(&self, id: BuildId) -> Result<Option<Build>, QueueError> {
        // Read at one moment, or a build could have jobs and still be planning.
        let mut tx = self.store.snapshot().await?;
        let Some(row) = self.store.build_in(&mut tx, id).await? else { return Ok(None) };
        Ok(self.build_views(&mut tx, vec![row]).await?.pop())
    }

    /// A page of builds.
    pub async fn builds(
        &self,
        scope: &Scope,
        filter: &BuildFilter,
    ) -> Result<Page<Build>, QueueError> {
        let limit = page_limit(filter.limit).map_err(QueueError::Invalid)?;
        let before = match filter.cursor.as_deref().map(str::parse::<BuildId>) {
            None => None,
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => {
                let sentence = "cursor: pass what the previous page gave as `next`";
                return Err(QueueError::Invalid(sentence.to_owned()));
            }
        };
        let project = match &filter.project {
            None => None,
            Some(name) => match self.store.project_named(name).await? {
                Some(row) if scope.has(Some(row.id)) => Some(row.id),
                _ => return Err(QueueError::not_found("project", name)),
            },
        };
        // One more than asked for tells whether there is a next page.
        let mut tx = self.store.snapshot().await?;
        let mut rows =
            self.store.builds(&mut tx, (scope, project), filter, (before, limit + 1)).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(|row| row.id.to_string());
        let items = self.build_views(&mut tx, rows).await?;
        Ok(Page { items, next })
    }

    /// A job with its attempts.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, QueueError> {
        let Some(row) = self.store.job(id).await? else { return Ok(None) };
        let build = self.store.build(row.job.build).await?;
        let build = build.ok_or_else(|| QueueError::not_found("build", row.job.build))?;
        let mut tx = self.store.snapshot().await?;
        let mut waiting = self.waiting(&mut tx, std::slice::from_ref(&row)).await?;
        if row.state.name() == StateName::Queued {
            waiting.before = self.store.waiting_before(&mut tx, &row, MOST_BEFORE).await?;
        }
        drop(tx);
        let attempts = self.store.attempts_of(id).await?;
        Ok(Some(Job {
            build: build.id,
            commit: build.commit,
            limits: row.job.limits.clone(),
            summary: summary(&row, attempts.last(), &waiting),
            attempts: attempts.into_iter().map(attempt_view).collect(),
        }))
    }

    /// What there is for a revision.
    pub async fn commit_artifacts(
        &self,
        scope: &Scope,
        commit: &Revision,
    ) -> Result<CommitArtifacts, QueueError> {
        let mut jobs = Vec::new();
        for row in self.store.successful_jobs_of(commit).await? {
            if !scope.has(row.job.owner.project) {
                continue;
            }
            let attempts = self.store.attempts_of(row.job.id).await?;
            let (JobState::Finished(finished), Some(toolchain), Some(artifacts)) = (
                &row.state,
                row.job.toolchain,
                attempts
                    .into_iter()
                    .next_back()
                    .filter(|attempt| attempt.artifacts_expired_at.is_none())
                    .and_then(|attempt| attempt.artifacts),
            ) else {
                continue;
            };
            jobs.push(CommitJob {
                job: row.job.id,
                build: row.job.build,
                toolchain,
                own_recipe: row.job.own_recipe,
                finished_at: finished.finished_at,
                artifacts,
            });
        }
        Ok(CommitArtifacts { commit: commit.clone(), jobs })
    }

    /// Builds with their jobs, in a few questions however many there are.
    async fn build_views(
        &self,
        tx: &mut Tx,
        rows: Vec<BuildRow>,
    ) -> Result<Vec<Build>, QueueError> {
        let ids: Vec<BuildId> = rows.iter().map(|row| row.id).collect();
        let mut names: HashMap<ProjectId, ProjectName> = HashMap::new();
        if rows.iter().any(|row| row.project.is_some()) {
            let projects = self.store.projects().await?;
            names.extend(projects.into_iter().map(|project| (project.id, project.name)));
        }
        let newest = self.store.newest_attempts_of_builds(tx, &ids).await?;
        let newest: HashMap<JobId, AttemptRow> =
            newest.into_iter().map(|attempt| (attempt.job, attempt)).collect();
        let all = self.store.jobs_of_builds(tx, &ids).await?;
        let waiting = self.waiting(tx, &all).await?;
        let mut jobs: HashMap<BuildId, Vec<JobRow>> = HashMap::new();
        for job in all {
            jobs.entry(job.job.build).or_default().push(job);
        }
        rows.into_iter()
            .map(|row| {
                let jobs = jobs.remove(&row.id).unwrap_or_default();
                let summary = |job: &JobRow| summary(job, newest.get(&job.job.id), &waiting);
                let project = row.project.and_then(|id| names.get(&id).cloned());
                build_view((row, project), &jobs, summary)
            })
            .collect()
    }
}

fn summary(row: &JobRow, newest: Option<&AttemptRow>, waiting: &Waiting) -> JobSummary {
    let verdict = match &row.state {
        JobState::Finished(finished) => Some(finished.verdict),
        _ => None,
    };
    JobSummary {
        id: row.job.id,
        kind: row.job.kind,
        toolchain: row.job.toolchain.clone(),
        variant: "default".to_owned(),
        retry_of: row.job.retry_of,
        retried: row.retried,
        state: row.state.name(),
        outcome: verdict.map(Verdict::outcome),
        cause: verdict.and_then(Verdict::cause),
        message: match &row.state {
            JobState::Finished(finished) => finished.message.clone(),
            JobState::Running(_) => String::new(),
            JobState::Queued(queued) => waiting.why(row, queued, newest),
        },
        cancel_requested: matches!(&row.state, JobState::Running(r) if r.cancel.is_some()),
        attempt: attempts(&row.state),
        step: newest.and_then(|attempt| attempt.steps.last()).map(|step| step.name.clone()),
        step_number: newest
            .and_then(|attempt| u32::try_from(attempt.steps.len()).ok())
            .filter(|number| *number > 0),
        step_count: newest
            .and_then(|attempt| attempt.sandbox.as_ref())
            .map(|sandbox| sandbox.step_count)
            .filter(|count| *count > 0),
        created_at: row.job.created_at,
        started_at: match &row.state {
            JobState::Queued(_) => None,
            JobState::Running(running) => Some(running.started_at),
            JobState::Finished(finished) => finished.started_at,
        },
        finished_at: match &row.state {
            JobState::Finished(finished) => Some(finished.finished_at),
            _ => None,
        },
    }
}

fn build_view(
    (row, project): (BuildRow, Option<ProjectName>),
    all: &[JobRow],
    summary: impl Fn(&JobRow) -> JobSummary,
) -> Result<Build, QueueError> {
    let mut plan = None;
    let mut jobs = Vec::new();
    for job in all {
        match job.job.kind {
            // Ids alone do not tell which is newer where two were made in one millisecond.
            JobKind::Plan if job.retried => {}
            JobKind::Plan => plan = Some(summary(job)),
            JobKind::Leg => jobs.push(summary(job)),
        }
    }
    Ok(Build {
        id: row.id,
        project,
        source: row.source,
        commit: row.commit,
        commit_info: row.commit_info.map(|info| CommitView {
            subject: info.subject().to_owned(),
            author: info.author,
            committed_at: info.committed_at,
        }),
        state: row.state,
        outcome: row.outcome,
        trigger: row.trigger,
        created_by: row.created_by,
        created_at: row.created_at,
        finished_at: row.finished_at,
        pinned: row.pinned,
        queue: row.queue,
        priority: row.priority,
        labels: row.labels,
        plan: plan.ok_or_else(|| QueueError::not_found("plan of build", row.id))?,
        jobs,
    })
}

fn attempt_view(row: AttemptRow) -> AttemptView {
    let verdict = row.end.map(|(_, verdict)| verdict);
    AttemptView {
        number: row.number,
        agent: row.agent,
        started_at: row.started_at,
        finished_at: row.end.map(|(at, _)| at),
        outcome: verdict.map(Verdict::outcome),
        cause: verdict.and_then(Verdict::cause),
        message: row.message,
        sandbox: row.sandbox,
        steps: row.steps,
        usage: row.usage,
        diagnostics: row.diagnostics,
        artifacts: row.artifacts,
        artifacts_expired_at: row.artifacts_expired_at,
        log_bytes: row.log_end.offset,
        log_expired_at: row.log_expired_at,
    }
}
