//! Attempts: one row a try at a job, with what it ran in, its steps, and how far its log reaches.

use std::collections::HashMap;

use sqlx::FromRow;

use super::{
    Store, StoreError, Tx,
    error::{column, int, json, to_json, uint},
    jobs::verdict,
    sql::{dialects, sql},
};
use crate::{
    model::{AgentId, BuildId, Cause, JobId, Timestamp, Verdict},
    protocol::{ArtifactsSummary, DiagnosticsView, LogEnd, SandboxView, StepView, UsageView},
};

/// An attempt as it is stored.
#[derive(Clone, Debug)]
pub struct AttemptRow {
    /// The job.
    pub job: JobId,
    /// Counted from 1.
    pub number: u32,
    /// The agent that made it.
    pub agent: AgentId,
    /// When it began.
    pub started_at: Timestamp,
    /// When and how it ended.
    pub end: Option<(Timestamp, Verdict)>,
    /// One sentence for people.
    pub message: String,
    /// What it ran in.
    pub sandbox: Option<SandboxView>,
    /// Its steps so far.
    pub steps: Vec<StepView>,
    /// What it used.
    pub usage: Option<UsageView>,
    /// What the compiler said.
    pub diagnostics: Option<DiagnosticsView>,
    /// What was kept.
    pub artifacts: Option<ArtifactsSummary>,
    /// How far the log reaches.
    pub log_end: LogEnd,
    /// Bytes stored in the log's head.
    pub log_head: u64,
    /// Bytes stored in the log's tail.
    pub log_tail: u64,
    /// Whether the log is in the artifact store.
    pub log_sealed: bool,
    /// When its artifacts were removed.
    pub artifacts_expired_at: Option<Timestamp>,
    /// When its log was.
    pub log_expired_at: Option<Timestamp>,
}

/// What is written when an attempt ends.
#[derive(Debug)]
pub struct AttemptEnd<'a> {
    /// When.
    pub at: Timestamp,
    /// How.
    pub verdict: Verdict,
    /// One sentence for people.
    pub message: &'a str,
    /// What it used.
    pub usage: Option<&'a UsageView>,
    /// What the compiler said.
    pub diagnostics: Option<&'a DiagnosticsView>,
    /// What was kept.
    pub artifacts: Option<&'a ArtifactsSummary>,
}

/// What an attempt has in the artifact store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is about an object of its own")]
pub struct AttemptObjects {
    /// Whether it runs: it may be storing artifacts that no row tells of yet.
    pub is_running: bool,
    /// Whether it kept artifacts.
    pub has_artifacts: bool,
    /// Whether its log is there.
    pub has_log: bool,
    /// Whether its log was removed.
    pub log_expired: bool,
}

/// An attempt that has ended and whose log is still in the database.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UnsealedLog {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u32,
}

#[derive(FromRow)]
struct Flat {
    job_id: String,
    number: i64,
    agent_id: String,
    started_at: i64,
    finished_at: Option<i64>,
    outcome: Option<String>,
    cause: Option<String>,
    message: String,
    sandbox: Option<String>,
    steps: String,
    usage: Option<String>,
    diagnostics: Option<String>,
    artifacts: Option<String>,
    log_seq: i64,
    log_end: i64,
    log_head: i64,
    log_tail: i64,
    log_sealed: bool,
    artifacts_expired_at: Option<i64>,
    log_expired_at: Option<i64>,
}

const TABLE: &str = "attempts";

/// Parses a JSON column that may be empty.
fn optional<T: serde::de::DeserializeOwned>(
    id: &str,
    text: Option<&str>,
) -> Result<Option<T>, StoreError> {
    text.map(|text| json(TABLE, id, text)).transpose()
}

impl TryFrom<Flat> for AttemptRow {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        let id = flat.job_id.as_str();
        let bad = |problem: &str| StoreError::inconsistent(TABLE, id, problem);
        let end = match flat.finished_at {
            None => None,
            Some(at) => {
                let verdict = verdict(flat.outcome.as_deref(), flat.cause.as_deref());
                let verdict = verdict.ok_or_else(|| bad("outcome and cause do not agree"))?;
                Some((Timestamp::from_millis(at), verdict))
            }
        };
        Ok(Self {
            job: column(TABLE, id, id)?,
            number: u32::try_from(flat.number).map_err(|_| bad("number"))?,
            agent: column(TABLE, id, &flat.agent_id)?,
            started_at: Timestamp::from_millis(flat.started_at),
            end,
            sandbox: optional(id, flat.sandbox.as_deref())?,
            steps: json(TABLE, id, &flat.steps)?,
            usage: optional(id, flat.usage.as_deref())?,
            diagnostics: optional(id, flat.diagnostics.as_deref())?,
            artifacts: optional(id, flat.artifacts.as_deref())?,
            log_end: LogEnd { seq: uint(flat.log_seq), offset: uint(flat.log_end) },
            log_head: uint(flat.log_head),
            log_tail: uint(flat.log_tail),
            log_sealed: flat.log_sealed,
            artifacts_expired_at: flat.artifacts_expired_at.map(Timestamp::from_millis),
            log_expired_at: flat.log_expired_at.map(Timestamp::from_millis),
            message: flat.message,
        })
    }
}

impl Store {
    /// Writes that an attempt began.
    pub async fn insert_attempt(
        &self,
        tx: &mut Tx,
        job: JobId,
        number: u32,
        agent: AgentId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sql(
            "INSERT INTO attempts (job_id, number, agent_id, started_at, message, steps, log_seq, \
             log_end, log_head, log_tail, log_sealed) \
             VALUES ($1, $2, $3, $4, '', '[]', 0, 0, 0, 0, FALSE)",
        )
        .bind(job.to_string())
        .bind(i64::from(number))
        .bind(agent.to_string())
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
        Ok(())
    }

    /// The attempts of a job, the newest last.
    pub async fn attempts_of(&self, job: JobId) -> Result<Vec<AttemptRow>, StoreError> {
        let query = sql("SELECT * FROM attempts WHERE job_id = $1 ORDER BY number");
        let rows = query.bind(job.to_string()).fetch_all::<Flat>(self).await?;
        rows.into_iter().map(AttemptRow::try_from).collect()
    }

    /// One attempt.
    pub async fn attempt(&self, job: JobId, number: u32) -> Result<Option<AttemptRow>, StoreError> {
        let query = sql("SELECT * FROM attempts WHERE job_id = $1 AND number = $2");
        let row = query
            .bind(job.to_string())
            .bind(i64::from(number))
            .fetch_optional::<Flat>(self)
            .await?;
        row.map(AttemptRow::try_from).transpose()
    }

    /// One attempt, as the transaction sees it.
    pub async fn attempt_in(
        &self,
        tx: &mut Tx,
        job: JobId,
        number: u32,
    ) -> Result<Option<AttemptRow>, StoreError> {
        let query = sql("SELECT * FROM attempts WHERE job_id = $1 AND number = $2");
        let row = query
            .bind(job.to_string())
            .bind(i64::from(number))
            .fetch_optional::<Flat>(&mut *tx)
            .await?;
        row.map(AttemptRow::try_from).transpose()
    }

    /// The newest attempt of every job of these builds, as the transaction sees them.
    pub async fn newest_attempts_of_builds(
        &self,
        tx: &mut Tx,
        builds: &[BuildId],
    ) -> Result<Vec<AttemptRow>, StoreError> {
        let query = dialects(
            "SELECT attempts.* FROM jobs JOIN attempts ON attempts.job_id = jobs.id \
             AND attempts.number = jobs.attempts \
             WHERE jobs.build_id IN (SELECT value FROM json_each($1))",
            "SELECT attempts.* FROM jobs JOIN attempts ON attempts.job_id = jobs.id \
             AND attempts.number = jobs.attempts \
             WHERE jobs.build_id IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))",
        );
        let rows = query.bind(to_json(builds)).fetch_all::<Flat>(tx).await?;
        rows.into_iter().map(AttemptRow::try_from).collect()
    }

    /// Writes what an attempt runs in.
    pub async fn set_attempt_sandbox(
        &self,
        tx: &mut Tx,
        job: JobId,
        number: u32,
        sandbox: &SandboxView,
    ) -> Result<(), StoreError> {
        sql("UPDATE attempts SET sandbox = $3 WHERE job_id = $1 AND number = $2")
            .bind(job.to_string())
            .bind(i64::from(number))
            .bind(to_json(sandbox))
            .execute(&mut *tx)
            .await?;
        Ok(())
    }

    /// Writes how far an attempt's log reaches, and its steps as the log's marks tell them.
    pub async fn set_attempt_log(
        &self,
        tx: &mut Tx,
        attempt: &AttemptRow,
    ) -> Result<(), StoreError> {
        sql("UPDATE attempts SET log_seq = $3, log_end = $4, log_head = $5, log_tail = $6, \
             steps = $7 WHERE job_id = $1 AND number = $2")
        .bind(attempt.job.to_string())
        .bind(i64::from(attempt.number))
        .bind(int(attempt.log_end.seq))
        .bind(int(attempt.log_end.offset))
        .bind(int(attempt.log_head))
        .bind(int(attempt.log_tail))
        .bind(to_json(&attempt.steps))
        .execute(&mut *tx)
        .await?;
        Ok(())
    }

    /// Writes that an attempt ended.
    pub async fn end_attempt(
        &self,
        tx: &mut Tx,
        job: JobId,
        number: u32,
        end: &AttemptEnd<'_>,
    ) -> Result<(), StoreError> {
        sql("UPDATE attempts SET finished_at = $3, outcome = $4, cause = $5, message = $6, \
             usage = $7, diagnostics = $8, artifacts = $9 WHERE job_id = $1 AND number = $2")
        .bind(job.to_string())
        .bind(i64::from(number))
        .bind(end.at.as_millis())
        .bind(end.verdict.outcome().as_str())
        .bind(end.verdict.cause().map(Cause::as_str))
        .bind(end.message)
        .bind(end.usage.map(to_json))
        .bind(end.diagnostics.map(to_json))
        .bind(end.artifacts.map(to_json))
        .execute(&mut *tx)
        .await?;
        Ok(())
    }

    /// Attempts that have ended and whose log is still in the database, the oldest first.
    pub async fn unsealed_logs(&self, limit: u32) -> Result<Vec<UnsealedLog>, StoreError> {
        let query = sql("SELECT job_id, number FROM attempts WHERE log_sealed = FALSE \
             AND finished_at IS NOT NULL ORDER BY finished_at LIMIT $1");
        let rows = query.bind(i64::from(limit)).fetch_all::<(String, i64)>(self).await?;
        rows.iter()
            .map(|(job, number)| {
                let attempt = u32::try_from(*number)
                    .map_err(|error| StoreError::inconsistent(TABLE, job, error))?;
                Ok(UnsealedLog { job: column(TABLE, job, job)?, attempt })
            })
            .collect()
    }

    /// Notes that an attempt's log is in the artifact store, and removes its frames from here.
    pub async fn mark_sealed(
        &self,
        tx: &mut Tx,
        job: JobId,
        number: u32,
    ) -> Result<(), StoreError> {
        sql("UPDATE attempts SET log_sealed = TRUE WHERE job_id = $1 AND number = $2")
            .bind(job.to_string())
            .bind(i64::from(number))
            .execute(&mut *tx)
            .await?;
        sql("DELETE FROM log_frames WHERE job_id = $1 AND attempt = $2")
            .bind(job.to_string())
            .bind(i64::from(number))
            .execute(&mut *tx)
            .await?;
        Ok(())
    }

    /// Every attempt there is, as job and number, with the objects it has in the artifact store.
    pub async fn attempt_objects(
        &self,
    ) -> Result<HashMap<(JobId, u32), AttemptObjects>, StoreError> {
        let query = sql("SELECT job_id, number, finished_at IS NULL, \
             artifacts IS NOT NULL AND artifacts_expired_at IS NULL, \
             log_sealed AND log_expired_at IS NULL, log_expired_at IS NOT NULL FROM attempts");
        let rows = query.fetch_all::<(String, i64, bool, bool, bool, bool)>(self).await?;
        rows.into_iter()
            .map(|(job, number, is_running, has_artifacts, has_log, log_expired)| {
                let number = u32::try_from(number)
                    .map_err(|error| StoreError::inconsistent(TABLE, &job, error))?;
                let objects = AttemptObjects { is_running, has_artifacts, has_log, log_expired };
                Ok(((column(TABLE, &job, &job)?, number), objects))
            })
            .collect()
    }
}
