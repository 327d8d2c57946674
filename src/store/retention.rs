//! What has its time over: finished builds with what the rules look at, the objects they have, and how
//! they go. Rows go before their objects: what a crash leaves is an object without a row, which the
//! sweep of the repository knows.

use sqlx::FromRow;

use super::{
    Store, StoreError, Tx,
    error::{column, json, to_json, uint},
    sql::{dialects, sql},
};
use crate::{
    model::{
        BuildId, JobId, Outcome, Parts, ProjectId, RetentionRules, Revision, Timestamp,
        ToolchainName,
    },
    protocol::Pin,
};

/// A finished build, as far as the rules look at it.
#[derive(Clone, Debug)]
pub struct FinishedBuild {
    /// Its id.
    pub id: BuildId,
    /// Its project.
    pub project: Option<ProjectId>,
    /// Its repository and ref, where it is of one.
    pub branch: Option<(String, String)>,
    /// When its last job ended.
    pub finished_at: Timestamp,
    /// How.
    pub outcome: Option<Outcome>,
    /// Whether it is pinned.
    pub is_pinned: bool,
    /// What of it has gone, or never was.
    pub gone: Parts,
}

/// The objects of an attempt that are there.
#[derive(Clone, Debug)]
pub struct KeptObjects {
    /// The build.
    pub build: BuildId,
    /// What was built.
    pub commit: Revision,
    /// With what; a plan has none.
    pub toolchain: Option<ToolchainName>,
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u32,
    /// Bytes of its archive, if it is there.
    pub archive_bytes: Option<u64>,
    /// Bytes of its log, if that is there.
    pub log_bytes: Option<u64>,
}

/// What a project has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UsageRow {
    /// The project.
    pub project: Option<ProjectId>,
    /// Its builds.
    pub builds: u64,
    /// Bytes of archives.
    pub artifact_bytes: u64,
    /// Bytes of logs.
    pub log_bytes: u64,
}

#[derive(FromRow)]
struct Flat {
    id: String,
    project_id: Option<String>,
    source_url: String,
    resolved_ref: Option<String>,
    finished_at: Option<i64>,
    outcome: Option<String>,
    pinned: Option<String>,
    artifacts_expired_at: Option<i64>,
    logs_expired_at: Option<i64>,
    upload_expired_at: Option<i64>,
    commit_id: String,
}

impl TryFrom<Flat> for FinishedBuild {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        let id = flat.id.as_str();
        let bad = |problem: &str| StoreError::inconsistent("builds", id, problem);
        Ok(Self {
            id: column("builds", id, id)?,
            project: flat.project_id.as_deref().map(|it| column("builds", id, it)).transpose()?,
            branch: flat.resolved_ref.map(|name| (flat.source_url, name)),
            finished_at: flat
                .finished_at
                .map(Timestamp::from_millis)
                .ok_or_else(|| bad("finished without finished_at"))?,
            outcome: flat.outcome.as_deref().and_then(Outcome::from_name),
            is_pinned: flat.pinned.is_some(),
            gone: Parts {
                artifacts: flat.artifacts_expired_at.is_some(),
                logs: flat.logs_expired_at.is_some(),
                upload: flat.upload_expired_at.is_some() || !flat.commit_id.starts_with("tree-"),
            },
        })
    }
}

impl Store {
    /// Finished builds, the oldest first, those after `after`.
    pub async fn finished_builds(
        &self,
        after: Option<BuildId>,
        limit: u32,
    ) -> Result<Vec<FinishedBuild>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let rows =
            sql("SELECT id, project_id, source_url, resolved_ref, finished_at, outcome, pinned, \
             artifacts_expired_at, logs_expired_at, upload_expired_at, commit_id FROM builds \
             WHERE state = 'finished' AND id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(limit)
            .fetch_all::<Flat>(self)
            .await?;
        rows.into_iter().map(FinishedBuild::try_from).collect()
    }

    /// The newest success of a branch.
    pub async fn last_success(&self, url: &str, name: &str) -> Result<Option<BuildId>, StoreError> {
        let query = sql("SELECT id FROM builds WHERE source_url = $1 AND resolved_ref = $2 \
             AND outcome = 'success' ORDER BY id DESC LIMIT 1");
        let id = query.bind(url).bind(name).fetch_value::<String>(self).await?;
        id.map(|id| column("builds", &id, &id)).transpose()
    }

    /// The build of a branch than which `newer` are newer, if there are as many.
    pub async fn build_of_rank(
        &self,
        (url, name): (&str, &str),
        newer: u32,
    ) -> Result<Option<BuildId>, StoreError> {
        let query = sql("SELECT id FROM builds WHERE source_url = $1 AND resolved_ref = $2 \
             ORDER BY id DESC LIMIT 1 OFFSET $3");
        let id = query.bind(url).bind(name).bind(newer).fetch_value::<String>(self).await?;
        id.map(|id| column("builds", &id, &id)).transpose()
    }

    /// The objects that a build has.
    pub async fn objects_of_build(&self, build: BuildId) -> Result<Vec<KeptObjects>, StoreError> {
        type Row = (String, Option<String>, String, i64, Option<i64>, Option<i64>);
        let query = dialects(
            "SELECT builds.commit_id, jobs.toolchain, attempts.job_id, attempts.number, \
             CASE WHEN attempts.artifacts_expired_at IS NULL \
             THEN json_extract(attempts.artifacts, '$.archive_bytes') END, \
             CASE WHEN attempts.log_expired_at IS NULL AND attempts.log_sealed \
             THEN attempts.log_head + attempts.log_tail END \
             FROM attempts JOIN jobs ON jobs.id = attempts.job_id \
             JOIN builds ON builds.id = jobs.build_id WHERE jobs.build_id = $1",
            "SELECT builds.commit_id, jobs.toolchain, attempts.job_id, attempts.number, \
             CASE WHEN attempts.artifacts_expired_at IS NULL \
             THEN CAST(CAST(attempts.artifacts AS JSONB) ->> 'archive_bytes' AS BIGINT) END, \
             CASE WHEN attempts.log_expired_at IS NULL AND attempts.log_sealed \
             THEN attempts.log_head + attempts.log_tail END \
             FROM attempts JOIN jobs ON jobs.id = attempts.job_id \
             JOIN builds ON builds.id = jobs.build_id WHERE jobs.build_id = $1",
        );
        let rows = query.bind(build.to_string()).fetch_all::<Row>(self).await?;
        rows.into_iter()
            .map(|(commit, toolchain, job, attempt, archive, log)| {
                Ok(KeptObjects {
                    build,
                    commit: column("builds", &job, &commit)?,
                    toolchain: toolchain
                        .as_deref()
                        .map(|name| column("jobs", &job, name))
                        .transpose()?,
                    job: column("jobs", &job, &job)?,
                    attempt: u32::try_from(attempt)
                        .map_err(|error| StoreError::inconsistent("attempts", &job, error))?,
                    archive_bytes: archive.map(uint),
                    log_bytes: log.map(uint),
                })
            })
            .collect()
    }

    /// Removes a finished build that is not pinned, with its jobs, attempts and what is left of their
    /// logs; whether there was one.
    pub async fn remove_build(&self, tx: &mut Tx, id: BuildId) -> Result<bool, StoreError> {
        let found = sql("SELECT id FROM builds WHERE id = $1 AND state = 'finished' \
             AND pinned IS NULL FOR UPDATE");
        if found.bind(id.to_string()).fetch_value::<String>(&mut *tx).await?.is_none() {
            return Ok(false);
        }
        for statement in [
            sql("DELETE FROM log_frames WHERE job_id IN (SELECT id FROM jobs WHERE build_id = $1)"),
            sql("DELETE FROM idempotency_keys WHERE build_id = $1"),
            sql("DELETE FROM builds WHERE id = $1"),
        ] {
            statement.bind(id.to_string()).execute(&mut *tx).await?;
        }
        Ok(true)
    }

    /// Notes that artifacts, sealed logs or the uploaded tree of a finished build go; whether there is such a build.
    pub async fn expire_objects(
        &self,
        tx: &mut Tx,
        id: BuildId,
        parts: Parts,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let found = sql("SELECT id FROM builds WHERE id = $1 AND state = 'finished' \
             AND pinned IS NULL FOR UPDATE");
        if found.bind(id.to_string()).fetch_value::<String>(&mut *tx).await?.is_none() {
            return Ok(false);
        }
        if parts.artifacts {
            for statement in [
                sql("UPDATE attempts SET artifacts_expired_at = $2 WHERE artifacts IS NOT NULL \
                     AND artifacts_expired_at IS NULL \
                     AND job_id IN (SELECT id FROM jobs WHERE build_id = $1)"),
                sql("UPDATE builds SET artifacts_expired_at = $2 WHERE id = $1"),
            ] {
                statement.bind(id.to_string()).bind(now.as_millis()).execute(&mut *tx).await?;
            }
        }
        if parts.upload {
            sql("UPDATE builds SET upload_expired_at = $2 WHERE id = $1")
                .bind(id.to_string())
                .bind(now.as_millis())
                .execute(&mut *tx)
                .await?;
        }
        if parts.logs {
            for statement in [
                sql("UPDATE attempts SET log_expired_at = $2 WHERE log_sealed \
                     AND log_expired_at IS NULL \
                     AND job_id IN (SELECT id FROM jobs WHERE build_id = $1)"),
                sql("UPDATE builds SET logs_expired_at = $2 WHERE id = $1"),
            ] {
                statement.bind(id.to_string()).bind(now.as_millis()).execute(&mut *tx).await?;
            }
        }
        Ok(true)
    }

    /// New attempts of a build will have objects again.
    pub async fn forget_expiry(&self, tx: &mut Tx, id: BuildId) -> Result<(), StoreError> {
        sql("UPDATE builds SET artifacts_expired_at = NULL, logs_expired_at = NULL WHERE id = $1")
            .bind(id.to_string())
            .execute(tx)
            .await?;
        Ok(())
    }

    /// Pins a build, or takes the pin away; whether there is one.
    pub async fn set_pin(
        &self,
        tx: &mut Tx,
        id: BuildId,
        pin: Option<&Pin>,
    ) -> Result<bool, StoreError> {
        let query = sql("UPDATE builds SET pinned = $2 WHERE id = $1 RETURNING id");
        let found = query.bind(id.to_string()).bind(pin.map(to_json)).fetch_value::<String>(tx);
        Ok(found.await?.is_some())
    }

    /// What each project says of retention.
    pub async fn retention_rules(&self) -> Result<Vec<(ProjectId, RetentionRules)>, StoreError> {
        let rows = sql("SELECT id, retention FROM projects");
        let rows = rows.fetch_all::<(String, String)>(self).await?;
        rows.iter()
            .map(|(id, text)| Ok((column("projects", id, id)?, json("projects", id, text)?)))
            .collect()
    }

    /// Writes what a project says of retention.
    pub async fn set_retention_rules(
        &self,
        tx: &mut Tx,
        id: ProjectId,
        rules: &RetentionRules,
    ) -> Result<(), StoreError> {
        sql("UPDATE projects SET retention = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(to_json(rules))
            .execute(tx)
            .await?;
        Ok(())
    }

    /// What each project has, and what belongs to none.
    pub async fn usage(&self) -> Result<Vec<UsageRow>, StoreError> {
        type Row = (Option<String>, i64, i64, i64);
        let rows = dialects(
            "SELECT builds.project_id, COUNT(DISTINCT builds.id), \
             CAST(COALESCE(SUM(CASE WHEN attempts.artifacts_expired_at IS NULL \
             THEN json_extract(attempts.artifacts, '$.archive_bytes') END), 0) AS BIGINT), \
             CAST(COALESCE(SUM(CASE WHEN attempts.log_expired_at IS NULL \
             THEN attempts.log_head + attempts.log_tail END), 0) AS BIGINT) \
             FROM builds LEFT JOIN jobs ON jobs.build_id = builds.id \
             LEFT JOIN attempts ON attempts.job_id = jobs.id GROUP BY builds.project_id",
            "SELECT builds.project_id, COUNT(DISTINCT builds.id), \
             CAST(COALESCE(SUM(CASE WHEN attempts.artifacts_expired_at IS NULL \
             THEN CAST(CAST(attempts.artifacts AS JSONB) ->> 'archive_bytes' AS BIGINT) END), 0) \
             AS BIGINT), \
             CAST(COALESCE(SUM(CASE WHEN attempts.log_expired_at IS NULL \
             THEN attempts.log_head + attempts.log_tail END), 0) AS BIGINT) \
             FROM builds LEFT JOIN jobs ON jobs.build_id = builds.id \
             LEFT JOIN attempts ON attempts.job_id = jobs.id GROUP BY builds.project_id",
        )
        .fetch_all::<Row>(self)
        .await?;
        rows.into_iter()
            .map(|(project, builds, artifacts, logs)| {
                Ok(UsageRow {
                    project: project.as_deref().map(|id| column("builds", id, id)).transpose()?,
                    builds: uint(builds),
                    artifact_bytes: uint(artifacts),
                    log_bytes: uint(logs),
                })
            })
            .collect()
    }
}
