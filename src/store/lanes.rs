//! Lanes: the jobs of one kind, queue, share, user and priority, which wait behind each other.
//!
//! A claim compares lanes, not jobs: there are few of them however much waits, and the first job of
//! one is found by an index. A row stays for a while after its lane is empty; what counts is that a
//! waiting job always has one, which is written in the transaction that lets it wait.

use super::{
    Fit, JobRow, Store, StoreError, Tx,
    claims::fitting,
    error::{column, json, to_json, uint},
    sql::{Sql, dialects, sql},
};
use crate::{
    model::{JobId, QueueName, Timestamp},
    protocol::JobKind,
};

const TABLE: &str = "lanes";

/// Which lane.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Lane {
    /// Plans and legs wait apart.
    pub kind: JobKind,
    /// The queue.
    pub queue: QueueName,
    /// Whose share of the farm its jobs take.
    pub share: String,
    /// Who asked for them.
    pub created_by: String,
    /// Their priority.
    pub priority: i32,
}

/// A lane as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LaneRow {
    /// Which one.
    pub lane: Lane,
    /// Since when somebody waits in it.
    pub since: Timestamp,
    /// When one of it was last taken.
    pub served_at: Timestamp,
}

/// A row as it comes: kind, queue, share, user, priority, since, served at.
type Flat = (String, String, String, String, i64, i64, i64);

impl TryFrom<Flat> for LaneRow {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        let (kind, queue, share, created_by, priority, since, served_at) = flat;
        let bad = |problem| StoreError::inconsistent(TABLE, &share, problem);
        Ok(Self {
            lane: Lane {
                kind: JobKind::from_name(&kind).ok_or_else(|| bad("unknown kind"))?,
                queue: column(TABLE, &share, &queue)?,
                priority: i32::try_from(priority).map_err(|_| bad("priority"))?,
                share,
                created_by,
            },
            since: Timestamp::from_millis(since),
            served_at: Timestamp::from_millis(served_at),
        })
    }
}

impl Lane {
    /// The values of the key's columns, in their order.
    fn bind(&self, query: Sql) -> Sql {
        query
            .bind(self.kind.as_str())
            .bind(self.queue.as_str())
            .bind(&self.share)
            .bind(&self.created_by)
            .bind(self.priority)
    }
}

impl Store {
    /// Every lane. Some are empty.
    pub async fn lanes(&self, tx: &mut Tx) -> Result<Vec<LaneRow>, StoreError> {
        let query = dialects(
            "SELECT json_group_array(json_array(kind, queue, share, created_by, priority, since, \
             served_at)) FROM lanes",
            "SELECT kind, queue, share, created_by, priority, since, served_at FROM lanes",
        );
        rows(query, tx).await
    }

    /// The lanes in which legs of one queue wait.
    pub async fn lanes_of(
        &self,
        tx: &mut Tx,
        queue: &QueueName,
    ) -> Result<Vec<LaneRow>, StoreError> {
        let query = dialects(
            "SELECT json_group_array(json_array(kind, queue, share, created_by, priority, since, \
             served_at)) FROM lanes WHERE kind = 'leg' AND queue = $1",
            "SELECT kind, queue, share, created_by, priority, since, served_at FROM lanes \
             WHERE kind = 'leg' AND queue = $1",
        );
        rows(query.bind(queue.as_str()), tx).await
    }

    /// Notes that a job is about to wait in a lane. The row is always written, so that whoever is
    /// forgetting empty lanes sees that this one is not.
    pub async fn enter_lane(
        &self,
        tx: &mut Tx,
        lane: &Lane,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let query =
            sql("INSERT INTO lanes (kind, queue, share, created_by, priority, since, served_at, \
             touched_at) VALUES ($1, $2, $3, $4, $5, $6, 0, $6) \
             ON CONFLICT (kind, queue, share, created_by, priority) DO UPDATE SET \
             touched_at = $6, since = CASE WHEN EXISTS (SELECT 1 FROM jobs \
             WHERE jobs.state = 'queued' AND jobs.kind = lanes.kind AND jobs.queue = lanes.queue \
             AND jobs.share = lanes.share AND jobs.created_by = lanes.created_by \
             AND jobs.priority = lanes.priority) THEN lanes.since ELSE $6 END");
        lane.bind(query).bind(now.as_millis()).execute(tx).await?;
        Ok(())
    }

    /// Notes that a job of a lane was taken.
    pub async fn serve_lane(
        &self,
        tx: &mut Tx,
        lane: &Lane,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let query = sql("UPDATE lanes SET served_at = $6, touched_at = $6 WHERE kind = $1 \
             AND queue = $2 AND share = $3 AND created_by = $4 AND priority = $5");
        lane.bind(query).bind(now.as_millis()).execute(tx).await?;
        Ok(())
    }

    /// Which of these lanes of one kind, as places in the list, have a job that is to be given out to
    /// such an agent.
    pub async fn waiting_lanes(
        &self,
        tx: &mut Tx,
        (kind, lanes): (JobKind, &[&Lane]),
        fit: &Fit,
        now: Timestamp,
    ) -> Result<Vec<usize>, StoreError> {
        let keys: Vec<_> = lanes
            .iter()
            .map(|lane| (&lane.queue, &lane.share, &lane.created_by, lane.priority))
            .collect();
        let query = match kind {
            JobKind::Plan => waiting_plans(),
            JobKind::Leg => waiting_legs(),
        };
        let query = fitting(query.bind(now.as_millis()).bind(to_json(&keys)), kind, fit);
        let mut places: Vec<usize> = query
            .fetch_column::<i64>(tx)
            .await?
            .into_iter()
            .filter_map(|place| usize::try_from(place).ok())
            .collect();
        places.sort_unstable();
        Ok(places)
    }

    /// The first job of a lane that such an agent can take, locked together with its build. What
    /// others are about to take is passed over.
    pub async fn lock_waiting(
        &self,
        tx: &mut Tx,
        lane: &Lane,
        fit: &Fit,
        now: Timestamp,
    ) -> Result<Option<JobId>, StoreError> {
        let query = match lane.kind {
            JobKind::Plan => first_plan(),
            JobKind::Leg => first_leg(),
        };
        let query = query
            .bind(now.as_millis())
            .bind(lane.queue.as_str())
            .bind(&lane.share)
            .bind(&lane.created_by)
            .bind(lane.priority);
        let id = fitting(query, lane.kind, fit).fetch_value::<String>(tx).await?;
        id.map(|id| column("jobs", &id, &id)).transpose()
    }

    /// How many jobs of its lane are before this one, counted no further than `most`.
    pub async fn waiting_before(
        &self,
        tx: &mut Tx,
        row: &JobRow,
        most: u32,
    ) -> Result<u64, StoreError> {
        let query = sql("SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE state = 'queued' \
             AND kind = $1 AND queue = $2 AND share = $3 AND created_by = $4 AND priority = $5 \
             AND (created_at, leg, id) < ($6, $7, $8) LIMIT $9) AS before");
        let query = row
            .job
            .lane()
            .bind(query)
            .bind(row.job.created_at.as_millis())
            .bind(row.job.leg)
            .bind(row.job.id.to_string())
            .bind(most);
        Ok(uint(query.fetch_only::<i64>(tx).await?))
    }

    /// Forgets lanes that are empty and were not written since.
    pub async fn forget_lanes(&self, tx: &mut Tx, since: Timestamp) -> Result<u64, StoreError> {
        sql("DELETE FROM lanes WHERE touched_at < $1 AND NOT EXISTS (SELECT 1 FROM jobs \
             WHERE jobs.state = 'queued' AND jobs.kind = lanes.kind AND jobs.queue = lanes.queue \
             AND jobs.share = lanes.share AND jobs.created_by = lanes.created_by \
             AND jobs.priority = lanes.priority)")
        .bind(since.as_millis())
        .execute(tx)
        .await
    }

    /// Makes the lanes of waiting jobs that have none; answers how many there were.
    pub async fn mend_lanes(&self, tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
        sql("INSERT INTO lanes (kind, queue, share, created_by, priority, since, served_at, \
             touched_at) SELECT DISTINCT kind, queue, share, created_by, priority, \
             CAST($1 AS BIGINT), 0, CAST($1 AS BIGINT) FROM jobs WHERE state = 'queued' \
             ON CONFLICT (kind, queue, share, created_by, priority) DO NOTHING")
        .bind(now.as_millis())
        .execute(tx)
        .await
    }
}

/// Lanes as they come. SQLite gives them as one value: what its driver does for each row is more work
/// than a lane is, and every claim reads all of them.
async fn rows(query: Sql, tx: &mut Tx) -> Result<Vec<LaneRow>, StoreError> {
    let rows: Vec<Flat> = match tx {
        Tx::Sqlite(_) => json(TABLE, "all", &query.fetch_only::<String>(tx).await?)?,
        Tx::Postgres(_) => query.fetch_all(tx).await?,
    };
    rows.into_iter().map(LaneRow::try_from).collect()
}

// `ORDER BY … LIMIT` has PostgreSQL look at the first job of each lane, by the index, and not through
// the table for any that is in a lane.

fn waiting_plans() -> Sql {
    dialects(
        "SELECT lane.key FROM json_each($2) AS lane WHERE EXISTS (SELECT 1 FROM jobs \
         WHERE state = 'queued' AND kind = 'plan' AND queue = json_extract(lane.value, '$[0]') \
         AND share = json_extract(lane.value, '$[1]') \
         AND created_by = json_extract(lane.value, '$[2]') \
         AND priority = json_extract(lane.value, '$[3]') AND not_before <= $1 \
         AND (requires = '[]' OR requires IN (SELECT value FROM json_each($3))))",
        "SELECT lane.place - 1 FROM jsonb_array_elements(CAST($2 AS JSONB)) \
         WITH ORDINALITY AS lane (it, place) CROSS JOIN LATERAL (SELECT 1 FROM jobs \
         WHERE state = 'queued' AND kind = 'plan' AND queue = lane.it ->> 0 \
         AND share = lane.it ->> 1 AND created_by = lane.it ->> 2 \
         AND priority = CAST(lane.it ->> 3 AS BIGINT) AND not_before <= $1 \
         AND (requires = '[]' \
         OR requires = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($3 AS JSONB))))) \
         ORDER BY created_at, leg, id LIMIT 1) AS job",
    )
}

fn waiting_legs() -> Sql {
    dialects(
        "SELECT lane.key FROM json_each($2) AS lane WHERE EXISTS (SELECT 1 FROM jobs \
         WHERE state = 'queued' AND kind = 'leg' AND queue = json_extract(lane.value, '$[0]') \
         AND share = json_extract(lane.value, '$[1]') \
         AND created_by = json_extract(lane.value, '$[2]') \
         AND priority = json_extract(lane.value, '$[3]') AND not_before <= $1 \
         AND (requires = '[]' OR requires IN (SELECT value FROM json_each($3))) \
         AND toolchain IN (SELECT value FROM json_each($4)) AND memory_bytes <= $5)",
        "SELECT lane.place - 1 FROM jsonb_array_elements(CAST($2 AS JSONB)) \
         WITH ORDINALITY AS lane (it, place) CROSS JOIN LATERAL (SELECT 1 FROM jobs \
         WHERE state = 'queued' AND kind = 'leg' AND queue = lane.it ->> 0 \
         AND share = lane.it ->> 1 AND created_by = lane.it ->> 2 \
         AND priority = CAST(lane.it ->> 3 AS BIGINT) AND not_before <= $1 \
         AND (requires = '[]' \
         OR requires = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($3 AS JSONB))))) \
         AND toolchain = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($4 AS JSONB)))) \
         AND memory_bytes <= $5 ORDER BY created_at, leg, id LIMIT 1) AS job",
    )
}

fn first_plan() -> Sql {
    dialects(
        "SELECT id FROM jobs WHERE state = 'queued' AND kind = 'plan' AND not_before <= $1 \
         AND queue = $2 AND share = $3 AND created_by = $4 AND priority = $5 \
         AND (requires = '[]' OR requires IN (SELECT value FROM json_each($6))) \
         ORDER BY created_at, leg, id LIMIT 1",
        "SELECT jobs.id FROM jobs JOIN builds ON builds.id = jobs.build_id \
         WHERE jobs.state = 'queued' AND jobs.kind = 'plan' AND jobs.not_before <= $1 \
         AND jobs.queue = $2 AND jobs.share = $3 AND jobs.created_by = $4 AND jobs.priority = $5 \
         AND (jobs.requires = '[]' \
         OR jobs.requires = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($6 AS JSONB))))) \
         ORDER BY jobs.created_at, jobs.leg, jobs.id LIMIT 1 FOR UPDATE OF jobs, builds SKIP LOCKED",
    )
}

fn first_leg() -> Sql {
    dialects(
        "SELECT id FROM jobs WHERE state = 'queued' AND kind = 'leg' AND not_before <= $1 \
         AND queue = $2 AND share = $3 AND created_by = $4 AND priority = $5 \
         AND (requires = '[]' OR requires IN (SELECT value FROM json_each($6))) \
         AND toolchain IN (SELECT value FROM json_each($7)) AND memory_bytes <= $8 \
         ORDER BY created_at, leg, id LIMIT 1",
        "SELECT jobs.id FROM jobs JOIN builds ON builds.id = jobs.build_id \
         WHERE jobs.state = 'queued' AND jobs.kind = 'leg' AND jobs.not_before <= $1 \
         AND jobs.queue = $2 AND jobs.share = $3 AND jobs.created_by = $4 AND jobs.priority = $5 \
         AND (jobs.requires = '[]' \
         OR jobs.requires = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($6 AS JSONB))))) \
         AND jobs.toolchain = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($7 AS JSONB)))) \
         AND jobs.memory_bytes <= $8 \
         ORDER BY jobs.created_at, jobs.leg, jobs.id LIMIT 1 FOR UPDATE OF jobs, builds SKIP LOCKED",
    )
}
