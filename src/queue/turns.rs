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

    /// Whether a job of a lane may be given out. Plans always may: they are what makes jobs known.
    pub(super) fn allows(&self, queues: &HashMap<QueueName, QueueRow>, lane: &Lane) -> bool {
        lane.kind == JobKind::Plan
            || queues
                .get(&lane.queue)
                .is_some_and(|queue| self.blocked(queue, &lane.share, &lane.created_by).is_none())
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

/// The lanes of one kind that an agent with these labels may be given a job of, the next one first,
/// whatever runs now.
pub(super) fn in_turn(
    (kind, lanes): (JobKind, &[LaneRow]),
    queues: &HashMap<QueueName, QueueRow>,
    labels: &BTreeSet<Label>,
    aging: Duration,
) -> Vec<Turn> {
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
            // Plans are what makes jobs known: they go on in a pause.
            let is_open = kind == JobKind::Plan || queue.paused.is_none();
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
        let key = (place, priority, &turn.lane.queue, &turn.lane.share);
        key.cmp(&(other_place, other_priority, &other.lane.queue, &other.lane.share))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::QueueRules;

    const AGING: Duration = Duration::from_mins(1);

    fn queue(name: &str, rules: QueueRules) -> QueueRow {
        QueueRow {
            name: name.parse().unwrap(),
            rules,
            paused: None,
            created_at: Timestamp::from_millis(0),
        }
    }

    fn by_name(queues: &[QueueRow]) -> HashMap<QueueName, QueueRow> {
        queues.iter().map(|queue| (queue.name.clone(), queue.clone())).collect()
    }

    /// A lane of legs: whose, with which priority, since when, and when it was served; in seconds.
    fn lane(
        queue: &str,
        share: &str,
        user: &str,
        (priority, since, served): (i32, i64, i64),
    ) -> LaneRow {
        let lane = Lane {
            kind: JobKind::Leg,
            queue: queue.parse().unwrap(),
            share: share.to_owned(),
            created_by: user.to_owned(),
            priority,
        };
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        LaneRow { lane, since: at(since), served_at: at(served) }
    }

    fn order(lanes: &[LaneRow], queues: &[QueueRow], load: &Load, labels: &[&str]) -> Vec<String> {
        let labels = labels.iter().map(|label| label.parse().unwrap()).collect();
        let queues = by_name(queues);
        in_turn((JobKind::Leg, lanes), &queues, &labels, AGING)
            .into_iter()
            .filter(|turn| load.allows(&queues, &turn.lane))
            .map(|turn| format!("{}/{}", turn.lane.share, turn.lane.created_by))
            .collect()
    }

    fn running(legs: &[(&str, &str, &str, u64)]) -> Load {
        let legs = legs.iter().map(|(queue, share, user, count)| RunningLegs {
            queue: queue.parse().unwrap(),
            share: (*share).to_owned(),
            created_by: (*user).to_owned(),
            count: *count,
        });
        Load::new(legs.collect())
    }

    #[test]
    fn lanes_stand_in_line_by_when_their_project_was_served_and_what_they_have_ahead() {
        let queues = [
            queue("q", QueueRules::default()),
            queue("fast", QueueRules { priority: 5, ..QueueRules::default() }),
        ];
        for (lanes, expected) in [
            // Who came first, then who was served longest ago.
            (
                vec![lane("q", "b", "u", (0, 20, 0)), lane("q", "a", "u", (0, 10, 0))],
                &["a/u", "b/u"][..],
            ),
            (
                vec![lane("q", "a", "u", (0, 10, 30)), lane("q", "b", "u", (0, 20, 0))],
                &["b/u", "a/u"],
            ),
            // Two users of a project have one turn between them, and among them the older goes first.
            (
                vec![
                    lane("q", "a", "u", (0, 10, 0)),
                    lane("q", "a", "v", (0, 15, 30)),
                    lane("q", "b", "w", (0, 29, 0)),
                ],
                &["b/w", "a/u", "a/v"],
            ),
            // A step of priority is a minute, of the job or of its queue, and no more than that.
            (
                vec![lane("q", "a", "u", (0, 0, 0)), lane("q", "b", "u", (1, 59, 0))],
                &["b/u", "a/u"],
            ),
            (
                vec![lane("q", "a", "u", (0, 0, 0)), lane("q", "b", "u", (1, 61, 0))],
                &["a/u", "b/u"],
            ),
            (
                vec![lane("q", "a", "u", (0, 0, 0)), lane("fast", "b", "u", (0, 299, 0))],
                &["b/u", "a/u"],
            ),
            (
                vec![lane("q", "a", "u", (0, 0, 0)), lane("fast", "b", "u", (0, 301, 0))],
                &["a/u", "b/u"],
            ),
            // A queue that is gone gives nothing out.
            (vec![lane("gone", "a", "u", (0, 0, 0))], &[]),
        ] {
            assert_eq!(order(&lanes, &queues, &Load::default(), &[]), expected, "{lanes:?}");
        }
    }

    #[test]
    fn a_lane_is_left_out_while_its_queue_project_or_user_has_what_it_may() {
        let all = [
            lane("q", "a", "u", (0, 1, 0)),
            lane("q", "a", "v", (0, 2, 0)),
            lane("q", "b", "u", (0, 3, 0)),
            lane("q", "b", "v", (0, 4, 0)),
        ];
        let load = || running(&[("q", "a", "u", 1), ("q", "b", "v", 2), ("other", "a", "u", 9)]);
        let limits = |all, project, user| QueueRules {
            concurrency: all,
            per_project: project,
            per_user: user,
            ..QueueRules::default()
        };
        for (rules, expected) in [
            (limits(None, None, None), &["a/u", "a/v", "b/u", "b/v"][..]),
            (limits(Some(4), None, None), &["a/u", "a/v", "b/u", "b/v"]),
            (limits(Some(3), None, None), &[]),
            (limits(Some(1), None, None), &[]),
            (limits(None, Some(2), None), &["a/u", "a/v"]),
            (limits(None, Some(1), None), &[]),
            (limits(None, None, Some(2)), &["a/u", "b/u"]),
            (limits(Some(9), Some(2), Some(2)), &["a/u"]),
        ] {
            assert_eq!(
                order(&all, &[queue("q", rules.clone())], &load(), &[]),
                expected,
                "{rules:?}"
            );
        }
        let labels =
            QueueRules { requires: ["gpu".parse().unwrap()].into(), ..QueueRules::default() };
        let queues = [queue("q", labels)];
        assert!(order(&all, &queues, &load(), &["big"]).is_empty());
        assert_eq!(order(&all, &queues, &load(), &["big", "gpu"]).len(), 4);
    }

    /// Any number of streams of higher priority: each lane is served one day, and at the latest after
    /// its head start has been waited out by one job of each other lane.
    #[test]
    fn nothing_starves() {
        let queues = by_name(&[queue("q", QueueRules::default())]);
        let mut lanes: Vec<LaneRow> = (0..5)
            .map(|number| lane("q", &format!("s{number}"), "u", (number * 10, 0, 0)))
            .collect();
        let mut last = [0_i64; 5];
        for second in 1..20_000_i64 {
            // A worker is free every ten seconds, and every lane always has a job.
            let turns = in_turn((JobKind::Leg, &lanes), &queues, &BTreeSet::new(), AGING);
            let at = lanes.iter().position(|row| row.lane == turns[0].lane).unwrap();
            let now = second * 10;
            lanes[at].served_at = Timestamp::from_millis(now * 1000);
            last[at] = now;
            for (lane, served) in last.iter().enumerate() {
                assert!(now - served <= 40 * 60 + 100, "lane {lane} waits since {served} at {now}");
            }
        }
    }
}
