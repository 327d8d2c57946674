//! The installation's id: made once, with the database.

use super::{Store, StoreError};

impl Store {
    /// The id of this installation.
    pub async fn installation(&self) -> Result<String, StoreError> {
        let mut tx = self.begin().await?;
        let found = sqlx::query_scalar::<_, String>("SELECT id FROM installation")
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(id) = found {
            return Ok(id);
        }
        let id = hex::encode(rand::random::<[u8; 16]>());
        sqlx::query("INSERT INTO installation (id) VALUES ($1)")
            .bind(&id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(id)
    }
}
