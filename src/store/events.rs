//! Events: what followers of `/api/v1/events` get, numbered by a counter that changes in the same
//! transaction as the state they tell of, so that a number can never become visible before a
//! smaller one.
//!
//! Whoever writes events holds the counter until the transaction ends, and with it everybody else
//! who changes something: they are written last, all at once.

use super::{
    Notice, Store, StoreError, Tx,
    error::{int, json, to_json, uint},
    sql::sql,
};
use crate::{
    model::{ProjectId, Timestamp},
    protocol::{Event, EventKind},
};

/// How many events are kept: a client that was away for longer is told to read everything again.
const KEPT: i64 = 10_000;

/// Old events go with every so many new ones.
const FORGET_EVERY: i64 = 100;

impl Store {
    /// Writes events and tells the other servers; the last thing in a transaction.
    pub async fn insert_events(
        &self,
        tx: &mut Tx,
        at: Timestamp,
        kinds: &[EventKind],
    ) -> Result<(), StoreError> {
        if kinds.is_empty() {
            return Ok(());
        }
        let count = int(kinds.len() as u64);
        let last = match tx {
            Tx::Sqlite(_) => self.insert_events_one_by_one(tx, at, kinds).await?,
            // One trip to the server while the counter is held.
            Tx::Postgres(_) => sql(
                "WITH counter AS (UPDATE counters SET value = value + $1 WHERE name = 'events' \
                 RETURNING value - $1 AS before), \
                 written AS (INSERT INTO events (id, at, body) \
                 SELECT counter.before + kinds.place, $2, kinds.body FROM counter, \
                 jsonb_array_elements_text(CAST($3 AS JSONB)) WITH ORDINALITY AS kinds (body, place) \
                 RETURNING id) \
                 SELECT MAX(id), CAST(pg_notify('kiln', $4) AS TEXT) FROM written",
            )
            .bind(count)
            .bind(at.as_millis())
            .bind(to_json(&kinds.iter().map(to_json).collect::<Vec<_>>()))
            .bind(Notice::Change.encode(self.sender))
            .fetch_one::<(i64, String)>(&mut *tx)
            .await?
            .0,
        };
        if (last - count) / FORGET_EVERY != last / FORGET_EVERY {
            sql("DELETE FROM events WHERE id <= $1").bind(last - KEPT).execute(tx).await?;
        }
        Ok(())
    }

    /// Tells that a project is otherwise than it was; the last thing in a transaction.
    pub async fn tell_of_project(
        &self,
        tx: &mut Tx,
        at: Timestamp,
        project: ProjectId,
    ) -> Result<(), StoreError> {
        self.insert_events(tx, at, &[EventKind::Project { project }]).await
    }

    async fn insert_events_one_by_one(
        &self,
        tx: &mut Tx,
        at: Timestamp,
        kinds: &[EventKind],
    ) -> Result<i64, StoreError> {
        let mut last = 0;
        for kind in kinds {
            last =
                sql("UPDATE counters SET value = value + 1 WHERE name = 'events' RETURNING value")
                    .fetch_only::<i64>(&mut *tx)
                    .await?;
            sql("INSERT INTO events (id, at, body) VALUES ($1, $2, $3)")
                .bind(last)
                .bind(at.as_millis())
                .bind(to_json(kind))
                .execute(&mut *tx)
                .await?;
        }
        Ok(last)
    }

    /// Events after number `after`, at most `limit`.
    pub async fn events_after(&self, after: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let rows = sql("SELECT id, at, body FROM events WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(int(after))
            .bind(i64::from(limit))
            .fetch_all::<(i64, i64, String)>(self)
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
        let (oldest, newest) =
            sql("SELECT (SELECT MIN(id) FROM events), value FROM counters WHERE name = 'events'")
                .fetch_one::<(Option<i64>, i64)>(self)
                .await?;
        Ok((oldest.map_or(uint(newest), uint), uint(newest)))
    }
}
