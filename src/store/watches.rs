//! Watched projects, and where their refs were seen last.

use sqlx::FromRow;

use super::{
    Store, StoreError, Tx,
    error::{column, json, to_json},
    sql::sql,
};
use crate::model::{
    BuildId, CommitId, JobId, Outcome, ProjectId, Timestamp, ToolchainName, WatchRules,
};

/// A watched project as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchRow {
    /// The project.
    pub project: ProjectId,
    /// What is built.
    pub rules: WatchRules,
    /// When it is looked at next.
    pub next_at: Timestamp,
    /// When it was last seen.
    pub seen_at: Option<Timestamp>,
    /// Why it could not be seen since.
    pub problem: Option<String>,
    /// How often in a row.
    pub failures: u32,
    /// The full name of the branch that the repository calls its default one.
    pub default_ref: Option<String>,
    /// Whether somebody asked for a look, and waits for what comes of it.
    pub asked: bool,
}

/// A ref as it was last seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeadRow {
    /// Its full name.
    pub name: String,
    /// Where it was; none once it is gone.
    pub commit: Option<CommitId>,
    /// When that was seen first.
    pub seen_at: Timestamp,
    /// The build that was made of it.
    pub build: Option<BuildId>,
    /// Why none was.
    pub skipped: Option<String>,
}

impl HeadRow {
    /// Whether a build was made of it just for this.
    pub fn is_new(&self) -> bool {
        self.build.is_some() && self.skipped.is_none()
    }
}

#[derive(FromRow)]
struct FlatWatch {
    project_id: String,
    rules: String,
    next_at: i64,
    seen_at: Option<i64>,
    problem: Option<String>,
    failures: i64,
    default_ref: Option<String>,
    asked: bool,
}

impl TryFrom<FlatWatch> for WatchRow {
    type Error = StoreError;

    fn try_from(flat: FlatWatch) -> Result<Self, StoreError> {
        let id = &flat.project_id;
        Ok(Self {
            project: column("watches", id, id)?,
            rules: json("watches", id, &flat.rules)?,
            next_at: Timestamp::from_millis(flat.next_at),
            seen_at: flat.seen_at.map(Timestamp::from_millis),
            problem: flat.problem,
            failures: u32::try_from(flat.failures).unwrap_or(u32::MAX),
            default_ref: flat.default_ref,
            asked: flat.asked,
        })
    }
}

#[derive(FromRow)]
struct FlatHead {
    name: String,
    commit_id: Option<String>,
    seen_at: i64,
    build_id: Option<String>,
    skipped: Option<String>,
}

impl TryFrom<FlatHead> for HeadRow {
    type Error = StoreError;

    fn try_from(flat: FlatHead) -> Result<Self, StoreError> {
        let name = flat.name.as_str();
        Ok(Self {
            commit: flat.commit_id.map(|id| column("heads", name, &id)).transpose()?,
            seen_at: Timestamp::from_millis(flat.seen_at),
            build: flat.build_id.map(|id| column("heads", name, &id)).transpose()?,
            skipped: flat.skipped,
            name: flat.name,
        })
    }
}

impl Store {
    /// Watches a project, or changes what is built of it; it is looked at at once.
    pub async fn put_watch(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        rules: &WatchRules,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sql("INSERT INTO watches (project_id, rules, next_at) VALUES ($1, $2, $3) \
             ON CONFLICT (project_id) DO UPDATE SET rules = excluded.rules, \
             next_at = excluded.next_at")
        .bind(project.to_string())
        .bind(to_json(rules))
        .bind(now.as_millis())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// How a project is watched, if it is.
    pub async fn watch(&self, project: ProjectId) -> Result<Option<WatchRow>, StoreError> {
        let query = sql("SELECT * FROM watches WHERE project_id = $1").bind(project.to_string());
        query.fetch_optional::<FlatWatch>(self).await?.map(WatchRow::try_from).transpose()
    }

    /// The same as the transaction sees it.
    pub async fn watch_in(
        &self,
        tx: &mut Tx,
        project: ProjectId,
    ) -> Result<Option<WatchRow>, StoreError> {
        let query = sql("SELECT * FROM watches WHERE project_id = $1").bind(project.to_string());
        query.fetch_optional::<FlatWatch>(tx).await?.map(WatchRow::try_from).transpose()
    }

    /// Watches a project no longer, and forgets where its refs were; whether it was watched.
    pub async fn remove_watch(&self, tx: &mut Tx, project: ProjectId) -> Result<bool, StoreError> {
        let id = project.to_string();
        sql("DELETE FROM heads WHERE project_id = $1").bind(id.clone()).execute(&mut *tx).await?;
        let removed = sql("DELETE FROM watches WHERE project_id = $1 RETURNING project_id");
        Ok(removed.bind(id).fetch_value::<String>(tx).await?.is_some())
    }

    /// Forgets where the refs of a project were: it is another repository now, and looked at for the
    /// first time.
    pub async fn forget_heads(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = project.to_string();
        sql("DELETE FROM heads WHERE project_id = $1").bind(id.clone()).execute(&mut *tx).await?;
        sql("UPDATE watches SET seen_at = NULL, problem = NULL, failures = 0, next_at = $2, \
             default_ref = NULL WHERE project_id = $1")
        .bind(id)
        .bind(now.as_millis())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Has a project looked at as soon as can be; whether it is watched.
    pub async fn hurry_watch(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let query = sql("UPDATE watches SET next_at = $2, asked = TRUE WHERE project_id = $1 \
             RETURNING project_id");
        let query = query.bind(project.to_string()).bind(now.as_millis());
        Ok(query.fetch_value::<String>(tx).await?.is_some())
    }

    /// Whether a project is to be looked at by now, or a delivery to be worked on.
    pub async fn has_rebuilds_due(&self, now: Timestamp) -> Result<bool, StoreError> {
        let query = sql("SELECT project_id FROM watches WHERE next_at <= $1 UNION ALL \
             SELECT project_id FROM deliveries WHERE due_at <= $1 LIMIT 1");
        Ok(query.bind(now.as_millis()).fetch_value::<String>(self).await?.is_some())
    }

    /// Takes projects whose time has come, and keeps others from them until `until`, which is when they are
    /// looked at next then.
    pub async fn take_watches(
        &self,
        tx: &mut Tx,
        (now, until): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<WatchRow>, StoreError> {
        // Who waited for another server's transaction looks at the time once more.
        let query = sql("UPDATE watches SET next_at = $2 WHERE next_at <= $1 AND project_id IN \
             (SELECT project_id FROM watches WHERE next_at <= $1 ORDER BY next_at LIMIT $3) \
             RETURNING *");
        let query = query.bind(now.as_millis()).bind(until.as_millis()).bind(limit);
        let rows = query.fetch_all::<FlatWatch>(tx).await?;
        rows.into_iter().map(WatchRow::try_from).collect()
    }

    /// Writes how looking at a project that was taken went, and when it is looked at next: what was
    /// hurried since then stays due.
    pub async fn end_watch(
        &self,
        tx: &mut Tx,
        taken: &WatchRow,
        (next_at, seen_at): (Timestamp, Option<Timestamp>),
        (problem, failures): (Option<&str>, u32),
    ) -> Result<(), StoreError> {
        sql("UPDATE watches SET next_at = CASE WHEN next_at = $6 THEN $2 ELSE next_at END, \
             asked = CASE WHEN next_at = $6 THEN FALSE ELSE asked END, \
             seen_at = COALESCE($3, seen_at), problem = $4, failures = $5 WHERE project_id = $1")
        .bind(taken.project.to_string())
        .bind(next_at.as_millis())
        .bind(seen_at.map(Timestamp::as_millis))
        .bind(problem)
        .bind(i64::from(failures))
        .bind(taken.next_at.as_millis())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Writes which branch is the default one.
    pub async fn set_default_ref(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        name: Option<&str>,
    ) -> Result<(), StoreError> {
        sql("UPDATE watches SET default_ref = $2 WHERE project_id = $1")
            .bind(project.to_string())
            .bind(name)
            .execute(tx)
            .await?;
        Ok(())
    }

    /// The branch of a project that was built last.
    pub async fn newest_branch(&self, project: ProjectId) -> Result<Option<String>, StoreError> {
        let query = sql("SELECT resolved_ref FROM builds WHERE project_id = $1 \
             AND resolved_ref LIKE 'refs/heads/%' ORDER BY id DESC LIMIT 1");
        query.bind(project.to_string()).fetch_value::<String>(self).await
    }

    /// How the newest finished build of a ref went; with a toolchain, how its newest finished job did.
    pub async fn newest_outcome(
        &self,
        project: ProjectId,
        name: &str,
        toolchain: Option<&ToolchainName>,
    ) -> Result<Option<Outcome>, StoreError> {
        let query = match toolchain {
            None => sql("SELECT outcome FROM builds WHERE project_id = $1 AND resolved_ref = $2 \
                 AND state = 'finished' AND outcome IS NOT NULL ORDER BY id DESC LIMIT 1")
            .bind(project.to_string())
            .bind(name),
            Some(toolchain) => sql("SELECT jobs.outcome FROM jobs JOIN builds \
                 ON builds.id = jobs.build_id WHERE builds.project_id = $1 \
                 AND builds.resolved_ref = $2 AND jobs.toolchain = $3 AND jobs.kind = 'leg' \
                 AND jobs.outcome IS NOT NULL ORDER BY jobs.id DESC LIMIT 1")
            .bind(project.to_string())
            .bind(name)
            .bind(toolchain.as_str()),
        };
        let found = query.fetch_value::<String>(self).await?;
        Ok(found.and_then(|text| Outcome::from_name(&text)))
    }

    /// The newest successful job of a ref with a toolchain.
    pub async fn newest_success(
        &self,
        project: ProjectId,
        name: &str,
        toolchain: &ToolchainName,
    ) -> Result<Option<JobId>, StoreError> {
        let id = sql("SELECT jobs.id FROM jobs JOIN builds ON builds.id = jobs.build_id \
             WHERE builds.project_id = $1 AND builds.resolved_ref = $2 AND jobs.toolchain = $3 \
             AND jobs.kind = 'leg' AND jobs.outcome = 'success' ORDER BY jobs.id DESC LIMIT 1")
        .bind(project.to_string())
        .bind(name)
        .bind(toolchain.as_str())
        .fetch_value::<String>(self)
        .await?;
        id.map(|id| column("jobs", &id, &id)).transpose()
    }

    /// The newest build of a ref whose legs were made, and its commit.
    pub async fn newest_built(
        &self,
        project: ProjectId,
        name: &str,
    ) -> Result<Option<(BuildId, CommitId)>, StoreError> {
        let found = sql("SELECT builds.id, builds.commit_id FROM builds \
             WHERE builds.project_id = $1 AND builds.resolved_ref = $2 AND EXISTS \
             (SELECT 1 FROM jobs WHERE jobs.build_id = builds.id AND jobs.kind = 'leg') \
             ORDER BY builds.id DESC LIMIT 1")
        .bind(project.to_string())
        .bind(name)
        .fetch_optional::<(String, String)>(self)
        .await?;
        let Some((id, commit)) = found else { return Ok(None) };
        Ok(Some((column("builds", &id, &id)?, column("builds", &id, &commit)?)))
    }

    /// A build of a commit of a project that has not ended.
    pub async fn unfinished_of_commit(
        &self,
        project: ProjectId,
        commit: &CommitId,
    ) -> Result<Option<BuildId>, StoreError> {
        let id = sql("SELECT id FROM builds WHERE project_id = $1 AND commit_id = $2 \
             AND state <> 'finished' ORDER BY id DESC LIMIT 1")
        .bind(project.to_string())
        .bind(commit.as_str())
        .fetch_value::<String>(self)
        .await?;
        id.map(|id| column("builds", &id, &id)).transpose()
    }

    /// Where the refs of a project were seen last, by name.
    pub async fn heads(&self, project: ProjectId) -> Result<Vec<HeadRow>, StoreError> {
        let rows = sql("SELECT name, commit_id, seen_at, build_id, skipped FROM heads \
             WHERE project_id = $1 ORDER BY name")
        .bind(project.to_string())
        .fetch_all::<FlatHead>(self)
        .await?;
        rows.into_iter().map(HeadRow::try_from).collect()
    }

    /// Writes where a ref is now, and what was done about it.
    pub async fn put_head(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        row: &HeadRow,
    ) -> Result<(), StoreError> {
        sql("INSERT INTO heads (project_id, name, commit_id, seen_at, build_id, skipped) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (project_id, name) DO UPDATE SET \
             commit_id = excluded.commit_id, seen_at = excluded.seen_at, \
             build_id = excluded.build_id, skipped = excluded.skipped")
        .bind(project.to_string())
        .bind(&row.name)
        .bind(row.commit.as_ref().map(CommitId::as_str))
        .bind(row.seen_at.as_millis())
        .bind(row.build.map(|id| id.to_string()))
        .bind(row.skipped.as_deref())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// The newest build of a commit in a project.
    pub async fn build_of_commit(
        &self,
        project: ProjectId,
        commit: &CommitId,
    ) -> Result<Option<BuildId>, StoreError> {
        let query = sql("SELECT id FROM builds WHERE project_id = $1 AND commit_id = $2 \
             ORDER BY id DESC LIMIT 1");
        let query = query.bind(project.to_string()).bind(commit.as_str());
        let id = query.fetch_value::<String>(self).await?;
        id.map(|id| column("builds", &id, &id)).transpose()
    }

    /// Builds of a project's ref that were made by themselves and have not ended, before this one.
    pub async fn unfinished_before(
        &self,
        project: ProjectId,
        (name, newest): (&str, BuildId),
    ) -> Result<Vec<BuildId>, StoreError> {
        let ids = sql("SELECT id FROM builds WHERE project_id = $1 AND resolved_ref = $2 \
             AND trigger_kind IN ('push', 'pull_request') AND state <> 'finished' AND id < $3")
        .bind(project.to_string())
        .bind(name)
        .bind(newest.to_string())
        .fetch_column::<String>(self)
        .await?;
        ids.iter().map(|id| column("builds", id, id)).collect()
    }
}
