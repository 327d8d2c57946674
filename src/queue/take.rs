//! Taking a job: first a look without any lock, since mostly there is nothing, then one transaction in
//! which all of it is true.
//!
//! A claim in a queue with limits is alone in that queue: it counts what runs when everybody before it
//! has committed, so that a limit holds however many servers there are. Where several queues are of
//! equal priority it goes into one that nobody is in; otherwise it waits its turn.

use std::collections::{BTreeSet, HashMap};

use super::{
    Queue, QueueError,
    change::Change,
    claim::check_process,
    turns::{Load, Turn, in_turn},
};
use crate::{
    meters,
    model::{AgentId, JobState, Label, QueueName, Timestamp},
    protocol::{ClaimRequest, Claimed, JobKind},
    store::{Fit, JobRow, Lane, QueueRow, Tx},
};

/// Lanes that are looked into at first. Mostly the first has a job that fits; the others are where
/// else to go if somebody is there.
const FEW: usize = 16;

/// How many times as many are looked into next.
const MORE: usize = 4;

/// Who wants a job.
#[derive(Debug)]
pub(super) struct Taker<'a> {
    pub(super) agent: AgentId,
    pub(super) request: &'a ClaimRequest,
    pub(super) fit: Fit,
    pub(super) labels: BTreeSet<Label>,
}

impl Queue {
    /// Gives out the next job that fits, if there is one that nobody else is about to take.
    pub(super) async fn take(&self, taker: &Taker<'_>) -> Result<Option<Claimed>, QueueError> {
        // Plans first: nothing of a build can begin before them.
        for kinds in [&[JobKind::Plan, JobKind::Leg][..], &[JobKind::Leg]] {
            // Of each server so many at a time: more would hold connections to the database, and look
            // for jobs that those before them take.
            let _place = self.taking.acquire().await.expect("it is never closed");
            let found = self.look(taker, kinds).await?;
            for group in found.chunk_by(|one, next| one.priority == next.priority) {
                if let Some(claimed) = self.take_of(taker, group).await? {
                    return Ok(Some(claimed));
                }
            }
            if found.first().is_none_or(|turn| turn.lane.kind == JobKind::Leg) {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The lanes that have a job for the agent, the next one first; all of one kind.
    async fn look(&self, taker: &Taker<'_>, kinds: &[JobKind]) -> Result<Vec<Turn>, QueueError> {
        let mut tx = self.store.snapshot().await?;
        let lanes = self.store.lanes(&mut tx).await?;
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.store.clock_in(&mut tx).await?.unwrap_or_else(|| self.clock.now());
        let queues = by_name(self.store.queues(&mut tx).await?);
        for &kind in kinds {
            let turns = in_turn((kind, &lanes), &queues, &taker.labels, self.settings.aging);
            let mut turns = &turns[..];
            let mut size = FEW;
            while !turns.is_empty() {
                let (batch, rest) = turns.split_at(size.min(turns.len()));
                let open = self.open(&mut tx, &queues, batch).await?;
                let open = self.waiting_of(&mut tx, (kind, &open), taker, now).await?;
                if !open.is_empty() {
                    return Ok(open.into_iter().cloned().collect());
                }
                (turns, size) = (rest, size * MORE);
            }
        }
        Ok(Vec::new())
    }

    /// Those of these lanes whose queues let more run.
    async fn open<'t>(
        &self,
        tx: &mut Tx,
        queues: &HashMap<QueueName, QueueRow>,
        turns: &'t [Turn],
    ) -> Result<Vec<&'t Turn>, QueueError> {
        let limited: BTreeSet<&QueueName> =
            turns.iter().filter(|turn| turn.is_limited).map(|turn| &turn.lane.queue).collect();
        if limited.is_empty() || turns[0].lane.kind == JobKind::Plan {
            return Ok(turns.iter().collect());
        }
        let names: Vec<&QueueName> = limited.into_iter().collect();
        let load = Load::new(self.store.running_legs_of(tx, &names).await?);
        Ok(turns.iter().filter(|turn| load.allows(queues, &turn.lane)).collect())
    }

    /// Those of these lanes that have a job for the agent.
    async fn waiting_of<'t>(
        &self,
        tx: &mut Tx,
        (kind, turns): (JobKind, &[&'t Turn]),
        taker: &Taker<'_>,
        now: Timestamp,
    ) -> Result<Vec<&'t Turn>, QueueError> {
        if turns.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<&Lane> = turns.iter().map(|turn| &turn.lane).collect();
        let places = self.store.waiting_lanes(tx, (kind, &keys), &taker.fit, now).await?;
        Ok(places.into_iter().map(|place| turns[place]).collect())
    }

    /// A job of one of these lanes, which are of equal priority.
    async fn take_of(
        &self,
        taker: &Taker<'_>,
        turns: &[Turn],
    ) -> Result<Option<Claimed>, QueueError> {
        let lanes = || turns.iter().map(|turn| &turn.lane);
        if lanes().all(|lane| lane.kind == JobKind::Plan) {
            let change = self.change().await?;
            return self.take_in(change, taker, &lanes().collect::<Vec<_>>()).await;
        }
        let mut left: Vec<&Turn> = turns.iter().collect();
        while !left.is_empty() {
            let mut change = self.change().await?;
            let (name, alone) = self.enter(&mut change, &left).await?;
            let taken = if alone {
                self.take_counted(change, taker, &name).await?
            } else {
                let row = self.store.queue(&mut change.tx, &name).await?;
                let row = row.filter(|row| row.paused.is_none());
                if row.as_ref().is_some_and(QueueRow::has_limits) {
                    // It has got limits since the look.
                    return Err(QueueError::Taken);
                }
                let lanes: Vec<&Lane> = lanes().filter(|lane| lane.queue == name).collect();
                match row {
                    Some(_) => self.take_in(change, taker, &lanes).await?,
                    None => None,
                }
            };
            if taken.is_some() {
                return Ok(taken);
            }
            left.retain(|turn| turn.lane.queue != name);
        }
        Ok(None)
    }

    /// Takes the lock of one of the queues in which these lanes are; which one, and whether alone.
    async fn enter(
        &self,
        change: &mut Change<'_>,
        turns: &[&Turn],
    ) -> Result<(QueueName, bool), QueueError> {
        let first = turns[0];
        let free = turns.iter().find(|turn| !turn.is_limited);
        if first.is_limited {
            let limited = turns.iter().filter(|turn| turn.is_limited);
            let names: Vec<&QueueName> = limited.map(|turn| &turn.lane.queue).collect();
            if let Some(name) = self.store.lock_free_queue(&mut change.tx, &names).await? {
                return Ok((name, true));
            }
        }
        let Some(free) = free else {
            self.store.lock_queue(&mut change.tx, &first.lane.queue).await?;
            change.look_at_clock().await?;
            return Ok((first.lane.queue.clone(), true));
        };
        self.store.share_queue(&mut change.tx, &free.lane.queue).await?;
        Ok((free.lane.queue.clone(), false))
    }

    /// A job of a queue in which nobody else takes one until the change is committed.
    async fn take_counted(
        &self,
        mut change: Change<'_>,
        taker: &Taker<'_>,
        name: &QueueName,
    ) -> Result<Option<Claimed>, QueueError> {
        let Some(row) = self.store.queue(&mut change.tx, name).await? else { return Ok(None) };
        let queues = by_name(vec![row]);
        let load = Load::new(self.store.running_legs_of(&mut change.tx, &[name]).await?);
        let lanes = self.store.lanes_of(&mut change.tx, name).await?;
        let kind = JobKind::Leg;
        let turns = in_turn((kind, &lanes), &queues, &taker.labels, self.settings.aging);
        let open: Vec<&Turn> =
            turns.iter().filter(|turn| load.allows(&queues, &turn.lane)).collect();
        let now = change.now;
        let mut waiting: Vec<&Lane> = Vec::new();
        for batch in open.chunks(FEW) {
            let found = self.waiting_of(&mut change.tx, (kind, batch), taker, now).await?;
            if !found.is_empty() {
                waiting = found.into_iter().map(|turn| &turn.lane).collect();
                break;
            }
        }
        if waiting.is_empty() {
            return Ok(None);
        }
        self.take_in(change, taker, &waiting).await
    }

    /// The first job of these lanes that nobody else is about to take.
    async fn take_in(
        &self,
        mut change: Change<'_>,
        taker: &Taker<'_>,
        lanes: &[&Lane],
    ) -> Result<Option<Claimed>, QueueError> {
        let (agent, claim) = (taker.agent, taker.request.claim);
        // An agent's claims come one after the other, whichever servers they are sent to; and who
        // was told that it is held or gone does not see it take a job afterwards.
        let row = self.store.lock_agent(&mut change.tx, agent).await?;
        let row = row.ok_or_else(|| QueueError::not_found("agent", agent))?;
        check_process(&row, taker.request)?;
        if row.hold.is_some() {
            return Ok(None);
        }
        // The same claim may be asked twice at one time: only one of them takes a job.
        if self.store.job_of_claim(&mut change.tx, agent, claim).await?.is_some() {
            return Err(QueueError::Taken);
        }
        for lane in lanes {
            let (tx, now) = (&mut change.tx, change.now);
            let Some(id) = self.store.lock_waiting(tx, lane, &taker.fit, now).await? else {
                continue;
            };
            let row = change.job_alone(id).await?;
            if self.suits(&mut change, (taker.request, &row)).await? {
                return self.give(change, taker, (lane, row)).await.map(Some);
            }
        }
        Ok(None)
    }

    /// Writes that the agent has the job.
    async fn give(
        &self,
        mut change: Change<'_>,
        taker: &Taker<'_>,
        (lane, mut row): (&Lane, JobRow),
    ) -> Result<Claimed, QueueError> {
        let (agent, now) = (taker.agent, change.now);
        let ready_at = match &row.state {
            JobState::Queued(queued) => queued.since.max(queued.not_before),
            _ => now,
        };
        let running = row.state.claim(agent, taker.request.claim, now, self.settings.lease);
        let running = running.map_err(|_| QueueError::Taken)?;
        let number = running.attempt.number;
        row.state = JobState::Running(running);
        self.store.insert_attempt(&mut change.tx, row.job.id, number, agent, now).await?;
        let state = row.state.clone();
        match change.put_state(&row, &state).await {
            // The same claim, asked of another server, took another job a moment ago.
            Err(QueueError::Store(error)) if error.is_duplicate() => return Err(QueueError::Taken),
            put => put?,
        }
        let claimed = self.claimed_of(&mut change, &row).await?;
        // Late, since all who take from this lane write here.
        self.store.serve_lane(&mut change.tx, lane, now).await?;
        change.commit().await?;
        meters::claimed(Some(now.since(ready_at)));
        tracing::info!(
            job.id = %row.job.id, job.attempt = number, agent.id = %agent, queue = %row.job.queue,
            "job claimed"
        );
        Ok(claimed)
    }
}

fn by_name(queues: Vec<QueueRow>) -> HashMap<QueueName, QueueRow> {
    queues.into_iter().map(|queue| (queue.name.clone(), queue)).collect()
}
