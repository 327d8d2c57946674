//! Queues as the administrator sees and changes them.
//!
//! Whoever changes one takes its lock alone, as claims with limits do: what has been answered holds for
//! every claim from then on.

use std::collections::HashMap;

use super::{Queue, QueueError, change::Change};
use crate::{
    model::{QueueName, nearest},
    protocol::{EventKind, QueuePause, QueueRules, QueueView},
    store::{QueueCounts, QueueRow},
};

/// The longest reason that is kept.
const MAX_REASON: usize = 500;
/// The most that a limit says: more than any farm runs.
const MAX_LIMIT: u32 = 1_000_000;
/// The most labels that a queue requires.
const MAX_LABELS: usize = 32;
/// The most queues: every claim looks at all of them.
const MAX_QUEUES: usize = 1_000;
/// The widest range of priorities.
pub(super) const PRIORITIES: std::ops::RangeInclusive<i32> = -100..=100;

/// What writing a queue did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueuePut {
    /// It is new.
    Made,
    /// It was there.
    Changed,
}

impl Queue {
    /// Every queue, by name.
    pub async fn queues(&self) -> Result<Vec<QueueView>, QueueError> {
        let mut tx = self.store.snapshot().await?;
        let rows = self.store.queues(&mut tx).await?;
        let counts = self.store.queue_counts(&mut tx).await?;
        let mut counts: HashMap<QueueName, QueueCounts> =
            counts.into_iter().map(|counts| (counts.queue.clone(), counts)).collect();
        Ok(rows
            .into_iter()
            .map(|row| {
                let counts = counts.remove(&row.name);
                view(row, counts)
            })
            .collect())
    }

    /// One queue.
    pub async fn queue(&self, name: &QueueName) -> Result<QueueView, QueueError> {
        let found = self.queues().await?.into_iter().find(|view| view.name == *name);
        found.ok_or_else(|| QueueError::not_found("queue", name))
    }

    /// Makes a queue, or gives one other rules; what runs goes on.
    pub async fn put_queue(
        &self,
        name: &QueueName,
        rules: &QueueRules,
    ) -> Result<QueuePut, QueueError> {
        check(rules)?;
        let mut change = self.change().await?;
        self.store.lock_queue(&mut change.tx, name).await?;
        let rows = self.store.queues(&mut change.tx).await?;
        let is_there = rows.iter().any(|row| row.name == *name);
        if !is_there && rows.len() >= MAX_QUEUES {
            let sentence = format!("there are {MAX_QUEUES} queues, which is the most: remove one");
            return Err(QueueError::Conflict(sentence));
        }
        let now = change.now;
        self.store.put_queue(&mut change.tx, name, rules, now).await?;
        change.tell(EventKind::Queue { queue: name.clone() });
        change.commit().await?;
        tracing::info!(queue = %name, "queue written");
        Ok(if is_there { QueuePut::Changed } else { QueuePut::Made })
    }

    /// Has a queue give out no jobs; what runs goes on. Saying it again changes the reason.
    pub async fn pause_queue(
        &self,
        name: &QueueName,
        (reason, by): (&str, &str),
    ) -> Result<QueueView, QueueError> {
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
        let mut change = self.change().await?;
        let pause = QueuePause { reason, by: by.to_owned(), since: change.now };
        set_pause(&mut change, name, Some(&pause)).await?;
        change.commit().await?;
        tracing::info!(queue = %name, "queue paused: {}", pause.reason);
        self.queue(name).await
    }

    /// Has a queue give out jobs again.
    pub async fn resume_queue(&self, name: &QueueName) -> Result<QueueView, QueueError> {
        let mut change = self.change().await?;
        set_pause(&mut change, name, None).await?;
        change.commit().await?;
        tracing::info!(queue = %name, "queue resumed");
        self.queue(name).await
    }

    /// Forgets a queue in which nothing waits or runs.
    pub async fn remove_queue(&self, name: &QueueName) -> Result<(), QueueError> {
        if *name == QueueName::default() {
            let sentence = "the queue default is where builds go that name none: it cannot be \
                            removed; pause it instead";
            return Err(QueueError::Conflict(sentence.to_owned()));
        }
        let mut change = self.change().await?;
        self.store.lock_queue(&mut change.tx, name).await?;
        let row = self.store.queue(&mut change.tx, name).await?;
        row.ok_or_else(|| QueueError::not_found("queue", name))?;
        if self.store.is_queue_used(&mut change.tx, name).await? {
            let sentence = format!(
                "jobs wait or run in the queue {name}: pause it, and remove it when they have ended"
            );
            return Err(QueueError::Conflict(sentence));
        }
        self.store.remove_queue(&mut change.tx, name).await?;
        change.tell(EventKind::Queue { queue: name.clone() });
        change.commit().await?;
        tracing::info!(queue = %name, "queue removed");
        Ok(())
    }
}

impl Change<'_> {
    /// The queue that jobs are to be put into: it is there until the change is committed.
    pub(super) async fn used_queue(&mut self, name: &QueueName) -> Result<QueueRow, QueueError> {
        let store = self.store().clone();
        store.share_queue(&mut self.tx, name).await?;
        match store.queue(&mut self.tx, name).await? {
            Some(row) => Ok(row),
            None => Err(QueueError::Invalid(unknown(name, &store.queues(&mut self.tx).await?))),
        }
    }
}

/// That there is no such queue, with those that there are.
pub(super) fn unknown(name: &QueueName, rows: &[QueueRow]) -> String {
    let there: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let meant = nearest(name.as_str(), there.iter().copied());
    let meant = meant.map_or_else(String::new, |meant| format!(" (did you mean {meant}?)"));
    format!("there is no queue {name}{meant}; there are: {}", there.join(", "))
}

async fn set_pause(
    change: &mut Change<'_>,
    name: &QueueName,
    pause: Option<&QueuePause>,
) -> Result<(), QueueError> {
    let store = change.store().clone();
    store.lock_queue(&mut change.tx, name).await?;
    if !store.set_queue_pause(&mut change.tx, name, pause).await? {
        return Err(QueueError::not_found("queue", name));
    }
    change.tell(EventKind::Queue { queue: name.clone() });
    Ok(())
}

fn check(rules: &QueueRules) -> Result<(), QueueError> {
    if !PRIORITIES.contains(&rules.priority) {
        return Err(QueueError::Invalid("priority must be between -100 and 100".to_owned()));
    }
    for (what, limit) in [
        ("concurrency", rules.concurrency),
        ("per_project", rules.per_project),
        ("per_user", rules.per_user),
    ] {
        if limit == Some(0) {
            let sentence = format!("{what} must be at least 1: to run nothing, pause the queue");
            return Err(QueueError::Invalid(sentence));
        }
    }
    if rules.max_waiting == Some(0) {
        let sentence = "max_waiting must be at least 1: to take no builds, remove the queue";
        return Err(QueueError::Invalid(sentence.to_owned()));
    }
    let limits = [rules.concurrency, rules.per_project, rules.per_user, rules.max_waiting];
    if limits.into_iter().flatten().any(|limit| limit > MAX_LIMIT) {
        let sentence = format!("a limit is at most {MAX_LIMIT}: leave it out for any number");
        return Err(QueueError::Invalid(sentence));
    }
    if rules.requires.len() > MAX_LABELS {
        return Err(QueueError::Invalid(format!("requires: at most {MAX_LABELS} labels")));
    }
    Ok(())
}

fn view(row: QueueRow, counts: Option<QueueCounts>) -> QueueView {
    QueueView {
        name: row.name,
        rules: row.rules,
        paused: row.paused,
        created_at: row.created_at,
        waiting: counts.as_ref().map_or(0, |counts| counts.waiting),
        running: counts.as_ref().map_or(0, |counts| counts.running),
        oldest_waiting_since: counts.and_then(|counts| counts.oldest_waiting_since),
    }
}
