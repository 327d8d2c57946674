//! What became of a project's builds over time, in figures.

use std::collections::HashMap;

use super::{Queue, QueueError};
use crate::{
    model::{BuildId, JobId, JobState, ProjectName, Scope},
    protocol::{
        BuildFilter, BuildState, HistoryQuery, HistoryView, JobKind, PastBuild, PastJob, page_limit,
    },
    store::{AttemptRow, JobRow},
};

impl Queue {
    /// The newest finished builds of a project, the oldest of them first.
    pub async fn history(
        &self,
        project: &ProjectName,
        query: &HistoryQuery,
    ) -> Result<HistoryView, QueueError> {
        let limit = page_limit(query.limit).map_err(QueueError::Invalid)?;
        let row = self.store.project_named(project).await?;
        let row = row.ok_or_else(|| QueueError::not_found("project", project))?;
        let filter = BuildFilter {
            branch: query.branch.clone(),
            state: Some(BuildState::Finished),
            ..BuildFilter::default()
        };
        let mut tx = self.store.snapshot().await?;
        let of = (&Scope::All, Some(row.id));
        let mut rows = self.store.builds(&mut tx, of, &filter, (None, limit)).await?;
        rows.reverse();
        let ids: Vec<BuildId> = rows.iter().map(|row| row.id).collect();
        let newest = self.store.newest_attempts_of_builds(&mut tx, &ids).await?;
        let newest: HashMap<JobId, AttemptRow> =
            newest.into_iter().map(|attempt| (attempt.job, attempt)).collect();
        let mut jobs: HashMap<BuildId, Vec<PastJob>> = HashMap::new();
        for job in self.store.jobs_of_builds(&mut tx, &ids).await? {
            if let Some(past) = past(&job, newest.get(&job.job.id)) {
                jobs.entry(job.job.build).or_default().push(past);
            }
        }
        let builds = rows.into_iter().map(|row| PastBuild {
            build: row.id,
            subject: row.commit_info.map(|info| info.subject().to_owned()),
            commit: row.commit,
            created_at: row.created_at,
            outcome: row.outcome,
            jobs: jobs.remove(&row.id).unwrap_or_default(),
        });
        Ok(HistoryView { builds: builds.collect() })
    }
}

/// A job's figures, if it counts for its build.
fn past(row: &JobRow, newest: Option<&AttemptRow>) -> Option<PastJob> {
    let JobState::Finished(finished) = &row.state else { return None };
    let toolchain = row.job.toolchain.clone()?;
    if row.retried || row.job.kind != JobKind::Leg {
        return None;
    }
    let counted = newest.and_then(|attempt| attempt.diagnostics.as_ref());
    let kept = newest.and_then(|attempt| attempt.artifacts.as_ref());
    Some(PastJob {
        job: row.job.id,
        toolchain,
        variant: "default".to_owned(),
        outcome: finished.verdict.outcome(),
        cause: finished.verdict.cause(),
        run_millis: newest
            .and_then(|attempt| attempt.usage.as_ref())
            .map(|usage| usage.run_millis)
            .filter(|millis| *millis > 0),
        errors: counted.map(|counted| counted.errors),
        warnings: counted.map(|counted| counted.warnings),
        artifact_bytes: kept.map(|kept| kept.bytes),
        archive_bytes: kept.map(|kept| kept.archive_bytes),
    })
}
