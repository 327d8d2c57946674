//! Builds: one row a request.

use std::{collections::BTreeMap, fmt::Write as _};

use sqlx::FromRow;

use super::{
    Store, StoreError, Tx,
    error::{column, json, to_json},
    sql::{Value, composed, sql},
};
use crate::{
    model::{
        BuildId, CommitInfo, Outcome, ProjectId, QueueName, Recipe, RefName, Revision, Scope,
        Timestamp,
    },
    protocol::{BuildFilter, BuildSource, BuildState, GitSource, Pin, Trigger, UploadSource},
};

/// A build that is to be written.
#[derive(Debug)]
pub struct NewBuild {
    /// Its id.
    pub id: BuildId,
    /// The project it belongs to.
    pub project: Option<ProjectId>,
    /// Who asked for it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Why.
    pub trigger: Trigger,
    /// Where the source is.
    pub source: BuildSource,
    /// The full name of the ref that was resolved, if there was one.
    pub resolved_ref: Option<String>,
    /// The revision.
    pub commit: Revision,
    /// What the submission said.
    pub submission: Recipe,
    /// Why it gets no secrets, whatever ref it is of.
    pub distrust: Option<String>,
    /// The queue.
    pub queue: QueueName,
    /// The priority.
    pub priority: i32,
    /// Free-form labels.
    pub labels: BTreeMap<String, String>,
}

/// A build as it is stored.
#[derive(Clone, Debug)]
pub struct BuildRow {
    /// Its id.
    pub id: BuildId,
    /// The project it belongs to.
    pub project: Option<ProjectId>,
    /// Who asked for it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Why.
    pub trigger: Trigger,
    /// Where the source is.
    pub source: BuildSource,
    /// The full name of the ref that was resolved, if there was one.
    pub resolved_ref: Option<String>,
    /// Why it gets no secrets, whatever ref it is of.
    pub distrust: Option<String>,
    /// The revision.
    pub commit: Revision,
    /// What the commit says of itself, once known.
    pub commit_info: Option<CommitInfo>,
    /// What the submission said.
    pub submission: Recipe,
    /// The queue.
    pub queue: QueueName,
    /// The priority.
    pub priority: i32,
    /// Free-form labels.
    pub labels: BTreeMap<String, String>,
    /// Where it is.
    pub state: BuildState,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When its last job ended.
    pub finished_at: Option<Timestamp>,
    /// Why it is kept whatever the rules say.
    pub pinned: Option<Pin>,
    /// When it gave up its uploaded tree.
    pub upload_expired_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Flat {
    id: String,
    project_id: Option<String>,
    created_by: String,
    created_at: i64,
    trigger_kind: String,
    source_url: String,
    source_ref: Option<String>,
    upload_base: Option<String>,
    commit_id: String,
    commit_info: Option<String>,
    submission: String,
    queue: String,
    priority: i64,
    labels: String,
    state: String,
    outcome: Option<String>,
    finished_at: Option<i64>,
    pinned: Option<String>,
    resolved_ref: Option<String>,
    distrust: Option<String>,
    upload_expired_at: Option<i64>,
}

impl TryFrom<Flat> for BuildRow {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        let id = flat.id.as_str();
        let bad = |problem: &str| StoreError::inconsistent("builds", id, problem);
        let reference: Option<RefName> =
            flat.source_ref.as_deref().map(|text| column("builds", id, text)).transpose()?;
        let commit = column("builds", id, &flat.commit_id)?;
        let source = match &commit {
            Revision::Commit(_) => BuildSource::Git(GitSource { url: flat.source_url, reference }),
            Revision::Tree(digest) => BuildSource::Upload(UploadSource {
                upload: digest.clone(),
                base: flat.upload_base.map(|text| json("builds", id, &text)).transpose()?,
            }),
        };
        let state = BuildState::ALL.into_iter().find(|state| state.as_str() == flat.state);
        let outcome = match flat.outcome.as_deref() {
            None => None,
            Some(text) => Some(Outcome::from_name(text).ok_or_else(|| bad("unknown outcome"))?),
        };
        Ok(Self {
            id: column("builds", id, id)?,
            project: flat
                .project_id
                .as_deref()
                .map(|text| column("builds", id, text))
                .transpose()?,
            created_by: flat.created_by,
            created_at: Timestamp::from_millis(flat.created_at),
            trigger: Trigger::ALL
                .into_iter()
                .find(|trigger| trigger.as_str() == flat.trigger_kind)
                .ok_or_else(|| bad("unknown trigger"))?,
            upload_expired_at: flat.upload_expired_at.map(Timestamp::from_millis),
            source,
            resolved_ref: flat.resolved_ref,
            distrust: flat.distrust,
            commit,
            commit_info: flat
                .commit_info
                .as_deref()
                .map(|text| json("builds", id, text))
                .transpose()?,
            submission: json("builds", id, &flat.submission)?,
            queue: column("builds", id, &flat.queue)?,
            priority: i32::try_from(flat.priority).map_err(|_| bad("priority"))?,
            labels: json("builds", id, &flat.labels)?,
            state: state.ok_or_else(|| bad("unknown state"))?,
            outcome,
            finished_at: flat.finished_at.map(Timestamp::from_millis),
            pinned: flat.pinned.as_deref().map(|text| json("builds", id, text)).transpose()?,
        })
    }
}

impl Store {
    /// Writes a new build; it is being planned.
    pub async fn insert_build(&self, tx: &mut Tx, build: &NewBuild) -> Result<(), StoreError> {
        let (git, base) = match &build.source {
            BuildSource::Git(git) => (Some(git), None),
            BuildSource::Upload(upload) => (None, upload.base.as_ref()),
        };
        sql(
            "INSERT INTO builds (id, created_by, created_at, trigger_kind, source_url, source_ref, \
             upload_base, commit_id, submission, queue, priority, labels, state, project_id, \
             resolved_ref, distrust) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        )
        .bind(build.id.to_string())
        .bind(&build.created_by)
        .bind(build.created_at.as_millis())
        .bind(build.trigger.as_str())
        .bind(git.map_or("", |git| &git.url))
        .bind(git.and_then(|git| git.reference.as_ref()).map(RefName::as_str))
        .bind(base.map(to_json))
        .bind(build.commit.as_str())
        .bind(to_json(&build.submission))
        .bind(build.queue.as_str())
        .bind(i64::from(build.priority))
        .bind(to_json(&build.labels))
        .bind(BuildState::Planning.as_str())
        .bind(build.project.map(|id| id.to_string()))
        .bind(build.resolved_ref.as_deref())
        .bind(build.distrust.as_deref())
        .execute(&mut *tx)
        .await?;
        Ok(())
    }

    /// The build with this id.
    pub async fn build(&self, id: BuildId) -> Result<Option<BuildRow>, StoreError> {
        let query = sql("SELECT * FROM builds WHERE id = $1").bind(id.to_string());
        query.fetch_optional::<Flat>(self).await?.map(BuildRow::try_from).transpose()
    }

    /// The build with this id, as the transaction sees it.
    pub async fn build_in(&self, tx: &mut Tx, id: BuildId) -> Result<Option<BuildRow>, StoreError> {
        let query = sql("SELECT * FROM builds WHERE id = $1").bind(id.to_string());
        query.fetch_optional::<Flat>(tx).await?.map(BuildRow::try_from).transpose()
    }

    /// Locks a build: whoever changes it or one of its jobs comes one after the other. Whether
    /// there is one.
    pub async fn lock_build(&self, tx: &mut Tx, id: BuildId) -> Result<bool, StoreError> {
        let query = sql("SELECT id FROM builds WHERE id = $1 FOR UPDATE").bind(id.to_string());
        Ok(query.fetch_value::<String>(tx).await?.is_some())
    }

    /// Builds that match, as the transaction sees them: the newest first, those before `before` only.
    pub async fn builds(
        &self,
        tx: &mut Tx,
        of: (&Scope, Option<ProjectId>),
        filter: &BuildFilter,
        page: (Option<BuildId>, u32),
    ) -> Result<Vec<BuildRow>, StoreError> {
        let (text, values) = listing(of, filter, page);
        let rows = composed(text, values).fetch_all::<Flat>(tx).await?;
        rows.into_iter().map(BuildRow::try_from).collect()
    }

    /// Writes where a build is now.
    pub async fn set_build_state(
        &self,
        tx: &mut Tx,
        id: BuildId,
        state: BuildState,
        outcome: Option<Outcome>,
        finished_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        sql("UPDATE builds SET state = $2, outcome = $3, finished_at = $4 WHERE id = $1")
            .bind(id.to_string())
            .bind(state.as_str())
            .bind(outcome.map(Outcome::as_str))
            .bind(finished_at.map(Timestamp::as_millis))
            .execute(&mut *tx)
            .await?;
        Ok(())
    }

    /// Writes what the commit says of itself.
    pub async fn set_commit_info(
        &self,
        tx: &mut Tx,
        id: BuildId,
        info: &CommitInfo,
    ) -> Result<(), StoreError> {
        sql("UPDATE builds SET commit_info = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(to_json(info))
            .execute(&mut *tx)
            .await?;
        Ok(())
    }
}

/// The statement of a listing: constant parts, one for each filter that is given.
pub(super) fn listing(
    (scope, project): (&Scope, Option<ProjectId>),
    filter: &BuildFilter,
    (before, limit): (Option<BuildId>, u32),
) -> (String, Vec<Value>) {
    let mut text = "SELECT * FROM builds WHERE TRUE".to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut and = |condition: &str, given: Vec<Value>| {
        text.push_str(" AND ");
        let mut given = given.into_iter();
        for part in condition.split_inclusive('?') {
            match part.strip_suffix('?').zip(given.next()) {
                Some((before, value)) => {
                    values.push(value);
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{before}${}", values.len());
                }
                None => text.push_str(part),
            }
        }
    };
    if let Some(before) = before {
        and("id < ?", vec![before.to_string().into()]);
    }
    if let Some(project) = project {
        and("project_id = ?", vec![project.to_string().into()]);
    }
    if let Scope::Projects(projects) = scope {
        let ids: Vec<Value> = projects.iter().map(|id| id.to_string().into()).collect();
        match vec!["?"; ids.len()].join(", ") {
            // A list of nothing is none in every database.
            places if places.is_empty() => and("FALSE", ids),
            places => and(&format!("project_id IN ({places})"), ids),
        }
    }
    if let Some(commit) = &filter.commit {
        and("commit_id = ?", vec![commit.as_str().into()]);
    }
    if let Some(branch) = &filter.branch {
        let is_whole = branch.starts_with("refs/");
        let name = if is_whole { branch.clone() } else { format!("refs/heads/{branch}") };
        and("resolved_ref = ?", vec![name.into()]);
    }
    if let Some(state) = filter.state {
        and("state = ?", vec![state.as_str().into()]);
    }
    if let Some(outcome) = filter.outcome {
        and("outcome = ?", vec![outcome.as_str().into()]);
    }
    if let Some(toolchain) = &filter.toolchain {
        let condition = "EXISTS (SELECT 1 FROM jobs WHERE build_id = builds.id AND toolchain = ?)";
        and(condition, vec![toolchain.as_str().into()]);
    }
    values.push(i64::from(limit).into());
    // Writing to a string cannot fail.
    let _ = write!(text, " ORDER BY id DESC LIMIT ${}", values.len());
    (text, values)
}
