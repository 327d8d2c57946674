//! The audit log: who changed what, when, from where. Lines are only added, and forgotten by age.

use std::fmt::Write as _;

use sqlx::FromRow;

use super::{
    Store, StoreError, Tx,
    error::column,
    sql::{Value, composed, sql},
};
use crate::{
    model::{AuditId, Timestamp},
    protocol::AuditEntry,
};

const TABLE: &str = "audit";

#[derive(FromRow)]
struct Flat {
    id: String,
    at: i64,
    actor: String,
    token: Option<String>,
    address: String,
    action: String,
    object: String,
    status: i64,
    request: String,
}

impl TryFrom<Flat> for AuditEntry {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        let id = flat.id.as_str();
        Ok(Self {
            id: column(TABLE, id, id)?,
            at: Timestamp::from_millis(flat.at),
            token: flat.token.as_deref().map(|text| column(TABLE, id, text)).transpose()?,
            status: u16::try_from(flat.status)
                .map_err(|_| StoreError::inconsistent(TABLE, id, "status"))?,
            actor: flat.actor,
            address: flat.address,
            action: flat.action,
            object: flat.object,
            request: flat.request,
        })
    }
}

impl Store {
    /// Adds a line.
    pub async fn insert_audit(&self, tx: &mut Tx, entry: &AuditEntry) -> Result<(), StoreError> {
        sql("INSERT INTO audit (id, at, actor, token, address, action, object, status, request) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(entry.id.to_string())
        .bind(entry.at.as_millis())
        .bind(&entry.actor)
        .bind(entry.token.map(|id| id.to_string()))
        .bind(&entry.address)
        .bind(&entry.action)
        .bind(&entry.object)
        .bind(i64::from(entry.status))
        .bind(&entry.request)
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Lines, the newest first, those before `before` only.
    pub async fn audit(
        &self,
        actor: Option<&str>,
        before: Option<AuditId>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let mut text = "SELECT * FROM audit WHERE TRUE".to_owned();
        let mut values: Vec<Value> = Vec::new();
        if let Some(actor) = actor {
            values.push(actor.into());
            text.push_str(" AND actor = $1");
        }
        if let Some(before) = before {
            values.push(before.to_string().into());
            let _ = write!(text, " AND id < ${}", values.len());
        }
        values.push(i64::from(limit).into());
        let _ = write!(text, " ORDER BY id DESC LIMIT ${}", values.len());
        let rows = composed(text, values).fetch_all::<Flat>(self).await?;
        rows.into_iter().map(AuditEntry::try_from).collect()
    }

    /// Forgets a thousand lines that are older than `before`; how many there were.
    pub async fn forget_audit(&self, tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
        let query = sql("DELETE FROM audit WHERE id IN \
             (SELECT id FROM audit WHERE at < $1 ORDER BY id LIMIT 1000) RETURNING id");
        let gone = query.bind(before.as_millis()).fetch_column::<String>(tx).await?;
        Ok(gone.len() as u64)
    }
}
