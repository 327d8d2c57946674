//! Queues: limits hold at every moment, projects take turns, nothing starves, and what was said of a
//! queue holds from then on.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use kiln::{
    model::{
        Account, AgentId, BuildId, Clock, Limits, Principal, QueueName, Role, Scope, StateName,
        SystemClock, Timestamp, TokenId, ToolchainName,
    },
    protocol::{BuildSource, ClaimRequest, Claimed, EventKind, GitSource, QueueRules, Work},
    queue::{Queue, QueueError, QueueSettings, Submission},
    store::Store,
};

use crate::database::{Place, agent, claim, finish, manual, request, secrets, status};

/// Toolchains of the tests: a build has a leg for each of the first few.
const TOOLCHAINS: usize = 32;

fn toolchains() -> Vec<ToolchainName> {
    (0..TOOLCHAINS).map(|number| format!("gcc:{number}").parse().unwrap()).collect()
}

fn name(text: &str) -> QueueName {
    text.parse().unwrap()
}

async fn server(store: Store, clock: Arc<dyn Clock>) -> Queue {
    let limits = Limits::default();
    let all = toolchains();
    let defaults = vec![all[0].clone()];
    let settings = QueueSettings::new(all.into_iter().collect(), defaults, limits.clone(), limits);
    Queue::new((store.clone(), secrets(store).await), clock, settings)
}

/// One more server of a place.
async fn another(place: &Place) -> Queue {
    let store = match place.postgres {
        None => place.store.clone(),
        Some(_) => Store::open(&place.database).await.unwrap(),
    };
    server(store, Arc::new(SystemClock)).await
}

/// A claim of an agent that has every toolchain.
fn ask() -> ClaimRequest {
    let mut request = claim();
    let mut status = status();
    let one = status.toolchains.pop().unwrap();
    for name in toolchains() {
        let mut present = one.clone();
        present.name = name;
        status.toolchains.push(present);
    }
    request.status = status;
    request
}

/// Who sends what where.
#[derive(Clone, Copy)]
struct Sent<'a> {
    queue: &'a str,
    /// The repository: builds of no project share by it.
    share: &'a str,
    user: &'a str,
    priority: i32,
    legs: usize,
}

impl Sent<'_> {
    fn submission(&self) -> Submission {
        let mut submission = request(None);
        let url = format!("https://example.com/{}.git", self.share);
        submission.request.queue = name(self.queue);
        submission.request.priority = self.priority;
        submission.request.toolchains = toolchains()[..self.legs].to_vec();
        submission.source = BuildSource::Git(GitSource { url, reference: None });
        submission.principal = Principal::Account(Account {
            token: TokenId::new(Timestamp::from_millis(1)),
            owner: self.user.parse().unwrap(),
            role: Role::Submit,
            scope: Scope::All,
        });
        submission
    }
}

/// Submits a build and plans it, so that its legs wait.
async fn send(queue: &Queue, planner: AgentId, sent: Sent<'_>) -> BuildId {
    let build = queue.submit(sent.submission()).await.unwrap();
    let plan = queue.claim(planner, &ask()).await.unwrap().expect("a plan goes before all legs");
    assert!(matches!(plan.work, Work::Plan { .. }) && plan.build == build);
    finish(queue, planner, &plan).await.unwrap();
    build
}

/// The next leg.
async fn next(queue: &Queue, agent: AgentId) -> Option<Claimed> {
    let claimed = queue.claim(agent, &ask()).await.unwrap()?;
    assert!(matches!(claimed.work, Work::Leg { .. }));
    Some(claimed)
}

async fn rules(queue: &Queue, queue_name: &str, rules: QueueRules) {
    queue.put_queue(&name(queue_name), &rules).await.unwrap();
}

fn limit(concurrency: u32, per_project: u32, per_user: u32) -> QueueRules {
    let some = |limit| (limit > 0).then_some(limit);
    QueueRules {
        concurrency: some(concurrency),
        per_project: some(per_project),
        per_user: some(per_user),
        ..QueueRules::default()
    }
}

/// Thirty-two agents at two servers take everything in queues with all kinds of limits, while the
/// rules are written again and again. Events are numbered in the order in which what they tell of was
/// committed: counted along them, what runs is never more than may.
async fn limits_hold(place: Place) {
    const CLAIMERS: usize = 32;
    let queues = [
        ("one", limit(1, 0, 0)),
        ("three", limit(3, 0, 0)),
        ("project", limit(0, 1, 0)),
        ("user", limit(0, 0, 2)),
        ("mixed", limit(3, 2, 1)),
        ("free", limit(0, 0, 0)),
    ];
    let servers = [another(&place).await, another(&place).await];
    let planner = agent(&place.store, "planner").await;
    let mut of_build = HashMap::new();
    let mut total = 0;
    for (queue, limits) in &queues {
        rules(&servers[0], queue, limits.clone()).await;
        for (share, user) in [("a", "x"), ("a", "y"), ("b", "x"), ("b", "z"), ("c", "z")] {
            let sent = Sent { queue, share, user, priority: 0, legs: 6 };
            of_build.insert(send(&servers[0], planner, sent).await, (*queue, share, user));
            total += sent.legs;
        }
    }
    // One that keeps what it gets is given exactly what may run.
    let mut kept = Vec::new();
    while let Some(claimed) = next(&servers[1], planner).await {
        kept.push(claimed);
    }
    let of = |queue| kept.iter().filter(|claimed| of_build[&claimed.build].0 == queue).count();
    let given = ["one", "three", "project", "user", "mixed", "free"].map(of);
    assert_eq!(given, [1, 3, 3, 6, 3, 30]);
    for claimed in &kept {
        finish(&servers[0], planner, claimed).await.unwrap();
    }
    let ended = Arc::new(AtomicUsize::new(kept.len()));
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for number in 0..CLAIMERS {
        let queue = servers[number % 2].clone();
        let agent = agent(&place.store, &format!("agent-{number}")).await;
        let ended = Arc::clone(&ended);
        tasks.push(tokio::spawn(async move {
            while ended.load(Ordering::SeqCst) < total {
                let request = ClaimRequest { wait_ms: 100, ..ask() };
                let Some(claimed) = queue.claim(agent, &request).await.unwrap() else { continue };
                tokio::task::yield_now().await;
                finish(&queue, agent, &claimed).await.unwrap();
                ended.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    let writer = {
        let (server, over, queues) = (servers[1].clone(), Arc::clone(&over), queues.clone());
        tokio::spawn(async move {
            let mut written = 0;
            while !over.load(Ordering::SeqCst) {
                let (queue, limits) = &queues[written % queues.len()];
                server.put_queue(&name(queue), limits).await.unwrap();
                written += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            written
        })
    };
    for task in tasks {
        task.await.unwrap();
    }
    over.store(true, Ordering::SeqCst);
    assert!(writer.await.unwrap() > 0);

    let mut running: HashMap<(&str, &str, &str), u32> = HashMap::new();
    let mut began = 0;
    for event in place.store.events_after(0, 20_000).await.unwrap() {
        let EventKind::Job { build, toolchain: Some(_), state, attempt, .. } = event.kind else {
            continue;
        };
        let (queue, share, user) = of_build[&build];
        let of = |kind, who| (queue, kind, who);
        let counted = [of("all", ""), of("share", share), of("user", user)];
        match state {
            StateName::Queued => continue,
            StateName::Running => {
                assert_eq!(attempt, 1);
                began += 1;
                for key in counted {
                    *running.entry(key).or_default() += 1;
                }
            }
            StateName::Finished => {
                for key in counted {
                    *running.get_mut(&key).unwrap() -= 1;
                }
            }
        }
        let rules = &queues.iter().find(|(name, _)| *name == queue).unwrap().1;
        let limits = [rules.concurrency, rules.per_project, rules.per_user];
        for (key, limit) in counted.into_iter().zip(limits) {
            let count = running[&key];
            assert!(limit.is_none_or(|limit| count <= limit), "{count} run: {key:?} {limit:?}");
        }
    }
    assert_eq!(began, total, "each leg once");
    assert!(running.values().all(|count| *count == 0), "{running:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_at_every_moment_on_two_servers() {
    limits_hold(Place::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_at_every_moment_on_sqlite() {
    limits_hold(Place::sqlite().await).await;
}

/// A project with hundreds of jobs does not hold up one with three, whichever is first.
async fn turns_are_taken(place: Place) {
    let queue = another(&place).await;
    let worker = agent(&place.store, "worker").await;
    let sent = |share, legs| Sent { queue: "default", share, user: "x", priority: 0, legs };
    for _ in 0..8 {
        send(&queue, worker, sent("large", 32)).await;
    }
    let mut of = HashMap::new();
    // The large one is at work already when the others come.
    for _ in 0..5 {
        let claimed = next(&queue, worker).await.unwrap();
        finish(&queue, worker, &claimed).await.unwrap();
    }
    of.insert(send(&queue, worker, sent("small", 3)).await, "small");
    of.insert(send(&queue, worker, sent("middle", 8)).await, "middle");
    let mut order = Vec::new();
    for _ in 0..24 {
        let claimed = next(&queue, worker).await.unwrap();
        finish(&queue, worker, &claimed).await.unwrap();
        order.push(of.get(&claimed.build).copied().unwrap_or("large"));
    }
    let count = |upto: usize, who| order[..upto].iter().filter(|one| **one == who).count();
    // Three take turns: in nine jobs, and one that was in between, each has had three.
    assert_eq!(count(10, "small"), 3, "{order:?}");
    assert!(count(10, "middle") >= 3 && count(10, "large") >= 3, "{order:?}");
    // Then two do.
    assert_eq!(count(22, "middle"), 8, "{order:?}");
    assert!(count(22, "large") >= 10, "{order:?}");
}

#[tokio::test]
async fn projects_take_turns_however_many_jobs_each_has() {
    turns_are_taken(Place::sqlite().await).await;
    turns_are_taken(Place::postgres().await).await;
}

#[tokio::test]
async fn priority_is_a_head_start_and_nothing_starves() {
    let place = Place::sqlite().await;
    let clock = manual();
    let queue = server(place.store.clone(), Arc::<kiln::model::ManualClock>::clone(&clock)).await;
    let worker = agent(&place.store, "worker").await;
    rules(&queue, "urgent", QueueRules { priority: 7, ..QueueRules::default() }).await;
    let low = Sent { queue: "default", share: "low", user: "x", priority: 0, legs: 1 };
    let high = Sent { queue: "urgent", share: "high", user: "y", priority: 3, legs: 1 };
    let waits = send(&queue, worker, low).await;
    // Every minute a job that has ten steps more: those of the next ten minutes go first.
    let mut passed = 0;
    loop {
        clock.advance(Duration::from_secs(61));
        send(&queue, worker, high).await;
        let claimed = next(&queue, worker).await.unwrap();
        finish(&queue, worker, &claimed).await.unwrap();
        if claimed.build == waits {
            break;
        }
        passed += 1;
        assert!(passed < 30, "it starves");
    }
    assert_eq!(passed, 9, "those that came within ten minutes");
}

#[tokio::test]
async fn a_queue_that_is_paused_or_wants_other_agents_is_passed_over() {
    let place = Place::sqlite().await;
    let queue = another(&place).await;
    let worker = agent(&place.store, "worker").await;
    let labels = ["gpu".parse().unwrap()];
    rules(&queue, "gpu", QueueRules { requires: labels.clone().into(), ..QueueRules::default() })
        .await;
    rules(&queue, "nightly", QueueRules { priority: 50, ..QueueRules::default() }).await;
    let sent = |queue| Sent { queue, share: "a", user: "x", priority: 0, legs: 1 };
    let nightly = send(&queue, worker, sent("nightly")).await;
    let default = send(&queue, worker, sent("default")).await;
    queue.pause_queue(&name("nightly"), ("new disk", "user:ann")).await.unwrap();
    // Its plans go on, and no agent without the label plans what wants one.
    let paused = send(&queue, worker, sent("nightly")).await;
    let gpu = queue.submit(sent("gpu").submission()).await.unwrap();
    assert_eq!(next(&queue, worker).await.unwrap().build, default);
    assert!(next(&queue, worker).await.is_none());
    let view = queue.build(paused).await.unwrap().unwrap();
    assert_eq!(view.jobs[0].message, "queue nightly is paused: new disk");
    let view = queue.build(gpu).await.unwrap().unwrap();
    assert!(view.plan.message.contains("has the labels it requires: gpu"), "{view:?}");
    queue.resume_queue(&name("nightly")).await.unwrap();
    assert_eq!(next(&queue, worker).await.unwrap().build, nightly);
    let mut request = ask();
    request.status.labels = labels.into();
    let claimed = queue.claim(worker, &request).await.unwrap().unwrap();
    assert_eq!(claimed.build, gpu, "a plan, before the leg that waits");
    let views = queue.queues().await.unwrap();
    let counts: Vec<_> =
        views.iter().map(|view| (view.name.as_str(), view.waiting, view.running)).collect();
    assert_eq!(counts, [("default", 0, 1), ("gpu", 0, 0), ("nightly", 1, 1)]);
}

/// Whoever was told that a queue is paused does not see a job of it begin until it is resumed.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_in_a_queue_once_it_is_said_to_be_paused() {
    for (place, limits) in [
        (Place::postgres().await, limit(0, 0, 0)),
        (Place::postgres().await, limit(4, 0, 0)),
        (Place::sqlite().await, limit(4, 0, 0)),
    ] {
        let servers = [another(&place).await, another(&place).await];
        let planner = agent(&place.store, "planner").await;
        rules(&servers[0], "stop", limits).await;
        for share in ["a", "b", "c", "d"] {
            let sent = Sent { queue: "stop", share, user: "x", priority: 0, legs: 30 };
            send(&servers[0], planner, sent).await;
        }
        let ended = Arc::new(AtomicUsize::new(0));
        let mut tasks = Vec::new();
        for number in 0..8 {
            let queue = servers[number % 2].clone();
            let agent = agent(&place.store, &format!("agent-{number}")).await;
            let ended = Arc::clone(&ended);
            tasks.push(tokio::spawn(async move {
                while ended.load(Ordering::SeqCst) < 120 {
                    let Some(claimed) = queue.claim(agent, &ask()).await.unwrap() else {
                        tokio::time::sleep(Duration::from_millis(2)).await;
                        continue;
                    };
                    finish(&queue, agent, &claimed).await.unwrap();
                    ended.fetch_add(1, Ordering::SeqCst);
                }
            }));
        }
        let mut pauses = 0;
        while ended.load(Ordering::SeqCst) < 120 {
            servers[0].pause_queue(&name("stop"), ("", "local")).await.unwrap();
            let before = begun(&place).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(begun(&place).await, before, "pause {pauses}");
            servers[1].resume_queue(&name("stop")).await.unwrap();
            pauses += 1;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        assert!(pauses > 1, "it was over before anything was tried");
        for task in tasks {
            task.await.unwrap();
        }
    }
}

/// How many legs have begun.
async fn begun(place: &Place) -> usize {
    let events = place.store.events_after(0, 20_000).await.unwrap();
    let is_begin = |kind: &EventKind| {
        matches!(kind, EventKind::Job { toolchain: Some(_), state: StateName::Running, .. })
    };
    events.iter().filter(|event| is_begin(&event.kind)).count()
}

/// A queue takes as many as it says from however many at one time, and is removed only when empty.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_takes_no_more_and_a_used_one_stays() {
    for place in [Place::postgres().await, Place::sqlite().await] {
        let servers = [another(&place).await, another(&place).await];
        let most = QueueRules { max_waiting: Some(5), ..QueueRules::default() };
        rules(&servers[0], "small", most).await;
        let sent = Sent { queue: "small", share: "a", user: "x", priority: 0, legs: 1 };
        let submitting = (0..16).map(|number| {
            let (server, submission) = (servers[number % 2].clone(), sent.submission());
            tokio::spawn(async move { server.submit(submission).await })
        });
        let mut taken = Vec::new();
        for task in submitting.collect::<Vec<_>>() {
            match task.await.unwrap() {
                Ok(build) => taken.push(build),
                Err(QueueError::Full(sentence)) => {
                    assert!(sentence.contains("queue small is full: 5 jobs wait"), "{sentence}");
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(taken.len(), 5);
        let refused = servers[1].remove_queue(&name("small")).await;
        assert!(matches!(refused, Err(QueueError::Conflict(_))), "{refused:?}");
        for build in &taken {
            let cancel = kiln::model::CancelReason::Requested;
            servers[0].cancel_build(*build, cancel).await.unwrap();
        }
        servers[1].remove_queue(&name("small")).await.unwrap();
        let refused = servers[0].submit(sent.submission()).await;
        let Err(QueueError::Invalid(sentence)) = refused else { panic!("{refused:?}") };
        assert_eq!(sentence, "there is no queue small; there are: default");
        let refused = servers[0].retry_build(taken[0], &[]).await;
        assert!(matches!(refused, Err(QueueError::Invalid(_))), "{refused:?}");
    }
}

/// A waiting job whose lane was lost is found again.
#[tokio::test]
async fn lanes_that_are_empty_go_and_those_that_are_missing_come_back() {
    for place in [Place::postgres().await, Place::sqlite().await] {
        let queue = another(&place).await;
        let worker = agent(&place.store, "worker").await;
        let sent = |share| Sent { queue: "default", share, user: "x", priority: 0, legs: 1 };
        send(&queue, worker, sent("a")).await;
        send(&queue, worker, sent("b")).await;
        let later = SystemClock.now().plus(Duration::from_hours(1));
        let mut tx = place.store.begin().await.unwrap();
        let all = place.store.lanes(&mut tx).await.unwrap();
        assert_eq!(all.len(), 4, "plans and legs of two shares: {all:?}");
        assert_eq!(place.store.forget_lanes(&mut tx, later).await.unwrap(), 2, "the plans'");
        assert_eq!(place.store.mend_lanes(&mut tx, later).await.unwrap(), 0);
        tx.commit().await.unwrap();
        let mut left = 2;
        while let Some(claimed) = next(&queue, worker).await {
            finish(&queue, worker, &claimed).await.unwrap();
            left -= 1;
        }
        assert_eq!(left, 0);
    }
}
