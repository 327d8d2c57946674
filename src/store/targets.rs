//! Whom projects tell how their builds go, and what there is to be told.

use sqlx::FromRow;

use super::{
    Store, StoreError, Tx,
    error::{column, uint},
    sql::sql,
};
use crate::model::{NoticeId, ProjectId, TargetId, TargetKind, Timestamp};

const TABLE: &str = "targets";
const OUTBOX: &str = "outbox";
/// Notices of a project that are kept once they are sent.
const KEPT: i64 = 200;

/// Whom a project tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetRow {
    /// Its id.
    pub id: TargetId,
    /// The project.
    pub project: ProjectId,
    /// What it is.
    pub kind: TargetKind,
    /// The repository at the forge's API, or where a webhook goes.
    pub url: String,
    /// The token, or the key that webhooks are signed with, sealed.
    pub sealed: Vec<u8>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

/// Something to be told to one of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoticeRow {
    /// Its id.
    pub id: NoticeId,
    /// To whom.
    pub target: TargetId,
    /// The project.
    pub project: ProjectId,
    /// The job or build it is about.
    pub subject: String,
    /// What happened to it.
    pub event: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is sent next; nothing once that is over.
    pub due_at: Option<Timestamp>,
    /// How often that failed since it was last sent.
    pub attempts: u32,
    /// What was said last.
    pub said: Option<String>,
    /// Why it could not be said.
    pub problem: Option<String>,
    /// When it was said last.
    pub sent_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct FlatTarget {
    id: String,
    project_id: String,
    kind: String,
    url: String,
    sealed: Vec<u8>,
    created_by: String,
    created_at: i64,
}

impl TryFrom<FlatTarget> for TargetRow {
    type Error = StoreError;

    fn try_from(flat: FlatTarget) -> Result<Self, StoreError> {
        let unknown = || StoreError::inconsistent(TABLE, &flat.id, "unknown kind");
        Ok(Self {
            id: column(TABLE, &flat.id, &flat.id)?,
            project: column(TABLE, &flat.id, &flat.project_id)?,
            kind: TargetKind::from_name(&flat.kind).ok_or_else(unknown)?,
            url: flat.url,
            sealed: flat.sealed,
            created_by: flat.created_by,
            created_at: Timestamp::from_millis(flat.created_at),
        })
    }
}

#[derive(FromRow)]
struct FlatNotice {
    id: String,
    target_id: String,
    project_id: String,
    subject: String,
    event: String,
    created_at: i64,
    due_at: Option<i64>,
    attempts: i64,
    said: Option<String>,
    problem: Option<String>,
    sent_at: Option<i64>,
}

impl TryFrom<FlatNotice> for NoticeRow {
    type Error = StoreError;

    fn try_from(flat: FlatNotice) -> Result<Self, StoreError> {
        Ok(Self {
            id: column(OUTBOX, &flat.id, &flat.id)?,
            target: column(OUTBOX, &flat.id, &flat.target_id)?,
            project: column(OUTBOX, &flat.id, &flat.project_id)?,
            subject: flat.subject,
            event: flat.event,
            created_at: Timestamp::from_millis(flat.created_at),
            due_at: flat.due_at.map(Timestamp::from_millis),
            attempts: u32::try_from(uint(flat.attempts)).unwrap_or(u32::MAX),
            said: flat.said,
            problem: flat.problem,
            sent_at: flat.sent_at.map(Timestamp::from_millis),
        })
    }
}

impl Store {
    /// Whom a project tells, the oldest first.
    pub async fn targets(
        &self,
        tx: &mut Tx,
        project: ProjectId,
    ) -> Result<Vec<TargetRow>, StoreError> {
        let query = sql("SELECT id, project_id, kind, url, sealed, created_by, created_at \
             FROM targets WHERE project_id = $1 ORDER BY id");
        let rows = query.bind(project.to_string()).fetch_all::<FlatTarget>(tx).await?;
        rows.into_iter().map(TargetRow::try_from).collect()
    }

    /// One of them.
    pub async fn target(&self, id: TargetId) -> Result<Option<TargetRow>, StoreError> {
        let query = sql("SELECT id, project_id, kind, url, sealed, created_by, created_at \
             FROM targets WHERE id = $1");
        let row = query.bind(id.to_string()).fetch_optional::<FlatTarget>(self).await?;
        row.map(TargetRow::try_from).transpose()
    }

    /// Writes one.
    pub async fn put_target(&self, tx: &mut Tx, row: &TargetRow) -> Result<(), StoreError> {
        sql("INSERT INTO targets (id, project_id, kind, url, sealed, created_by, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET \
             sealed = excluded.sealed")
        .bind(row.id.to_string())
        .bind(row.project.to_string())
        .bind(row.kind.as_str())
        .bind(&row.url)
        .bind(row.sealed.clone())
        .bind(&row.created_by)
        .bind(row.created_at.as_millis())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Removes one, and what it was still to be told; whether it was there.
    pub async fn remove_target(
        &self,
        tx: &mut Tx,
        (project, id): (ProjectId, TargetId),
    ) -> Result<bool, StoreError> {
        let query = sql("DELETE FROM targets WHERE project_id = $1 AND id = $2 RETURNING id");
        let query = query.bind(project.to_string()).bind(id.to_string());
        let removed = query.fetch_value::<String>(&mut *tx).await?.is_some();
        if removed {
            let id = id.to_string();
            sql("DELETE FROM outbox WHERE target_id = $1").bind(id).execute(tx).await?;
        }
        Ok(removed)
    }

    /// Whether there are events of which no notices were made.
    pub async fn is_behind_on_notices(&self) -> Result<bool, StoreError> {
        let query = sql("SELECT (SELECT value FROM counters WHERE name = 'events'), value \
             FROM counters WHERE name = 'noticed'");
        let (events, noticed) = query.fetch_one::<(i64, i64)>(self).await?;
        Ok(noticed < events)
    }

    /// Whether anything is to be told by now.
    pub async fn has_notices_due(&self, now: Timestamp) -> Result<bool, StoreError> {
        let query = sql("SELECT id FROM outbox WHERE due_at <= $1 LIMIT 1").bind(now.as_millis());
        Ok(query.fetch_value::<String>(self).await?.is_some())
    }

    /// Has something told once more, from the beginning; whether a project has it to tell.
    pub async fn resend_notice(
        &self,
        tx: &mut Tx,
        (project, id): (ProjectId, NoticeId),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let query = sql("UPDATE outbox SET due_at = $3, attempts = 0 \
             WHERE project_id = $1 AND id = $2 RETURNING id");
        let query = query.bind(project.to_string()).bind(id.to_string()).bind(now.as_millis());
        Ok(query.fetch_value::<String>(tx).await?.is_some())
    }

    /// Up to which event notices were made; whoever asks is alone with it until the transaction ends.
    pub async fn noticed(&self, tx: &mut Tx) -> Result<u64, StoreError> {
        let query = sql("SELECT value FROM counters WHERE name = 'noticed' FOR UPDATE");
        Ok(uint(query.fetch_only::<i64>(tx).await?))
    }

    /// Writes up to which.
    pub async fn set_noticed(&self, tx: &mut Tx, event: u64) -> Result<(), StoreError> {
        let value = i64::try_from(event).unwrap_or(i64::MAX);
        sql("UPDATE counters SET value = $1 WHERE name = 'noticed'")
            .bind(value)
            .execute(tx)
            .await?;
        Ok(())
    }

    /// Has something told to a target: as it is when it is sent. What is there already is sent again.
    pub async fn put_notice(
        &self,
        tx: &mut Tx,
        target: &TargetRow,
        (subject, event): (&str, &str),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sql("INSERT INTO outbox (id, target_id, project_id, subject, event, created_at, due_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (target_id, subject, event) DO UPDATE \
             SET due_at = excluded.due_at, attempts = 0")
        .bind(NoticeId::new(now).to_string())
        .bind(target.id.to_string())
        .bind(target.project.to_string())
        .bind(subject)
        .bind(event)
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
        sql("DELETE FROM outbox WHERE project_id = $1 AND due_at IS NULL AND id NOT IN \
             (SELECT id FROM outbox WHERE project_id = $1 ORDER BY id DESC LIMIT $2)")
        .bind(target.project.to_string())
        .bind(KEPT)
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Takes what is due, and keeps others from it until `until`, which is when it is due then.
    pub async fn take_notices(
        &self,
        tx: &mut Tx,
        (now, until): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<NoticeRow>, StoreError> {
        // Who waited for another server's transaction looks at the time once more.
        let query = sql("UPDATE outbox SET due_at = $2 WHERE due_at <= $1 AND id IN \
             (SELECT id FROM outbox WHERE due_at <= $1 ORDER BY due_at LIMIT $3) RETURNING *");
        let query = query.bind(now.as_millis()).bind(until.as_millis()).bind(limit);
        let rows = query.fetch_all::<FlatNotice>(tx).await?;
        rows.into_iter().map(NoticeRow::try_from).collect()
    }

    /// Writes how sending went: what was said or why not, and when it is tried again. What became due
    /// anew since it was taken stays due.
    pub async fn end_notice(
        &self,
        tx: &mut Tx,
        taken: &NoticeRow,
        ended: &NoticeRow,
    ) -> Result<(), StoreError> {
        sql("UPDATE outbox SET said = $2, problem = $3, sent_at = $4, attempts = $5, \
             due_at = CASE WHEN due_at = $6 THEN $7 ELSE due_at END WHERE id = $1")
        .bind(taken.id.to_string())
        .bind(ended.said.as_deref())
        .bind(ended.problem.as_deref())
        .bind(ended.sent_at.map(Timestamp::as_millis))
        .bind(i64::from(ended.attempts))
        .bind(taken.due_at.map(Timestamp::as_millis))
        .bind(ended.due_at.map(Timestamp::as_millis))
        .execute(tx)
        .await?;
        Ok(())
    }

    /// What a project has told and is to tell, the newest first.
    pub async fn outbox(&self, project: ProjectId) -> Result<Vec<NoticeRow>, StoreError> {
        let query = sql("SELECT * FROM outbox WHERE project_id = $1 ORDER BY id DESC");
        let rows = query.bind(project.to_string()).fetch_all::<FlatNotice>(self).await?;
        rows.into_iter().map(NoticeRow::try_from).collect()
    }
}
