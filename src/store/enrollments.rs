//! Enrollment tokens: the hashes of those that let agents in, and how often they did.

use sqlx::FromRow;

use super::{
    Store, StoreError, Tx,
    error::{column, json, to_json, uint},
    sql::sql,
};
use crate::{
    model::{EnrollmentId, Timestamp},
    protocol::EnrollmentView,
};

const TABLE: &str = "enrollments";

#[derive(FromRow)]
struct Flat {
    id: String,
    created_by: String,
    created_at: i64,
    expires_at: Option<i64>,
    uses_allowed: Option<i64>,
    uses: i64,
    labels: String,
    name_prefix: String,
    note: String,
    revoked: bool,
}

impl TryFrom<Flat> for EnrollmentView {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        let count = |number: i64| u32::try_from(uint(number)).unwrap_or(u32::MAX);
        Ok(Self {
            id: column(TABLE, &flat.id, &flat.id)?,
            created_at: Timestamp::from_millis(flat.created_at),
            expires_at: flat.expires_at.map(Timestamp::from_millis),
            uses_allowed: flat.uses_allowed.map(count),
            uses: count(flat.uses),
            labels: json(TABLE, &flat.id, &flat.labels)?,
            created_by: flat.created_by,
            name_prefix: flat.name_prefix,
            note: flat.note,
            revoked: flat.revoked,
        })
    }
}

impl Store {
    /// Writes a new token; one that is there already, by its hash, stays as it is.
    pub async fn put_enrollment(
        &self,
        tx: &mut Tx,
        token_hash: &str,
        row: &EnrollmentView,
    ) -> Result<(), StoreError> {
        sql("INSERT INTO enrollments (id, token_hash, created_by, created_at, expires_at, \
             uses_allowed, uses, labels, name_prefix, note, revoked) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (token_hash) DO NOTHING")
        .bind(row.id.to_string())
        .bind(token_hash)
        .bind(&row.created_by)
        .bind(row.created_at.as_millis())
        .bind(row.expires_at.map(Timestamp::as_millis))
        .bind(row.uses_allowed.map(i64::from))
        .bind(row.uses)
        .bind(to_json(&row.labels))
        .bind(&row.name_prefix)
        .bind(&row.note)
        .bind(row.revoked)
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Uses a token once more, if it still lets somebody in.
    pub async fn use_enrollment(
        &self,
        tx: &mut Tx,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<EnrollmentView>, StoreError> {
        let query =
            sql("UPDATE enrollments SET uses = uses + 1 WHERE token_hash = $1 AND NOT revoked \
             AND (expires_at IS NULL OR expires_at > $2) \
             AND (uses_allowed IS NULL OR uses < uses_allowed) RETURNING *");
        let flat = query.bind(token_hash).bind(now.as_millis()).fetch_optional::<Flat>(tx).await?;
        flat.map(EnrollmentView::try_from).transpose()
    }

    /// The token with this hash, whether or not it still counts.
    pub async fn enrollment(
        &self,
        tx: &mut Tx,
        token_hash: &str,
    ) -> Result<Option<EnrollmentView>, StoreError> {
        let query = sql("SELECT * FROM enrollments WHERE token_hash = $1").bind(token_hash);
        query.fetch_optional::<Flat>(tx).await?.map(EnrollmentView::try_from).transpose()
    }

    /// Every token, the newest first.
    pub async fn enrollments(&self) -> Result<Vec<EnrollmentView>, StoreError> {
        let rows = sql("SELECT * FROM enrollments ORDER BY id DESC").fetch_all::<Flat>(self);
        rows.await?.into_iter().map(EnrollmentView::try_from).collect()
    }

    /// Takes a token back; whether there was one.
    pub async fn revoke_enrollment(
        &self,
        tx: &mut Tx,
        id: EnrollmentId,
    ) -> Result<bool, StoreError> {
        let query = sql("UPDATE enrollments SET revoked = TRUE WHERE id = $1").bind(id.to_string());
        Ok(query.execute(tx).await? > 0)
    }
}
