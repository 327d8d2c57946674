//! Queues, what runs and waits in them, and their locks.
//!
//! A queue's lock is PostgreSQL's own (advisory) and not that of its row: whoever waits for it gets
//! it in turn, and claims that share it write nothing. It ends with the transaction. On SQLite whoever
//! writes is alone anyway.

use std::collections::BTreeSet;

use serde::Deserialize;
use sqlx::FromRow;

use super::{
    Store, StoreError, Tx,
    error::{column, json, to_json, uint},
    sql::{dialects, sql},
};
use crate::{
    model::{Label, QueueName, Timestamp},
    protocol::{QueuePause, QueueRules},
};

const TABLE: &str = "queues";

/// A queue as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueRow {
    /// Its name.
    pub name: QueueName,
    /// What it does with jobs.
    pub rules: QueueRules,
    /// Why it gives out none; nothing if it does.
    pub paused: Option<QueuePause>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl QueueRow {
    /// Whether anything is to be counted before a job of it is given out.
    pub const fn has_limits(&self) -> bool {
        self.rules.concurrency.is_some()
            || self.rules.per_project.is_some()
            || self.rules.per_user.is_some()
    }
}

/// How many legs of one share and user run in a queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunningLegs {
    /// The queue.
    pub queue: QueueName,
    /// Whose share they take.
    pub share: String,
    /// Who asked for them.
    pub created_by: String,
    /// How many.
    pub count: u64,
}

/// What a queue has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueCounts {
    /// The queue.
    pub queue: QueueName,
    /// Jobs that wait.
    pub waiting: u64,
    /// Legs that run.
    pub running: u64,
    /// Since when the oldest waits.
    pub oldest_waiting_since: Option<Timestamp>,
}

#[derive(FromRow, Deserialize)]
struct Flat {
    name: String,
    priority: i64,
    concurrency: Option<i64>,
    per_project: Option<i64>,
    per_user: Option<i64>,
    max_waiting: Option<i64>,
    requires: String,
    paused: Option<String>,
    created_at: i64,
}

impl TryFrom<Flat> for QueueRow {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        let name = flat.name.as_str();
        let bad = |problem: &str| StoreError::inconsistent(TABLE, name, problem);
        let limit = |value: Option<i64>, what: &str| {
            value.map(|value| u32::try_from(value).map_err(|_| bad(what))).transpose()
        };
        Ok(Self {
            name: column(TABLE, name, name)?,
            rules: QueueRules {
                priority: i32::try_from(flat.priority).map_err(|_| bad("priority"))?,
                concurrency: limit(flat.concurrency, "concurrency")?,
                per_project: limit(flat.per_project, "per_project")?,
                per_user: limit(flat.per_user, "per_user")?,
                max_waiting: limit(flat.max_waiting, "max_waiting")?,
                requires: json::<BTreeSet<Label>>(TABLE, name, &flat.requires)?,
            },
            paused: flat.paused.as_deref().map(|text| json(TABLE, name, text)).transpose()?,
            created_at: Timestamp::from_millis(flat.created_at),
        })
    }
}

impl Store {
    /// Every queue, by name; from SQLite as one value, as lanes are.
    pub async fn queues(&self, tx: &mut Tx) -> Result<Vec<QueueRow>, StoreError> {
        let query = dialects(
            "SELECT json_group_array(json_object('name', name, 'priority', priority, \
             'concurrency', concurrency, 'per_project', per_project, 'per_user', per_user, \
             'max_waiting', max_waiting, 'requires', requires, 'paused', paused, \
             'created_at', created_at)) FROM queues",
            "SELECT * FROM queues",
        );
        let rows: Vec<Flat> = match tx {
            Tx::Sqlite(_) => json(TABLE, "all", &query.fetch_only::<String>(tx).await?)?,
            Tx::Postgres(_) => query.fetch_all(tx).await?,
        };
        let rows: Result<Vec<_>, _> = rows.into_iter().map(QueueRow::try_from).collect();
        let mut rows = rows?;
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(rows)
    }

    /// The queue with this name.
    pub async fn queue(
        &self,
        tx: &mut Tx,
        name: &QueueName,
    ) -> Result<Option<QueueRow>, StoreError> {
        let query = sql("SELECT * FROM queues WHERE name = $1").bind(name.as_str());
        query.fetch_optional::<Flat>(tx).await?.map(QueueRow::try_from).transpose()
    }

    /// Takes the queue's lock together with others that count nothing: it stays as it is until the
    /// transaction ends.
    pub async fn share_queue(&self, tx: &mut Tx, name: &QueueName) -> Result<(), StoreError> {
        if let Tx::Sqlite(_) = tx {
            return Ok(());
        }
        sql("SELECT TRUE FROM pg_advisory_xact_lock_shared(hashtextextended('queue ' || CAST($1 AS TEXT), 0))")
            .bind(name.as_str())
            .fetch_value::<bool>(tx)
            .await?;
        Ok(())
    }

    /// Takes the queue's lock alone: nobody else takes a job of it, or changes it, until the
    /// transaction ends.
    pub async fn lock_queue(&self, tx: &mut Tx, name: &QueueName) -> Result<(), StoreError> {
        if let Tx::Sqlite(_) = tx {
            return Ok(());
        }
        sql("SELECT TRUE FROM pg_advisory_xact_lock(hashtextextended('queue ' || CAST($1 AS TEXT), 0))")
            .bind(name.as_str())
            .fetch_value::<bool>(tx)
            .await?;
        Ok(())
    }

    /// Takes the lock of the first of these queues that nobody has; nothing if all are taken.
    pub async fn lock_free_queue(
        &self,
        tx: &mut Tx,
        names: &[&QueueName],
    ) -> Result<Option<QueueName>, StoreError> {
        if let Tx::Sqlite(_) = tx {
            return Ok(names.first().map(|name| (*name).clone()));
        }
        // Row after row, until one has it.
        let query = sql("SELECT name FROM jsonb_array_elements_text(CAST($1 AS JSONB)) AS name \
             WHERE pg_try_advisory_xact_lock(hashtextextended('queue ' || name, 0)) LIMIT 1");
        let name = query.bind(to_json(names)).fetch_value::<String>(tx).await?;
        name.map(|name| column(TABLE, &name, &name)).transpose()
    }

    /// Writes a queue's rules, and makes it if it is not there. Whether it is paused stays.
    pub async fn put_queue(
        &self,
        tx: &mut Tx,
        name: &QueueName,
        rules: &QueueRules,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sql(
            "INSERT INTO queues (name, priority, concurrency, per_project, per_user, max_waiting, \
             requires, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (name) DO UPDATE SET priority = $2, concurrency = $3, per_project = $4, \
             per_user = $5, max_waiting = $6, requires = $7",
        )
        .bind(name.as_str())
        .bind(rules.priority)
        .bind(rules.concurrency.map(i64::from))
        .bind(rules.per_project.map(i64::from))
        .bind(rules.per_user.map(i64::from))
        .bind(rules.max_waiting.map(i64::from))
        .bind(to_json(&rules.requires))
        .bind(now.as_millis())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Writes why a queue gives out no jobs, or that it does; whether there is such a queue.
    pub async fn set_queue_pause(
        &self,
        tx: &mut Tx,
        name: &QueueName,
        pause: Option<&QueuePause>,
    ) -> Result<bool, StoreError> {
        let query = sql("UPDATE queues SET paused = $2 WHERE name = $1");
        Ok(query.bind(name.as_str()).bind(pause.map(to_json)).execute(tx).await? > 0)
    }

    /// Forgets a queue.
    pub async fn remove_queue(&self, tx: &mut Tx, name: &QueueName) -> Result<(), StoreError> {
        sql("DELETE FROM queues WHERE name = $1").bind(name.as_str()).execute(tx).await?;
        Ok(())
    }

    /// What runs in queues with limits.
    pub async fn running_legs(&self, tx: &mut Tx) -> Result<Vec<RunningLegs>, StoreError> {
        let query = sql("SELECT queue, share, created_by, COUNT(*) FROM jobs \
             WHERE state = 'running' AND kind = 'leg' AND queue IN (SELECT name FROM queues \
             WHERE concurrency IS NOT NULL OR per_project IS NOT NULL OR per_user IS NOT NULL) \
             GROUP BY queue, share, created_by");
        running(query.fetch_all(tx).await?)
    }

    /// What runs in these queues.
    pub async fn running_legs_of(
        &self,
        tx: &mut Tx,
        names: &[&QueueName],
    ) -> Result<Vec<RunningLegs>, StoreError> {
        let query = dialects(
            "SELECT queue, share, created_by, COUNT(*) FROM jobs \
             WHERE state = 'running' AND kind = 'leg' \
             AND queue IN (SELECT value FROM json_each($1)) GROUP BY queue, share, created_by",
            "SELECT queue, share, created_by, COUNT(*) FROM jobs \
             WHERE state = 'running' AND kind = 'leg' \
             AND queue = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))) \
             GROUP BY queue, share, created_by",
        );
        running(query.bind(to_json(names)).fetch_all(tx).await?)
    }

    /// How many jobs wait in a queue, counted no further than `most`.
    pub async fn waiting_in(
        &self,
        tx: &mut Tx,
        name: &QueueName,
        most: u32,
    ) -> Result<u64, StoreError> {
        let query = sql("SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE state = 'queued' \
             AND kind IN ('plan', 'leg') AND queue = $1 LIMIT $2) AS waiting");
        Ok(uint(query.bind(name.as_str()).bind(most).fetch_only::<i64>(tx).await?))
    }

    /// Whether a job of the queue has not ended.
    pub async fn is_queue_used(&self, tx: &mut Tx, name: &QueueName) -> Result<bool, StoreError> {
        let query = sql("SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE state = 'queued' \
             AND kind IN ('plan', 'leg') AND queue = $1 LIMIT 1) AS waiting) \
             + (SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE state = 'running' \
             AND kind IN ('plan', 'leg') AND queue = $1 LIMIT 1) AS running)");
        Ok(query.bind(name.as_str()).fetch_only::<i64>(tx).await? > 0)
    }

    /// What waits and runs in every queue that has something.
    pub async fn queue_counts(&self, tx: &mut Tx) -> Result<Vec<QueueCounts>, StoreError> {
        let waiting = sql("SELECT queue, COUNT(*), MIN(queued_since) FROM jobs \
             WHERE state = 'queued' GROUP BY queue");
        let waiting = waiting.fetch_all::<(String, i64, Option<i64>)>(&mut *tx).await?;
        let running = sql("SELECT queue, COUNT(*) FROM jobs \
             WHERE state = 'running' AND kind = 'leg' GROUP BY queue");
        let running = running.fetch_all::<(String, i64)>(tx).await?;
        let mut counts = Vec::new();
        for (name, waiting, since) in waiting {
            counts.push(QueueCounts {
                queue: column("jobs", &name, &name)?,
                waiting: uint(waiting),
                running: 0,
                oldest_waiting_since: since.map(Timestamp::from_millis),
            });
        }
        for (name, running) in running {
            let queue: QueueName = column("jobs", &name, &name)?;
            let running = uint(running);
            match counts.iter_mut().find(|counts| counts.queue == queue) {
                Some(counts) => counts.running = running,
                None => counts.push(QueueCounts {
                    queue,
                    waiting: 0,
                    running,
                    oldest_waiting_since: None,
                }),
            }
        }
        Ok(counts)
    }
}

fn running(rows: Vec<(String, String, String, i64)>) -> Result<Vec<RunningLegs>, StoreError> {
    let legs = |(queue, share, created_by, count): (String, _, _, _)| {
        let queue = column("jobs", &queue, &queue)?;
        Ok(RunningLegs { queue, share, created_by, count: uint(count) })
    };
    rows.into_iter().map(legs).collect()
}
