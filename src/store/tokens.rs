//! Tokens of people and programs: whose, what for, until when; of the token only a hash.

use std::collections::BTreeSet;

use sqlx::FromRow;

use super::{
    Store, StoreError, Tx,
    error::{column, json, to_json},
    sql::sql,
};
use crate::model::{AccountName, ProjectId, Role, Timestamp, TokenId};

const TABLE: &str = "tokens";

/// A token as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenRow {
    /// Its id, which is a part of it.
    pub id: TokenId,
    /// What it is called.
    pub name: AccountName,
    /// Who acts with it.
    pub owner: AccountName,
    /// What it lets do.
    pub role: Role,
    /// The projects it is for; none means all.
    pub projects: Option<BTreeSet<ProjectId>>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
    /// When it was used last, to some minutes.
    pub used_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Flat {
    id: String,
    secret_hash: String,
    name: String,
    owner: String,
    role: String,
    projects: Option<String>,
    created_by: String,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    used_at: Option<i64>,
}

impl TryFrom<Flat> for TokenRow {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        let id = flat.id.as_str();
        let role = Role::from_name(&flat.role);
        Ok(Self {
            id: column(TABLE, id, id)?,
            name: column(TABLE, id, &flat.name)?,
            owner: column(TABLE, id, &flat.owner)?,
            role: role.ok_or_else(|| StoreError::inconsistent(TABLE, id, "unknown role"))?,
            projects: flat.projects.as_deref().map(|text| json(TABLE, id, text)).transpose()?,
            created_by: flat.created_by,
            created_at: Timestamp::from_millis(flat.created_at),
            expires_at: flat.expires_at.map(Timestamp::from_millis),
            revoked_at: flat.revoked_at.map(Timestamp::from_millis),
            used_at: flat.used_at.map(Timestamp::from_millis),
        })
    }
}

impl Store {
    /// Writes a new token; a duplicate error if its owner has one of this name that counts.
    pub async fn insert_token(
        &self,
        tx: &mut Tx,
        row: &TokenRow,
        secret_hash: &str,
    ) -> Result<(), StoreError> {
        sql("INSERT INTO tokens (id, secret_hash, name, owner, role, projects, created_by, \
             created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(row.id.to_string())
        .bind(secret_hash)
        .bind(row.name.as_str())
        .bind(row.owner.as_str())
        .bind(row.role.as_str())
        .bind(row.projects.as_ref().map(to_json))
        .bind(&row.created_by)
        .bind(row.created_at.as_millis())
        .bind(row.expires_at.map(Timestamp::as_millis))
        .execute(tx)
        .await?;
        Ok(())
    }

    /// The token with this id and the hash of its secret part.
    pub async fn token(&self, id: TokenId) -> Result<Option<(TokenRow, String)>, StoreError> {
        let query = sql("SELECT * FROM tokens WHERE id = $1").bind(id.to_string());
        let Some(flat) = query.fetch_optional::<Flat>(self).await? else { return Ok(None) };
        let hash = flat.secret_hash.clone();
        Ok(Some((flat.try_into()?, hash)))
    }

    /// Every token, the newest first.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let rows = sql("SELECT * FROM tokens ORDER BY id DESC").fetch_all::<Flat>(self).await?;
        rows.into_iter().map(TokenRow::try_from).collect()
    }

    /// Takes a token back; whether there is one. Doing it again changes nothing.
    pub async fn revoke_token(
        &self,
        tx: &mut Tx,
        id: TokenId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let query = sql("UPDATE tokens SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1 \
             RETURNING id");
        let found = query.bind(id.to_string()).bind(now.as_millis()).fetch_value::<String>(tx);
        Ok(found.await?.is_some())
    }

    /// Notes that a token was used.
    pub async fn use_token_row(
        &self,
        tx: &mut Tx,
        id: TokenId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sql("UPDATE tokens SET used_at = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(now.as_millis())
            .execute(tx)
            .await?;
        Ok(())
    }
}
