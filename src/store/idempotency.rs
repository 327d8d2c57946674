//! Idempotency keys: a submission that is sent twice makes one build.

use super::{Store, StoreError, Tx, error::column, sql::sql};
use crate::model::{BuildId, Timestamp};

impl Store {
    /// The body's hash and the build of a key that this principal has used.
    pub async fn idempotent_build(
        &self,
        tx: &mut Tx,
        principal: &str,
        key: &str,
    ) -> Result<Option<(String, BuildId)>, StoreError> {
        let row = sql(
            "SELECT body_hash, build_id FROM idempotency_keys WHERE principal = $1 AND key = $2",
        )
        .bind(principal)
        .bind(key)
        .fetch_optional::<(String, String)>(&mut *tx)
        .await?;
        row.map(|(hash, id)| Ok((hash, column("idempotency_keys", &id, &id)?))).transpose()
    }

    /// Notes that this principal uses a key; false if it was used before, by somebody who was
    /// faster. Waits for one who is about to.
    pub async fn insert_idempotency_key(
        &self,
        tx: &mut Tx,
        principal: &str,
        key: &str,
        body_hash: &str,
        build: BuildId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let inserted =
            sql("INSERT INTO idempotency_keys (principal, key, body_hash, build_id, created_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (principal, key) DO NOTHING")
            .bind(principal)
            .bind(key)
            .bind(body_hash)
            .bind(build.to_string())
            .bind(now.as_millis())
            .execute(&mut *tx)
            .await?;
        Ok(inserted > 0)
    }

    /// Forgets keys that are older than `before`.
    pub async fn forget_idempotency_keys(
        &self,
        tx: &mut Tx,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        sql("DELETE FROM idempotency_keys WHERE created_at < $1")
            .bind(before.as_millis())
            .execute(&mut *tx)
            .await?;
        Ok(())
    }
}
