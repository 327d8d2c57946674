//! Events: what followers of `/api/v1/events` get, numbered by a counter that changes in the same
//! transaction as the state they tell of, so that a number can never become visible before a
//! smaller one.

use super::{
    Store, StoreError, Tx,
    error::{int, json, to_json, uint},
};
use crate::{
    model::Timestamp,
    protocol::{Event, EventKind},
};

/// How many events are kept: a client that was away for longer is told to read everything again.
const KEPT: i64 = 10_000;

impl Store {
    /// Writes an event and answers its number.
    pub async fn insert_event(
        &self,
        tx: &mut Tx,
        at: Timestamp,
        kind: &EventKind,
    ) -> Result<u64, StoreError> {
        let id = sqlx::query_scalar::<_, i64>(
            "UPDATE counters SET value = value + 1 WHERE name = 'events' RETURNING value",
        )
        .fetch_one(&mut **tx)
        .await?;
        sqlx::query("INSERT INTO events (id, at, body) VALUES ($1, $2, $3)")
            .bind(id)
            .bind(at.as_millis())
            .bind(to_json(kind))
            .execute(&mut **tx)
            .await?;
        if id % 100 == 0 {
            sqlx::query("DELETE FROM events WHERE id <= $1")
                .bind(id - KEPT)
                .execute(&mut **tx)
                .await?;
        }
        Ok(uint(id))
    }

    /// Events after number `after`, at most `limit`.
    pub async fn events_after(&self, after: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let rows = sqlx::query_as::<_, (i64, i64, String)>(
            "SELECT id, at, body FROM events WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(int(after))
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|(id, at, body)| {
                let kind = json("events", &id.to_string(), &body)?;
                Ok(Event { id: uint(id), at: Timestamp::from_millis(at), kind })
            })
            .collect()
    }

    /// The numbers of the oldest event that is kept and of the newest there ever was.
    pub async fn event_bounds(&self) -> Result<(u64, u64), StoreError> {
        let (oldest, newest) = sqlx::query_as::<_, (Option<i64>, i64)>(
            "SELECT (SELECT MIN(id) FROM events), value FROM counters WHERE name = 'events'",
        )
        .fetch_one(&self.reader)
        .await?;
        Ok((oldest.map_or(uint(newest), uint), uint(newest)))
    }
}
