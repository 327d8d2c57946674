//! Work that one of several servers does at a time, and that is harmless, only wasted, if two do.
//!
//! The lock lives in a transaction of PostgreSQL and ends with it, however its holder ends. On
//! SQLite there is one server, and nothing to lock.

use super::{Store, StoreError, Tx, db::Pools, sql::sql};

/// Held until dropped.
#[derive(Debug)]
pub struct Lock {
    _held: Option<Tx>,
}

impl Store {
    /// Takes the lock of this name, unless another server has it.
    pub async fn try_lock(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        if let Pools::Sqlite { .. } = self.pools {
            return Ok(Some(Lock { _held: None }));
        }
        let mut tx = self.begin().await?;
        let locked = sql("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))")
            .bind(name)
            .fetch_only::<bool>(&mut tx)
            .await?;
        Ok(locked.then_some(Lock { _held: Some(tx) }))
    }
}
