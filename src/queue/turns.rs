//! Whose turn it is. Pure.
//!
//! Each lane's next job stands in one line with those of the others, by when the lane's project was
//! last given a worker in this queue; a lane that was empty comes in as of now. So projects take turns
//! however many jobs each has, and one that has just come waits for one job of each other at most.
//! Priority is a head start: so many minutes (`aging`) before those of the next lower one. Because all
//! lanes age alike, nobody has to raise anything: the sum never changes while a lane waits, and
//! everything that is taken goes to the end of the line, so each lane is the first one day.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use crate::{
    model::{Label, QueueName, Timestamp},
    protocol::{JobKind, QueuePause},
    store::{Lane, LaneRow, QueueRow, RunningLegs},
};

/// What runs, as limits count it.
#[derive(Debug, Default)]
pub(super) struct Load(HashMap<QueueName, QueueLoad>);

#[derive(Debug, Default)]
struct QueueLoad {
    all: u64,
    shares: HashMap<String, u64>,
    users: HashMap<String, u64>,
}

/// Why no job of a lane is given out now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Blocked {
    /// Somebody said so.
    Paused(QueuePause),
    /// As many run as may.
    Full {
        /// Of whom.
        of: Counted,
        /// How many run.
        running: u64,
        /// How many may.
        limit: u32,
    },
}

/// Whose jobs a limit counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Counted {
    /// All of the queue.
    All,
    /// Those of one project there.
    Project,
    /// Those of one user there.
    User,
}

/// A lane that may have the next job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Turn {
    /// Which one.
    pub(super) lane: Lane,
    /// What counts before turns: the priorities of queue and job together.
    pub(super) priority: i64,
    /// Whether its queue has limits, so that a claim has to be alone in it.
    pub(super) is_limited: bool,
}

impl Load {
    pub(super) fn new(running: Vec<RunningLegs>) -> Self {
        let mut load = HashMap::<_, QueueLoad>::new();
        for legs in running {
            let queue = load.entry(legs.queue).or_default();
            queue.all += legs.count;
            *queue.shares.entry(legs.share).or_default() += legs.count;
            *queue.users.entry(legs.created_by).or_default() += legs.count;
        }
        Self(load)
    }

    /// Why no leg of this share and user is given out in a queue; nothing if it can be.
    pub(super) fn blocked(&self, queue: &QueueRow, share: &str, user: &str) -> Option<Blocked> {
        if let Some(pause) = &queue.paused {
            return Some(Blocked::Paused(pause.clone()));
        }
        let load = self.0.get(&queue.name)?;
        let of = |counts: &HashMap<String, u64>, key| counts.get(key).copied().unwrap_or(0);
        [
            (Counted::All, load.all, queue.rules.concurrency),
            (Counted::Project, of(&load.shares, share), queue.rules.per_project),
            (Counted::User, of(&load.users, user), queue.rules.per_user),
        ]
        .into_iter()
        .find_map(|(of, running, limit)| {
            let limit = limit.filter(|limit| running >= u64::from(*limit))?;
            Some(Blocked::Full { of, running, limit })
        })
    }
}

/// The lanes of one kind that an agent with these labels may be given a job of, the next one first.
pub(super) fn in_turn(
    (kind, lanes): (JobKind, &[LaneRow]),
    queues: &[QueueRow],
    load: &Load,
    labels: &BTreeSet<Label>,
    aging: Duration,
) -> Vec<Turn> {
    let queues: HashMap<&QueueName, &QueueRow> =
        queues.iter().map(|queue| (&queue.name, queue)).collect();
    let mut served = HashMap::new();
    for row in lanes.iter().filter(|row| row.lane.kind == kind) {
        let at = served.entry(line(&row.lane)).or_insert(row.served_at);
        *at = (*at).max(row.served_at);
    }
    let mut turns: Vec<_> = lanes
        .iter()
        .filter(|row| row.lane.kind == kind)
        .filter_map(|row| {
            let lane = &row.lane;
            let queue = queues.get(&lane.queue)?;
            // Plans are what makes jobs known: no limit concerns them, and they go on in a pause.
            let is_open = kind == JobKind::Plan
                || load.blocked(queue, &lane.share, &lane.created_by).is_none();
            if !is_open || !queue.rules.requires.is_subset(labels) {
                return None;
            }
            let priority = i64::from(queue.rules.priority) + i64::from(lane.priority);
            let turn = Turn { lane: lane.clone(), priority, is_limited: queue.has_limits() };
            let since = row.since.max(served[&line(lane)]);
            Some((place(since, priority, aging), Reverse(priority), turn))
        })
        .collect();
    turns.sort_by(|(place, priority, turn), (other_place, other_priority, other)| {
        let key = |turn: &Turn| (turn.lane.queue.clone(), turn.lane.share.clone());
        (place, priority, key(turn)).cmp(&(other_place, other_priority, key(other)))
    });
    turns.into_iter().map(|(_, _, turn)| turn).collect()
}

/// The lanes that take turns as one: the users of a project share its turn, and so do all queues for
/// plans, which are one line.
fn line(lane: &Lane) -> (Option<&QueueName>, &str, i32) {
    ((lane.kind == JobKind::Leg).then_some(&lane.queue), &lane.share, lane.priority)
}

/// The place in the line: the time since when a lane waits, less its head start.
fn place(since: Timestamp, priority: i64, aging: Duration) -> i64 {
    let aging = i64::try_from(aging.as_millis()).unwrap_or(i64::MAX);
    since.as_millis().saturating_sub(priority.saturating_mul(aging))
}
