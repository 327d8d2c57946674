//! Webhooks of projects: their shared secrets, sealed, and what came in.

use sqlx::FromRow;

use super::{
    Store, StoreError, Tx,
    error::{column, uint},
    sql::sql,
};
use crate::model::{BuildId, DeliveryId, ForgeKind, ProjectId, Timestamp};

const TABLE: &str = "deliveries";
/// Deliveries of a project that are kept.
const KEPT: i64 = 100;
/// And their bytes together.
const KEPT_BYTES: i64 = 16 << 20;

/// The secret that a project shares with its forge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HookRow {
    /// Sealed.
    pub sealed: Vec<u8>,
    /// The one before, sealed, and how long it is good.
    pub previous: Option<(Vec<u8>, Timestamp)>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

/// Something that came in and was signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeliveryRow {
    /// Its number here.
    pub id: DeliveryId,
    /// The project.
    pub project: ProjectId,
    /// The kind of forge.
    pub forge: ForgeKind,
    /// What the forge calls what happened.
    pub event: String,
    /// The forge's own id.
    pub forge_id: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
    /// What became of it; nothing while it waits.
    pub outcome: Option<String>,
    /// The build that was made of it.
    pub build: Option<BuildId>,
    /// When it is worked on next; nothing when that is over.
    pub due_at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
}

#[derive(FromRow)]
struct FlatHook {
    sealed: Vec<u8>,
    previous: Option<Vec<u8>>,
    previous_until: Option<i64>,
    created_by: String,
    created_at: i64,
}

impl From<FlatHook> for HookRow {
    fn from(flat: FlatHook) -> Self {
        Self {
            sealed: flat.sealed,
            previous: flat.previous.zip(flat.previous_until.map(Timestamp::from_millis)),
            created_by: flat.created_by,
            created_at: Timestamp::from_millis(flat.created_at),
        }
    }
}

#[derive(FromRow)]
struct FlatDelivery {
    id: String,
    project_id: String,
    forge: String,
    event: String,
    forge_id: Option<String>,
    received_at: i64,
    outcome: Option<String>,
    build_id: Option<String>,
    due_at: Option<i64>,
    attempts: i64,
}

impl TryFrom<FlatDelivery> for DeliveryRow {
    type Error = StoreError;

    fn try_from(flat: FlatDelivery) -> Result<Self, StoreError> {
        let id = &flat.id;
        Ok(Self {
            id: column(TABLE, id, id)?,
            project: column(TABLE, id, &flat.project_id)?,
            build: flat.build_id.as_deref().map(|build| column(TABLE, id, build)).transpose()?,
            forge: ForgeKind::from_name(&flat.forge)
                .ok_or_else(|| StoreError::inconsistent(TABLE, id, "unknown forge"))?,
            event: flat.event,
            forge_id: flat.forge_id,
            received_at: Timestamp::from_millis(flat.received_at),
            outcome: flat.outcome,
            due_at: flat.due_at.map(Timestamp::from_millis),
            attempts: u32::try_from(uint(flat.attempts)).unwrap_or(u32::MAX),
        })
    }
}

impl Store {
    /// The secret of a project's webhook, if it has one.
    pub async fn hook(
        &self,
        tx: &mut Tx,
        project: ProjectId,
    ) -> Result<Option<HookRow>, StoreError> {
        let query = sql("SELECT sealed, previous, previous_until, created_by, created_at \
             FROM hooks WHERE project_id = $1");
        let row = query.bind(project.to_string()).fetch_optional::<FlatHook>(tx).await?;
        Ok(row.map(HookRow::from))
    }

    /// Writes it.
    pub async fn put_hook(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        row: &HookRow,
    ) -> Result<(), StoreError> {
        sql("INSERT INTO hooks (project_id, sealed, previous, previous_until, created_by, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (project_id) DO UPDATE SET \
             sealed = excluded.sealed, previous = excluded.previous, \
             previous_until = excluded.previous_until, created_by = excluded.created_by, \
             created_at = excluded.created_at")
        .bind(project.to_string())
        .bind(row.sealed.clone())
        .bind(row.previous.as_ref().map(|(sealed, _)| sealed.clone()))
        .bind(row.previous.as_ref().map(|(_, until)| until.as_millis()))
        .bind(&row.created_by)
        .bind(row.created_at.as_millis())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Removes it; whether there was one.
    pub async fn remove_hook(&self, tx: &mut Tx, project: ProjectId) -> Result<bool, StoreError> {
        let query = sql("DELETE FROM hooks WHERE project_id = $1 RETURNING project_id");
        Ok(query.bind(project.to_string()).fetch_value::<String>(tx).await?.is_some())
    }

    /// Writes what came in, and forgets the oldest; nothing is written if the forge has sent the same
    /// before, which is told.
    pub async fn insert_delivery(
        &self,
        tx: &mut Tx,
        row: &DeliveryRow,
        body: &[u8],
    ) -> Result<Option<DeliveryId>, StoreError> {
        let written = sql("INSERT INTO deliveries (id, project_id, forge, event, forge_id, \
             received_at, body, outcome, build_id, due_at, attempts) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (project_id, forge, forge_id) WHERE forge_id IS NOT NULL DO NOTHING \
             RETURNING id")
        .bind(row.id.to_string())
        .bind(row.project.to_string())
        .bind(row.forge.as_str())
        .bind(&row.event)
        .bind(row.forge_id.as_deref())
        .bind(row.received_at.as_millis())
        .bind(body.to_vec())
        .bind(row.outcome.as_deref())
        .bind(row.build.map(|id| id.to_string()))
        .bind(row.due_at.map(Timestamp::as_millis))
        .bind(i64::from(row.attempts))
        .fetch_value::<String>(&mut *tx)
        .await?;
        if written.is_none() {
            let known = sql("SELECT id FROM deliveries WHERE project_id = $1 AND forge = $2 \
                 AND forge_id = $3");
            let known = known.bind(row.project.to_string()).bind(row.forge.as_str());
            let id = known.bind(row.forge_id.as_deref()).fetch_only::<String>(tx).await?;
            return Ok(Some(column(TABLE, &id, &id)?));
        }
        sql("DELETE FROM deliveries WHERE project_id = $1 AND due_at IS NULL AND id IN \
             (SELECT id FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY id DESC) AS place, \
             SUM(LENGTH(body)) OVER (ORDER BY id DESC) AS bytes FROM deliveries \
             WHERE project_id = $1) AS ordered WHERE place > $2 OR bytes > $3)")
        .bind(row.project.to_string())
        .bind(KEPT)
        .bind(KEPT_BYTES)
        .execute(tx)
        .await?;
        Ok(None)
    }

    /// What came in for a project, the newest first.
    pub async fn deliveries(&self, project: ProjectId) -> Result<Vec<DeliveryRow>, StoreError> {
        let query = sql(
            "SELECT id, project_id, forge, event, forge_id, received_at, outcome, build_id, due_at, \
             attempts FROM deliveries WHERE project_id = $1 ORDER BY id DESC",
        );
        let rows = query.bind(project.to_string()).fetch_all::<FlatDelivery>(self).await?;
        rows.into_iter().map(DeliveryRow::try_from).collect()
    }

    /// The bytes of one of them.
    pub async fn delivery_body(&self, id: DeliveryId) -> Result<Option<Vec<u8>>, StoreError> {
        let query = sql("SELECT body FROM deliveries WHERE id = $1").bind(id.to_string());
        Ok(query.fetch_optional::<(Vec<u8>,)>(self).await?.map(|(body,)| body))
    }

    /// Takes deliveries that are due, and keeps others from them until `until`, which is when they are
    /// due then.
    pub async fn take_deliveries(
        &self,
        tx: &mut Tx,
        (now, until): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        // Who waited for another server's transaction looks at the time once more.
        let query = sql("UPDATE deliveries SET due_at = $2, attempts = attempts + 1 \
             WHERE due_at <= $1 AND id IN \
             (SELECT id FROM deliveries WHERE due_at <= $1 ORDER BY due_at LIMIT $3) \
             RETURNING id, project_id, forge, event, forge_id, received_at, outcome, build_id, \
             due_at, attempts");
        let query = query.bind(now.as_millis()).bind(until.as_millis()).bind(limit);
        let rows = query.fetch_all::<FlatDelivery>(tx).await?;
        rows.into_iter().map(DeliveryRow::try_from).collect()
    }

    /// Writes what became of one that was taken, and when it is worked on again, if it is. What is to be
    /// done once more since then stays due.
    pub async fn end_delivery(
        &self,
        tx: &mut Tx,
        taken: &DeliveryRow,
        outcome: (&str, Option<BuildId>),
        due_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        sql("UPDATE deliveries SET outcome = $2, build_id = $3, \
             due_at = CASE WHEN due_at = $5 THEN $4 ELSE due_at END WHERE id = $1")
        .bind(taken.id.to_string())
        .bind(outcome.0)
        .bind(outcome.1.map(|id| id.to_string()))
        .bind(due_at.map(Timestamp::as_millis))
        .bind(taken.due_at.map(Timestamp::as_millis))
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Has one worked on again, from the beginning; nothing if a project has no such delivery.
    pub async fn replay_delivery(
        &self,
        tx: &mut Tx,
        (project, id): (ProjectId, DeliveryId),
        now: Timestamp,
    ) -> Result<Option<DeliveryRow>, StoreError> {
        let query = sql("UPDATE deliveries SET outcome = NULL, attempts = 0, due_at = $3 \
             WHERE project_id = $1 AND id = $2 \
             RETURNING id, project_id, forge, event, forge_id, received_at, outcome, build_id, \
             due_at, attempts");
        let query = query.bind(project.to_string()).bind(id.to_string()).bind(now.as_millis());
        let row = query.fetch_optional::<FlatDelivery>(tx).await?;
        row.map(DeliveryRow::try_from).transpose()
    }
}
