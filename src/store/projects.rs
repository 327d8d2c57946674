//! Projects: repositories by name, to which builds belong.

use sqlx::FromRow;

use super::{Store, StoreError, Tx, error::column, sql::sql};
use crate::model::{ProjectId, ProjectName, Timestamp};

const TABLE: &str = "projects";

/// A project as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProjectRow {
    /// Its id.
    pub id: ProjectId,
    /// Its name.
    pub name: ProjectName,
    /// Its repository's URL, normalized; none for one of uploads only.
    pub url: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

/// The project that something belongs to, or that it belongs to none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BelongsTo(pub Option<ProjectId>);

#[derive(FromRow)]
struct Flat {
    id: String,
    name: String,
    url: Option<String>,
    created_by: String,
    created_at: i64,
}

impl TryFrom<Flat> for ProjectRow {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        Ok(Self {
            id: column(TABLE, &flat.id, &flat.id)?,
            name: column(TABLE, &flat.id, &flat.name)?,
            url: flat.url,
            created_by: flat.created_by,
            created_at: Timestamp::from_millis(flat.created_at),
        })
    }
}

impl Store {
    /// Writes a new project; a duplicate error if its name or its URL has one.
    pub async fn insert_project(&self, tx: &mut Tx, row: &ProjectRow) -> Result<(), StoreError> {
        sql("INSERT INTO projects (id, name, url, created_by, created_at) \
             VALUES ($1, $2, $3, $4, $5)")
        .bind(row.id.to_string())
        .bind(row.name.as_str())
        .bind(row.url.as_deref())
        .bind(&row.created_by)
        .bind(row.created_at.as_millis())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Writes another name and repository of a project; a duplicate error if another one has either.
    pub async fn set_project(&self, tx: &mut Tx, row: &ProjectRow) -> Result<(), StoreError> {
        sql("UPDATE projects SET name = $2, url = $3 WHERE id = $1")
            .bind(row.id.to_string())
            .bind(row.name.as_str())
            .bind(row.url.as_deref())
            .execute(tx)
            .await?;
        Ok(())
    }

    /// Every project, by name.
    pub async fn projects(&self) -> Result<Vec<ProjectRow>, StoreError> {
        let rows = sql("SELECT * FROM projects ORDER BY name").fetch_all::<Flat>(self).await?;
        rows.into_iter().map(ProjectRow::try_from).collect()
    }

    /// Every project, as the transaction sees them.
    pub async fn projects_in(&self, tx: &mut Tx) -> Result<Vec<ProjectRow>, StoreError> {
        let rows = sql("SELECT * FROM projects ORDER BY name").fetch_all::<Flat>(tx).await?;
        rows.into_iter().map(ProjectRow::try_from).collect()
    }

    /// The project with this id.
    pub async fn project(&self, id: ProjectId) -> Result<Option<ProjectRow>, StoreError> {
        let query = sql("SELECT * FROM projects WHERE id = $1").bind(id.to_string());
        query.fetch_optional::<Flat>(self).await?.map(ProjectRow::try_from).transpose()
    }

    /// The same as the transaction sees it.
    pub async fn project_in(
        &self,
        tx: &mut Tx,
        id: ProjectId,
    ) -> Result<Option<ProjectRow>, StoreError> {
        let query = sql("SELECT * FROM projects WHERE id = $1").bind(id.to_string());
        query.fetch_optional::<Flat>(tx).await?.map(ProjectRow::try_from).transpose()
    }

    /// The project with this id, which nobody else changes until the transaction ends.
    pub async fn lock_project(
        &self,
        tx: &mut Tx,
        id: ProjectId,
    ) -> Result<Option<ProjectRow>, StoreError> {
        let query = sql("SELECT * FROM projects WHERE id = $1 FOR UPDATE").bind(id.to_string());
        query.fetch_optional::<Flat>(tx).await?.map(ProjectRow::try_from).transpose()
    }

    /// The project with this name.
    pub async fn project_named(
        &self,
        name: &ProjectName,
    ) -> Result<Option<ProjectRow>, StoreError> {
        let query = sql("SELECT * FROM projects WHERE name = $1").bind(name.as_str());
        query.fetch_optional::<Flat>(self).await?.map(ProjectRow::try_from).transpose()
    }

    /// The project whose repository has this URL.
    pub async fn project_of_url(&self, url: &str) -> Result<Option<ProjectRow>, StoreError> {
        let query = sql("SELECT * FROM projects WHERE url = $1").bind(url);
        query.fetch_optional::<Flat>(self).await?.map(ProjectRow::try_from).transpose()
    }

    /// Forgets a project; its builds stay and belong to none. Whether there was one.
    pub async fn remove_project(&self, tx: &mut Tx, id: ProjectId) -> Result<bool, StoreError> {
        for statement in [
            sql("UPDATE builds SET project_id = NULL WHERE project_id = $1"),
            sql("UPDATE jobs SET project_id = NULL WHERE project_id = $1"),
            sql("DELETE FROM secrets WHERE project_id = $1"),
            sql("DELETE FROM heads WHERE project_id = $1"),
            sql("DELETE FROM watches WHERE project_id = $1"),
            sql("DELETE FROM hooks WHERE project_id = $1"),
            sql("DELETE FROM deliveries WHERE project_id = $1"),
            sql("DELETE FROM logins WHERE project_id = $1"),
            sql("DELETE FROM outbox WHERE project_id = $1"),
            sql("DELETE FROM targets WHERE project_id = $1"),
        ] {
            statement.bind(id.to_string()).execute(&mut *tx).await?;
        }
        let removed = sql("DELETE FROM projects WHERE id = $1 RETURNING id");
        Ok(removed.bind(id.to_string()).fetch_value::<String>(tx).await?.is_some())
    }

    /// The project that a build belongs to; nothing if there is no such build.
    pub async fn project_of_build(&self, build: &str) -> Result<Option<BelongsTo>, StoreError> {
        let query = sql("SELECT project_id FROM builds WHERE id = $1").bind(build);
        project_of(query.fetch_optional::<(Option<String>,)>(self).await?)
    }

    /// The project that a job belongs to; nothing if there is no such job.
    pub async fn project_of_job(&self, job: &str) -> Result<Option<BelongsTo>, StoreError> {
        let query = sql("SELECT builds.project_id FROM jobs JOIN builds \
             ON builds.id = jobs.build_id WHERE jobs.id = $1");
        project_of(query.bind(job).fetch_optional::<(Option<String>,)>(self).await?)
    }
}

fn project_of(found: Option<(Option<String>,)>) -> Result<Option<BelongsTo>, StoreError> {
    let Some((id,)) = found else { return Ok(None) };
    Ok(Some(BelongsTo(id.map(|id| column(TABLE, &id, &id)).transpose()?)))
}
