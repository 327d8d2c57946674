//! The installation's id: made once, with the database.

use super::{Store, StoreError, sql::sql};

impl Store {
    /// The id of this installation.
    pub async fn installation(&self) -> Result<String, StoreError> {
        let find = || sql("SELECT id FROM installation");
        if let Some(id) = find().fetch_value::<String>(self).await? {
            return Ok(id);
        }
        let mut tx = self.begin().await?;
        // Of servers that start together, one makes it.
        sql("SELECT value FROM counters WHERE name = 'events' FOR UPDATE")
            .fetch_only::<i64>(&mut tx)
            .await?;
        if let Some(id) = find().fetch_value::<String>(&mut tx).await? {
            return Ok(id);
        }
        let id = hex::encode(rand::random::<[u8; 16]>());
        sql("INSERT INTO installation (id) VALUES ($1)").bind(&id).execute(&mut tx).await?;
        tx.commit().await?;
        Ok(id)
    }
}
