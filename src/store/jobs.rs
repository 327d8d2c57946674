//! Jobs and their state. The state's columns are written only here, from a `JobState`.

use std::collections::BTreeSet;

use sqlx::FromRow;

use super::{
    Lane, Store, StoreError, Tx,
    error::{column, int, json, to_json},
    sql::{dialects, sql},
};
use crate::{
    model::{
        AgentId, Attempt, BuildId, CancelReason, Cause, ClaimId, CommitId, Finished, JobId,
        JobState, Label, Limits, Outcome, ProjectId, QueueName, Queued, Recipe, Revision, Running,
        Timestamp, ToolchainName, Verdict,
    },
    protocol::{BuildSource, JobKind},
};

/// A job that is to be written.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// Its build.
    pub build: BuildId,
    /// Whose it is, as in its build.
    pub owner: JobOwner,
    /// What it does.
    pub kind: JobKind,
    /// Its toolchain; a plan has none.
    pub toolchain: Option<ToolchainName>,
    /// Its place among the legs.
    pub leg: u32,
    /// The recipe: a plan's is what the submission said.
    pub recipe: Recipe,
    /// Its bounds.
    pub limits: Limits,
    /// Whether the recipe is the repository's own.
    pub own_recipe: bool,
    /// The job it tries again.
    pub retry_of: Option<JobId>,
    /// The queue.
    pub queue: QueueName,
    /// The priority.
    pub priority: i32,
    /// When it was made.
    pub created_at: Timestamp,
}

impl NewJob {
    /// The labels that an agent must have to take it, sorted.
    pub fn requires(&self) -> BTreeSet<&Label> {
        self.recipe.requires.iter().collect()
    }

    /// The lane in which it waits.
    pub fn lane(&self) -> Lane {
        Lane {
            kind: self.kind,
            queue: self.queue.clone(),
            share: self.owner.share.clone(),
            created_by: self.owner.created_by.clone(),
            priority: self.priority,
        }
    }

    /// The memory that an agent must have to take it: nothing for one that asks for no more than
    /// usual, which any machine tries.
    pub fn memory_bytes(&self) -> u64 {
        let memory = self.limits.container_memory(0);
        if memory > Limits::default().container_memory(0) { memory } else { 0 }
    }
}

/// Whose a job is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobOwner {
    /// The project of its build.
    pub project: Option<ProjectId>,
    /// Who asked for it.
    pub created_by: String,
    /// Whose share of the farm it takes: its project's, else its repository's, else its sender's.
    pub share: String,
}

impl JobOwner {
    /// What the jobs of a build have.
    pub fn of(project: Option<ProjectId>, source: &BuildSource, created_by: &str) -> Self {
        let share = match (project, source) {
            (Some(project), _) => project.to_string(),
            (None, BuildSource::Git(git)) => format!("url:{}", git.url),
            (None, BuildSource::Upload(_)) => created_by.to_owned(),
        };
        Self { project, created_by: created_by.to_owned(), share }
    }
}

/// A job as it is stored.
#[derive(Clone, Debug)]
pub struct JobRow {
    /// What does not change.
    pub job: NewJob,
    /// Whether a later job tries it again.
    pub retried: bool,
    /// Its state.
    pub state: JobState,
}

#[derive(FromRow)]
pub(super) struct Flat {
    id: String,
    build_id: String,
    project_id: Option<String>,
    created_by: String,
    share: String,
    kind: String,
    toolchain: Option<String>,
    leg: i64,
    recipe: String,
    limits: String,
    own_recipe: bool,
    retry_of: Option<String>,
    retried: bool,
    queue: String,
    priority: i64,
    created_at: i64,
    state: String,
    attempts: i64,
    queued_since: Option<i64>,
    not_before: Option<i64>,
    agent_id: Option<String>,
    claim_id: Option<String>,
    started_at: Option<i64>,
    lease_until: Option<i64>,
    cancel_reason: Option<String>,
    outcome: Option<String>,
    cause: Option<String>,
    message: String,
    finished_at: Option<i64>,
}

pub(super) const TABLE: &str = "jobs";

impl Flat {
    fn state(&self) -> Result<JobState, StoreError> {
        let bad = |problem: &str| StoreError::inconsistent(TABLE, &self.id, problem);
        let time = |value: Option<i64>, name: &str| {
            value.map(Timestamp::from_millis).ok_or_else(|| bad(name))
        };
        let attempts = u32::try_from(self.attempts).map_err(|_| bad("attempts"))?;
        match self.state.as_str() {
            "queued" => Ok(JobState::Queued(Queued {
                attempts,
                since: time(self.queued_since, "queued without queued_since")?,
                not_before: time(self.not_before, "queued without not_before")?,
            })),
            "running" => {
                let agent = self.agent_id.as_deref().ok_or_else(|| bad("no agent_id"))?;
                let claim = self.claim_id.as_deref().ok_or_else(|| bad("no claim_id"))?;
                Ok(JobState::Running(Running {
                    attempt: Attempt {
                        number: attempts,
                        agent: column::<AgentId>(TABLE, &self.id, agent)?,
                        claim: column::<ClaimId>(TABLE, &self.id, claim)?,
                    },
                    started_at: time(self.started_at, "running without started_at")?,
                    lease_until: time(self.lease_until, "running without lease_until")?,
                    cancel: match self.cancel_reason.as_deref() {
                        None => None,
                        Some("requested") => Some(CancelReason::Requested),
                        Some("superseded") => Some(CancelReason::Superseded),
                        Some(_) => return Err(bad("unknown cancel_reason")),
                    },
                }))
            }
            "finished" => Ok(JobState::Finished(Finished {
                attempts,
                verdict: verdict(self.outcome.as_deref(), self.cause.as_deref())
                    .ok_or_else(|| bad("outcome and cause do not agree"))?,
                message: self.message.clone(),
                started_at: self.started_at.map(Timestamp::from_millis),
                finished_at: time(self.finished_at, "finished without finished_at")?,
            })),
            _ => Err(bad("unknown state")),
        }
    }
}

/// The verdict that an outcome and a cause say together, if they agree.
pub(super) fn verdict(outcome: Option<&str>, cause: Option<&str>) -> Option<Verdict> {
    match (Outcome::from_name(outcome?)?, cause) {
        (Outcome::Success, None) => Some(Verdict::Success),
        (outcome, Some(cause)) => {
            let cause = Cause::from_name(cause)?;
            (cause.outcome() == outcome).then_some(Verdict::Failed(cause))
        }
        _ => None,
    }
}

impl TryFrom<Flat> for JobRow {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        let state = flat.state()?;
        let id = flat.id.as_str();
        let bad = |problem: &str| StoreError::inconsistent(TABLE, id, problem);
        let toolchain =
            flat.toolchain.as_deref().map(|text| column(TABLE, id, text)).transpose()?;
        let job = NewJob {
            id: column(TABLE, id, id)?,
            build: column(TABLE, id, &flat.build_id)?,
            owner: JobOwner {
                project: flat
                    .project_id
                    .as_deref()
                    .map(|text| column(TABLE, id, text))
                    .transpose()?,
                created_by: flat.created_by,
                share: flat.share,
            },
            kind: JobKind::from_name(&flat.kind).ok_or_else(|| bad("unknown kind"))?,
            toolchain,
            leg: u32::try_from(flat.leg).map_err(|_| bad("leg"))?,
            recipe: json(TABLE, id, &flat.recipe)?,
            limits: json(TABLE, id, &flat.limits)?,
            own_recipe: flat.own_recipe,
            retry_of: flat.retry_of.as_deref().map(|text| column(TABLE, id, text)).transpose()?,
            queue: column(TABLE, id, &flat.queue)?,
            priority: i32::try_from(flat.priority).map_err(|_| bad("priority"))?,
            created_at: Timestamp::from_millis(flat.created_at),
        };
        Ok(Self { job, retried: flat.retried, state })
    }
}

/// The columns of a state, in the order of `UPDATE_STATE`.
struct StateColumns<'a> {
    state: &'static str,
    attempts: u32,
    queued_since: Option<Timestamp>,
    not_before: Option<Timestamp>,
    agent: Option<String>,
    claim: Option<String>,
    started_at: Option<Timestamp>,
    lease_until: Option<Timestamp>,
    cancel_reason: Option<&'static str>,
    outcome: Option<&'static str>,
    cause: Option<&'static str>,
    message: &'a str,
    finished_at: Option<Timestamp>,
}

impl<'a> StateColumns<'a> {
    fn of(state: &'a JobState) -> Self {
        let empty = Self {
            state: state.name().as_str(),
            attempts: 0,
            queued_since: None,
            not_before: None,
            agent: None,
            claim: None,
            started_at: None,
            lease_until: None,
            cancel_reason: None,
            outcome: None,
            cause: None,
            message: "",
            finished_at: None,
        };
        match state {
            JobState::Queued(queued) => Self {
                attempts: queued.attempts,
                queued_since: Some(queued.since),
                not_before: Some(queued.not_before),
                ..empty
            },
            JobState::Running(running) => Self {
                attempts: running.attempt.number,
                agent: Some(running.attempt.agent.to_string()),
                claim: Some(running.attempt.claim.to_string()),
                started_at: Some(running.started_at),
                lease_until: Some(running.lease_until),
                cancel_reason: running.cancel.map(|reason| match reason {
                    CancelReason::Requested => "requested",
                    CancelReason::Superseded => "superseded",
                }),
                ..empty
            },
            JobState::Finished(finished) => Self {
                attempts: finished.attempts,
                started_at: finished.started_at,
                outcome: Some(finished.verdict.outcome().as_str()),
                cause: finished.verdict.cause().map(Cause::as_str),
                message: &finished.message,
                finished_at: Some(finished.finished_at),
                ..empty
            },
        }
    }
}

impl Store {
    /// Writes a new job with its state.
    pub async fn insert_job(&self, tx: &mut Tx, job: &NewJob) -> Result<(), StoreError> {
        sql("INSERT INTO jobs (id, build_id, kind, toolchain, variant, leg, recipe, limits, \
             own_recipe, retry_of, retried, queue, priority, created_at, state, attempts, message, \
             requires, memory_bytes, project_id, created_by, share) \
             VALUES ($1, $2, $3, $4, 'default', $5, $6, $7, $8, $9, FALSE, $10, $11, $12, \
             'queued', 0, '', $13, $14, $15, $16, $17)")
        .bind(job.id.to_string())
        .bind(job.build.to_string())
        .bind(job.kind.as_str())
        .bind(job.toolchain.as_ref().map(ToolchainName::as_str))
        .bind(i64::from(job.leg))
        .bind(to_json(&job.recipe))
        .bind(to_json(&job.limits))
        .bind(job.own_recipe)
        .bind(job.retry_of.map(|id| id.to_string()))
        .bind(job.queue.as_str())
        .bind(i64::from(job.priority))
        .bind(job.created_at.as_millis())
        .bind(to_json(&job.requires()))
        .bind(int(job.memory_bytes()))
        .bind(job.owner.project.map(|id| id.to_string()))
        .bind(&job.owner.created_by)
        .bind(&job.owner.share)
        .execute(&mut *tx)
        .await?;
        self.set_job_state(tx, job.id, &JobState::new(job.created_at)).await
    }

    /// Writes the state a job is in now.
    pub async fn set_job_state(
        &self,
        tx: &mut Tx,
        id: JobId,
        state: &JobState,
    ) -> Result<(), StoreError> {
        let columns = StateColumns::of(state);
        sql("UPDATE jobs SET state = $2, attempts = $3, queued_since = $4, not_before = $5, \
             agent_id = $6, claim_id = $7, started_at = $8, lease_until = $9, \
             cancel_reason = $10, outcome = $11, cause = $12, message = $13, finished_at = $14 \
             WHERE id = $1")
        .bind(id.to_string())
        .bind(columns.state)
        .bind(i64::from(columns.attempts))
        .bind(columns.queued_since.map(Timestamp::as_millis))
        .bind(columns.not_before.map(Timestamp::as_millis))
        .bind(columns.agent)
        .bind(columns.claim)
        .bind(columns.started_at.map(Timestamp::as_millis))
        .bind(columns.lease_until.map(Timestamp::as_millis))
        .bind(columns.cancel_reason)
        .bind(columns.outcome)
        .bind(columns.cause)
        .bind(columns.message)
        .bind(columns.finished_at.map(Timestamp::as_millis))
        .execute(&mut *tx)
        .await?;
        Ok(())
    }

    /// Notes that a later job tries this one again.
    pub async fn mark_retried(&self, tx: &mut Tx, id: JobId) -> Result<(), StoreError> {
        sql("UPDATE jobs SET retried = TRUE WHERE id = $1")
            .bind(id.to_string())
            .execute(&mut *tx)
            .await?;
        Ok(())
    }

    /// The job with this id.
    pub async fn job(&self, id: JobId) -> Result<Option<JobRow>, StoreError> {
        let query = sql("SELECT * FROM jobs WHERE id = $1");
        let flat = query.bind(id.to_string()).fetch_optional::<Flat>(self).await?;
        flat.map(JobRow::try_from).transpose()
    }

    /// Locks the build of a job: to be done before the job itself is locked to be changed.
    pub async fn lock_build_of(&self, tx: &mut Tx, id: JobId) -> Result<(), StoreError> {
        sql(
            "SELECT id FROM builds WHERE id = (SELECT build_id FROM jobs WHERE id = $1) FOR UPDATE",
        )
        .bind(id.to_string())
        .fetch_value::<String>(tx)
        .await?;
        Ok(())
    }

    /// The job with this id, locked: nothing of it changes until the transaction ends.
    pub async fn job_in(&self, tx: &mut Tx, id: JobId) -> Result<Option<JobRow>, StoreError> {
        let query = sql("SELECT * FROM jobs WHERE id = $1 FOR UPDATE");
        let flat = query.bind(id.to_string()).fetch_optional::<Flat>(&mut *tx).await?;
        flat.map(JobRow::try_from).transpose()
    }

    /// The jobs of several builds, as the transaction sees them, in the order of `jobs_of_in`.
    pub async fn jobs_of_builds(
        &self,
        tx: &mut Tx,
        builds: &[BuildId],
    ) -> Result<Vec<JobRow>, StoreError> {
        let query = dialects(
            "SELECT * FROM jobs WHERE build_id IN (SELECT value FROM json_each($1)) \
             ORDER BY build_id, kind = 'leg', leg, id",
            "SELECT * FROM jobs WHERE build_id IN \
             (SELECT jsonb_array_elements_text(CAST($1 AS JSONB))) \
             ORDER BY build_id, kind = 'leg', leg, id",
        );
        let rows = query.bind(to_json(builds)).fetch_all::<Flat>(tx).await?;
        rows.into_iter().map(JobRow::try_from).collect()
    }

    /// The jobs of a build, as the transaction sees them: the plan first, then by leg, retries after
    /// what they retry.
    pub async fn jobs_of_in(&self, tx: &mut Tx, build: BuildId) -> Result<Vec<JobRow>, StoreError> {
        let query = sql("SELECT * FROM jobs WHERE build_id = $1 ORDER BY kind = 'leg', leg, id");
        let rows = query.bind(build.to_string()).fetch_all::<Flat>(&mut *tx).await?;
        rows.into_iter().map(JobRow::try_from).collect()
    }

    /// The jobs of a build, which is locked, locked too.
    pub async fn lock_jobs_of(
        &self,
        tx: &mut Tx,
        build: BuildId,
    ) -> Result<Vec<JobRow>, StoreError> {
        let query = sql("SELECT * FROM jobs WHERE build_id = $1 ORDER BY id FOR UPDATE");
        let rows = query.bind(build.to_string()).fetch_all::<Flat>(tx).await?;
        rows.into_iter().map(JobRow::try_from).collect()
    }

    /// The jobs an agent has now.
    pub async fn jobs_of_agent(&self, agent: AgentId) -> Result<Vec<JobId>, StoreError> {
        let query =
            sql("SELECT id FROM jobs WHERE agent_id = $1 AND state = 'running' ORDER BY id");
        let ids = query.bind(agent.to_string()).fetch_column::<String>(self).await?;
        ids.iter().map(|id| column(TABLE, id, id)).collect()
    }

    /// Jobs that have waited since before `since`.
    pub async fn jobs_queued_since(&self, since: Timestamp) -> Result<Vec<JobId>, StoreError> {
        let ids = sql("SELECT id FROM jobs WHERE state = 'queued' AND queued_since <= $1 \
             ORDER BY id LIMIT 1000")
        .bind(since.as_millis())
        .fetch_column::<String>(self)
        .await?;
        ids.iter().map(|id| column(TABLE, id, id)).collect()
    }

    /// The newest job of a project for a commit and toolchain; without one, its newest plan.
    pub async fn newest_job(
        &self,
        project: ProjectId,
        commit: &CommitId,
        toolchain: Option<&ToolchainName>,
    ) -> Result<Option<JobRow>, StoreError> {
        let kind = if toolchain.is_some() { "leg" } else { "plan" };
        let query = sql("SELECT jobs.* FROM jobs JOIN builds ON builds.id = jobs.build_id \
             WHERE builds.project_id = $1 AND builds.commit_id = $2 AND jobs.kind = $3 \
             AND COALESCE(jobs.toolchain, '') = $4 ORDER BY jobs.id DESC LIMIT 1");
        let query = query.bind(project.to_string()).bind(commit.as_str()).bind(kind);
        let name = toolchain.map(ToString::to_string).unwrap_or_default();
        let row = query.bind(name).fetch_optional::<Flat>(self).await?;
        row.map(JobRow::try_from).transpose()
    }

    /// The successful legs that built a revision and kept something, the newest first.
    pub async fn successful_jobs_of(&self, commit: &Revision) -> Result<Vec<JobRow>, StoreError> {
        let query = sql("SELECT jobs.* FROM jobs JOIN builds ON builds.id = jobs.build_id \
             WHERE builds.commit_id = $1 AND jobs.kind = 'leg' AND jobs.outcome = 'success' \
             ORDER BY jobs.id DESC LIMIT 1000");
        let rows = query.bind(commit.as_str()).fetch_all::<Flat>(self).await?;
        rows.into_iter().map(JobRow::try_from).collect()
    }
}
