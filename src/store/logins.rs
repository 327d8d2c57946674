//! How the repositories of projects are asked: sealed, and for one host each.

use sqlx::FromRow;

use super::{Store, StoreError, Tx, sql::sql};
use crate::model::{LoginKind, ProjectId, Timestamp};

/// A login as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoginRow {
    /// The host, and the port if it is not the usual one.
    pub host: String,
    /// What it is.
    pub kind: LoginKind,
    /// Sealed.
    pub sealed: Vec<u8>,
    /// Who wrote it last.
    pub updated_by: String,
    /// When.
    pub updated_at: Timestamp,
}

#[derive(FromRow)]
struct Flat {
    host: String,
    kind: String,
    sealed: Vec<u8>,
    updated_by: String,
    updated_at: i64,
}

impl TryFrom<Flat> for LoginRow {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        let unknown = || StoreError::inconsistent("logins", &flat.host, "unknown kind");
        Ok(Self {
            kind: LoginKind::from_name(&flat.kind).ok_or_else(unknown)?,
            host: flat.host,
            sealed: flat.sealed,
            updated_by: flat.updated_by,
            updated_at: Timestamp::from_millis(flat.updated_at),
        })
    }
}

impl Store {
    /// The login of a project, if it has one.
    pub async fn login(
        &self,
        tx: &mut Tx,
        project: ProjectId,
    ) -> Result<Option<LoginRow>, StoreError> {
        let query = sql("SELECT host, kind, sealed, updated_by, updated_at FROM logins \
             WHERE project_id = $1");
        let row = query.bind(project.to_string()).fetch_optional::<Flat>(tx).await?;
        row.map(LoginRow::try_from).transpose()
    }

    /// Writes it.
    pub async fn put_login(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        row: &LoginRow,
    ) -> Result<(), StoreError> {
        sql("INSERT INTO logins (project_id, host, kind, sealed, updated_by, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (project_id) DO UPDATE SET \
             host = excluded.host, kind = excluded.kind, sealed = excluded.sealed, \
             updated_by = excluded.updated_by, updated_at = excluded.updated_at")
        .bind(project.to_string())
        .bind(&row.host)
        .bind(row.kind.as_str())
        .bind(row.sealed.clone())
        .bind(&row.updated_by)
        .bind(row.updated_at.as_millis())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Removes it; whether there was one.
    pub async fn remove_login(&self, tx: &mut Tx, project: ProjectId) -> Result<bool, StoreError> {
        let query = sql("DELETE FROM logins WHERE project_id = $1 RETURNING project_id");
        Ok(query.bind(project.to_string()).fetch_value::<String>(tx).await?.is_some())
    }
}
