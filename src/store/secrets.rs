//! Secrets of projects, sealed; the key that seals them is not here.

use sqlx::FromRow;

use super::{
    Store, StoreError, Tx,
    error::{column, json, to_json},
    sql::sql,
};
use crate::model::{ProjectId, RefPattern, SecretForm, SecretName, StepName, Timestamp};

const TABLE: &str = "secrets";

/// A secret as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretRow {
    /// Its name.
    pub name: SecretName,
    /// How steps get it.
    pub form: SecretForm,
    /// Which steps get it; none means all.
    pub steps: Vec<StepName>,
    /// Nonce, sealed value, tag.
    pub sealed: Vec<u8>,
    /// Who wrote it last.
    pub updated_by: String,
    /// When.
    pub updated_at: Timestamp,
}

#[derive(FromRow)]
struct Flat {
    name: String,
    form: String,
    steps: String,
    sealed: Vec<u8>,
    updated_by: String,
    updated_at: i64,
}

impl TryFrom<Flat> for SecretRow {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        let form = SecretForm::ALL.into_iter().find(|form| form.as_str() == flat.form);
        let unknown = || StoreError::inconsistent(TABLE, &flat.name, "unknown form");
        Ok(Self {
            name: column(TABLE, &flat.name, &flat.name)?,
            form: form.ok_or_else(unknown)?,
            steps: json(TABLE, &flat.name, &flat.steps)?,
            sealed: flat.sealed,
            updated_by: flat.updated_by,
            updated_at: Timestamp::from_millis(flat.updated_at),
        })
    }
}

impl Store {
    /// The id of the key that all values are sealed with, if there is one; whoever asks is alone with
    /// it until the transaction ends.
    pub async fn lock_secrets_key(&self, tx: &mut Tx) -> Result<Option<String>, StoreError> {
        let query = sql("SELECT secrets_key FROM installation FOR UPDATE");
        Ok(query.fetch_optional::<(Option<String>,)>(tx).await?.and_then(|(id,)| id))
    }

    /// Writes which key it is.
    pub async fn set_secrets_key(&self, tx: &mut Tx, id: &str) -> Result<(), StoreError> {
        sql("UPDATE installation SET secrets_key = $1").bind(id).execute(tx).await?;
        Ok(())
    }

    /// Whether anything is sealed.
    pub async fn has_secrets(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(!self.sealed_values(tx).await?.is_empty())
    }

    /// The secrets of a project, by name.
    pub async fn secrets(
        &self,
        tx: &mut Tx,
        project: ProjectId,
    ) -> Result<Vec<SecretRow>, StoreError> {
        let query = sql("SELECT name, form, steps, sealed, updated_by, updated_at FROM secrets \
             WHERE project_id = $1 ORDER BY name");
        let rows = query.bind(project.to_string()).fetch_all::<Flat>(tx).await?;
        rows.into_iter().map(SecretRow::try_from).collect()
    }

    /// Writes a secret, in place of the one that has its name.
    pub async fn put_secret(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        row: &SecretRow,
    ) -> Result<(), StoreError> {
        sql("INSERT INTO secrets (project_id, name, form, steps, sealed, updated_by, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (project_id, name) DO UPDATE SET \
             form = excluded.form, steps = excluded.steps, sealed = excluded.sealed, \
             updated_by = excluded.updated_by, updated_at = excluded.updated_at")
        .bind(project.to_string())
        .bind(row.name.as_str())
        .bind(row.form.as_str())
        .bind(to_json(&row.steps))
        .bind(row.sealed.clone())
        .bind(&row.updated_by)
        .bind(row.updated_at.as_millis())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Removes a secret; whether there was one.
    pub async fn remove_secret(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        name: &SecretName,
    ) -> Result<bool, StoreError> {
        let query = sql("DELETE FROM secrets WHERE project_id = $1 AND name = $2 RETURNING name");
        let query = query.bind(project.to_string()).bind(name.as_str());
        Ok(query.fetch_value::<String>(tx).await?.is_some())
    }

    /// The refs of a project whose builds get its secrets, as far as it says.
    pub async fn trusted_refs(
        &self,
        tx: &mut Tx,
        project: ProjectId,
    ) -> Result<Option<Vec<RefPattern>>, StoreError> {
        let id = project.to_string();
        let query = sql("SELECT trusted_refs FROM projects WHERE id = $1").bind(id.clone());
        let row = query.fetch_optional::<(Option<String>,)>(tx).await?;
        row.and_then(|(text,)| text).map(|text| json("projects", &id, &text)).transpose()
    }

    /// Writes them; none means that it is as where nothing is said.
    pub async fn set_trusted_refs(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        refs: Option<&[RefPattern]>,
    ) -> Result<(), StoreError> {
        sql("UPDATE projects SET trusted_refs = $2 WHERE id = $1")
            .bind(project.to_string())
            .bind(refs.map(to_json))
            .execute(tx)
            .await?;
        Ok(())
    }
}
