//! Uploaded trees: who may build which, until when, and which object holds it.

use std::collections::HashSet;

use sqlx::FromRow;

use super::{Store, StoreError, Tx, error::column, sql::sql};
use crate::model::{Timestamp, TreeDigest};

const TABLE: &str = "uploads";

/// An upload as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UploadRow {
    /// The tree's digest.
    pub digest: TreeDigest,
    /// Who uploaded it, and may build it.
    pub created_by: String,
    /// When it was uploaded first.
    pub created_at: Timestamp,
    /// Until when it is kept if no build refers to it.
    pub expires_at: Timestamp,
    /// The object that holds it.
    pub object: String,
    /// The object's size in bytes.
    pub object_bytes: u64,
    /// Entries of the tree.
    pub entries: u64,
    /// Bytes of its files together.
    pub bytes: u64,
}

#[derive(FromRow)]
struct Flat {
    digest: String,
    created_by: String,
    created_at: i64,
    expires_at: i64,
    object_id: String,
    object_bytes: i64,
    entries: i64,
    bytes: i64,
}

impl TryFrom<Flat> for UploadRow {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        let id = flat.digest.as_str();
        let count = |number: i64| {
            u64::try_from(number).map_err(|error| StoreError::inconsistent(TABLE, id, error))
        };
        Ok(Self {
            digest: column(TABLE, id, id)?,
            created_at: Timestamp::from_millis(flat.created_at),
            expires_at: Timestamp::from_millis(flat.expires_at),
            object_bytes: count(flat.object_bytes)?,
            entries: count(flat.entries)?,
            bytes: count(flat.bytes)?,
            created_by: flat.created_by,
            object: flat.object_id,
        })
    }
}

impl Store {
    /// The upload that this principal may build.
    pub async fn upload(
        &self,
        tx: &mut Tx,
        digest: &TreeDigest,
        created_by: &str,
    ) -> Result<Option<UploadRow>, StoreError> {
        let query = sql("SELECT * FROM uploads WHERE digest = $1 AND created_by = $2");
        let flat =
            query.bind(digest.as_str()).bind(created_by).fetch_optional::<Flat>(&mut *tx).await?;
        flat.map(UploadRow::try_from).transpose()
    }

    /// The upload that this principal may build, kept until `until` at least: for a build that is
    /// about to refer to it.
    pub async fn use_upload(
        &self,
        tx: &mut Tx,
        (digest, created_by): (&TreeDigest, &str),
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        // Changed and not only locked, so that a sweep that waits for the row looks at it again.
        let changed = sql(
            "UPDATE uploads SET expires_at = CASE WHEN expires_at < $3 THEN $3 ELSE expires_at END \
             WHERE digest = $1 AND created_by = $2",
        )
        .bind(digest.as_str())
        .bind(created_by)
        .bind(until.as_millis())
        .execute(tx)
        .await?;
        Ok(changed > 0)
    }

    /// Lets nobody else take in or forget an upload until the transaction ends: they share objects.
    pub async fn lock_uploads(&self, tx: &mut Tx) -> Result<(), StoreError> {
        sql("SELECT value FROM counters WHERE name = 'uploads' FOR UPDATE")
            .fetch_value::<i64>(tx)
            .await?;
        Ok(())
    }

    /// Any upload of this tree, whoever made it: they share the object.
    pub async fn upload_of_anybody(
        &self,
        tx: &mut Tx,
        digest: &TreeDigest,
    ) -> Result<Option<UploadRow>, StoreError> {
        let query = sql("SELECT * FROM uploads WHERE digest = $1 LIMIT 1");
        let flat = query.bind(digest.as_str()).fetch_optional::<Flat>(&mut *tx).await?;
        flat.map(UploadRow::try_from).transpose()
    }

    /// Writes an upload; one that is there already is kept longer.
    pub async fn put_upload(&self, tx: &mut Tx, row: &UploadRow) -> Result<(), StoreError> {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        sql("INSERT INTO uploads (digest, created_by, created_at, expires_at, object_id, \
             object_bytes, entries, bytes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (digest, created_by) DO UPDATE SET expires_at = excluded.expires_at")
        .bind(row.digest.as_str())
        .bind(&row.created_by)
        .bind(row.created_at.as_millis())
        .bind(row.expires_at.as_millis())
        .bind(&row.object)
        .bind(whole(row.object_bytes))
        .bind(whole(row.entries))
        .bind(whole(row.bytes))
        .execute(&mut *tx)
        .await?;
        Ok(())
    }

    /// Forgets uploads whose time is over and that no build refers to. Answers the objects that
    /// nobody refers to any more: once this is committed, they can go.
    pub async fn forget_uploads(
        &self,
        tx: &mut Tx,
        now: Timestamp,
    ) -> Result<Vec<(TreeDigest, String)>, StoreError> {
        let forgotten = sql("DELETE FROM uploads WHERE expires_at < $1 AND NOT EXISTS \
             (SELECT 1 FROM builds WHERE builds.commit_id = 'tree-' || uploads.digest \
             AND builds.upload_expired_at IS NULL) \
             RETURNING digest, object_id")
        .bind(now.as_millis())
        .fetch_all::<(String, String)>(&mut *tx)
        .await?;
        let mut objects = Vec::new();
        for (digest, object) in forgotten.into_iter().collect::<HashSet<_>>() {
            let digest: TreeDigest = column(TABLE, &digest, &digest)?;
            if self.upload_of_anybody(tx, &digest).await?.is_none() {
                objects.push((digest, object));
            }
        }
        Ok(objects)
    }

    /// Every object that an upload refers to.
    pub async fn upload_objects(&self) -> Result<HashSet<String>, StoreError> {
        let query = sql("SELECT DISTINCT object_id FROM uploads");
        Ok(query.fetch_column::<String>(self).await?.into_iter().collect())
    }
}
