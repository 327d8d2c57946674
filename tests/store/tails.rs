//! Logs are followed on one server and written on another: each byte once and in order, whether the
//! servers hear of each other or not, and at a price that does not grow with the followers.
//!
//! Two `Logs` over one store are two servers: they share nothing else.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use kiln::{
    artifact::ArtifactStore,
    logs::Logs,
    model::{
        AgentId, Cause, Clock, Frame, FrameKind, LogPosition, ManualClock, Stream, SystemClock,
        Verdict,
    },
    protocol::{Claimed, LogEnd},
    queue::Queue,
};
use serde_json::Value;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::database::{Place, agent, claim, finish_with, manual, queue, submit};

/// How long something that has to happen may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two servers and a job that runs.
struct Two {
    /// The server the agent sends to.
    here: Logs,
    /// The one that is asked.
    there: Logs,
    /// Moves as the other server's queue does when it hears of a change.
    changes: watch::Sender<u64>,
    queue: Queue,
    clock: Arc<ManualClock>,
    agent: AgentId,
    claimed: Claimed,
    end: LogEnd,
    text: String,
    place: Place,
    /// Gone with the test.
    _objects: tempfile::TempDir,
}

impl Two {
    async fn new(place: Place) -> Self {
        let objects = tempfile::tempdir().unwrap();
        let logs = || {
            let artifacts = ArtifactStore::local(objects.path()).unwrap();
            Logs::new(place.store.clone(), artifacts, Arc::new(SystemClock))
        };
        let (here, there, clock) = (logs(), logs(), manual());
        let queue =
            queue(place.store.clone(), Arc::<ManualClock>::clone(&clock), Duration::from_hours(1))
                .await;
        submit(&queue, 1).await;
        let agent = agent(&place.store, "agent").await;
        let claimed = queue.claim(agent, &claim()).await.unwrap().unwrap();
        let (end, text, changes) = (LogEnd::default(), String::new(), watch::Sender::new(0));
        Self {
            here,
            there,
            changes,
            queue,
            clock,
            agent,
            claimed,
            end,
            text,
            place,
            _objects: objects,
        }
    }

    /// The next frames, one for each text.
    fn frames(&mut self, texts: &[String]) -> Vec<Frame> {
        let mut frames = Vec::new();
        for text in texts {
            let kind = FrameKind::Data(Stream::Stdout, text.clone().into_bytes());
            let LogEnd { seq, offset } = self.end;
            let frame = Frame { seq, offset, at: SystemClock.now(), step: Some(0), kind };
            self.end = LogEnd { seq: seq + 1, offset: frame.end() };
            self.text += text;
            frames.push(frame);
        }
        frames
    }

    /// Writes lines through the server the agent sends to.
    async fn write(&mut self, texts: &[String]) {
        let frames = self.frames(texts);
        let Claimed { job, attempt, .. } = self.claimed;
        self.here.append(self.agent, job, attempt, frames).await.unwrap();
    }

    async fn finish(&self, verdict: Verdict) {
        finish_with(&self.queue, self.agent, &self.claimed, (verdict, self.end)).await.unwrap();
    }

    /// Tells the other server what a notice would.
    fn wake(&self) {
        self.there.wake(self.claimed.job);
    }

    fn change(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn follow(&self, waiting: usize) -> Followed {
        let (out, events) = mpsc::channel(waiting);
        let (logs, job, changes) = (self.there.clone(), self.claimed.job, self.changes.subscribe());
        tokio::spawn(async move {
            let stop = CancellationToken::new();
            logs.follow(job, LogPosition::default(), changes, out, stop).await;
        });
        Followed { events, text: String::new(), names: Vec::new() }
    }
}

/// A follower and what it has seen.
struct Followed {
    events: mpsc::Receiver<Bytes>,
    text: String,
    names: Vec<String>,
}

impl Followed {
    /// Reads one event; none at the end.
    async fn next(&mut self) -> Option<()> {
        let wire = timeout(PATIENCE, self.events.recv()).await.expect("an event comes")?;
        let wire = std::str::from_utf8(&wire).unwrap();
        let field = |name: &str| wire.lines().find_map(|line| line.strip_prefix(name));
        let name = field("event: ").unwrap();
        let data: Value = serde_json::from_str(field("data: ").unwrap()).unwrap();
        if name == "log" {
            assert_eq!(data["offset"], self.text.len(), "bytes follow each other");
            self.text += data["text"].as_str().unwrap();
            let id = format!("{}.{}", data["attempt"], self.text.len());
            assert_eq!(field("id: "), Some(&*id));
        } else if name == "attempt" {
            self.text.clear();
        }
        self.names.push(match name {
            "state" => format!("state {}", data["state"].as_str().unwrap()),
            "attempt" => format!("attempt {}", data["attempt"]),
            name => name.to_owned(),
        });
        Some(())
    }

    /// Reads until it has everything that was written.
    async fn until(&mut self, text: &str) {
        while self.text != text {
            self.next().await.expect("there is more");
            assert!(text.starts_with(&self.text), "it is not what was written");
        }
    }

    async fn read_to_end(&mut self) {
        while self.next().await.is_some() {}
        assert_eq!(self.names.last().unwrap(), "end");
        assert_eq!(self.names.iter().filter(|name| *name == "end").count(), 1);
    }
}

/// By the clock alone a round takes as long as the tail sleeps; so many would outlast the patience.
async fn check_that_waking_is_heard(place: Place) {
    let mut two = Two::new(place).await;
    let mut follower = two.follow(16);
    let rounds = async {
        for round in 0..100 {
            two.write(&[format!("line {round}\n")]).await;
            two.wake();
            follower.until(&two.text).await;
        }
        two.finish(Verdict::Success).await;
        two.change();
        follower.read_to_end().await;
    };
    timeout(PATIENCE, rounds).await.expect("woken, the other server looks at once");
    assert_eq!(follower.text, two.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_takes_the_other_sends_when_it_hears_of_it() {
    check_that_waking_is_heard(Place::sqlite().await).await;
    check_that_waking_is_heard(Place::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_takes_the_other_sends_though_it_hears_nothing() {
    let mut two = Two::new(Place::sqlite().await).await;
    let mut follower = two.follow(16);
    for round in 0..3 {
        two.write(&[format!("line {round}\n"), "and more\n".to_owned()]).await;
        follower.until(&two.text).await;
    }
    two.finish(Verdict::Success).await;
    follower.read_to_end().await;
    assert_eq!(follower.text, two.text);
}

/// The agent's requests go through a balancer: each to another server, none of which is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_written_through_both_servers_is_whole_on_both() {
    let mut two = Two::new(Place::sqlite().await).await;
    let mut followers = [two.follow(16), two.follow(1)];
    for round in 0..200 {
        let texts: Vec<_> = (0..=round % 4).map(|part| format!("{round}.{part}\n")).collect();
        two.write(&texts).await;
        if round % 3 == 0 {
            two.wake();
        }
        if round % 50 == 49 {
            two.there.wake_all();
        }
        std::mem::swap(&mut two.here, &mut two.there);
    }
    two.finish(Verdict::Success).await;
    two.change();
    for follower in &mut followers {
        follower.read_to_end().await;
        assert_eq!(follower.text, two.text);
    }
}

const FOLLOWERS: usize = 1_000;
const CHANGES: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_followers_get_each_byte_and_cost_no_more_questions_than_one() {
    let mut two = Two::new(Place::sqlite().await).await;
    two.write(&["first\n".to_owned()]).await;
    let mut followers: Vec<_> = (0..FOLLOWERS).map(|_| two.follow(16)).collect();
    let text = two.text.clone();
    join_all(followers.iter_mut().map(|follower| follower.until(&text))).await;
    let before = two.there.reads();
    for round in 0..CHANGES {
        two.write(&[format!("line {round}\n")]).await;
        two.change();
        two.wake();
        // Nobody falls behind here: that is another test.
        let text = two.text.clone();
        join_all(followers.iter_mut().map(|follower| follower.until(&text))).await;
    }
    two.finish(Verdict::Success).await;
    two.change();
    join_all(followers.iter_mut().map(Followed::read_to_end)).await;
    let reads = two.there.reads() - before;
    assert!(reads >= CHANGES as u64, "it counts: {reads}");
    // Three questions or so for each change, and two by the clock each second: a question of each
    // follower at each change would be a hundred thousand, at only one change a thousand.
    assert!(reads < FOLLOWERS as u64, "{reads} questions");
    for follower in &followers {
        assert_eq!(follower.text, two.text);
        assert_eq!(follower.names.iter().filter(|name| *name == "gap").count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_stalls_loses_nothing_and_holds_nobody_up() {
    let mut two = Two::new(Place::sqlite().await).await;
    let (mut stalled, mut quick) = (two.follow(1), two.follow(16));
    stalled.next().await.unwrap();
    for round in 0..400 {
        two.write(&[format!("line {round}\n")]).await;
        two.wake();
        quick.until(&two.text).await;
    }
    // It goes on from where it stood, through the store, while more is written.
    for round in 0..50 {
        two.write(&[format!("more {round}\n")]).await;
        two.wake();
        stalled.next().await.unwrap();
    }
    two.finish(Verdict::Success).await;
    two.change();
    for follower in [&mut stalled, &mut quick] {
        follower.read_to_end().await;
        assert_eq!(follower.text, two.text);
    }
}

async fn check_attempts(is_told: bool) {
    let mut two = Two::new(Place::sqlite().await).await;
    let mut follower = two.follow(16);
    let mut second = two.follow(16);
    two.write(&["one\n".to_owned()]).await;
    if is_told {
        two.wake();
    }
    // Both have looked before anything changes: a first look that comes later begins with what is then.
    follower.until("one\n").await;
    second.until("one\n").await;
    two.finish(Verdict::Failed(Cause::Engine)).await;
    if is_told {
        two.change();
    }
    // The next attempt waits for a while.
    two.clock.advance(Duration::from_mins(1));
    two.claimed = two.queue.claim(two.agent, &claim()).await.unwrap().unwrap();
    assert_eq!(two.claimed.attempt, 2);
    (two.end, two.text) = (LogEnd::default(), String::new());
    two.write(&["two\n".to_owned(), "three\n".to_owned()]).await;
    two.finish(Verdict::Success).await;
    if is_told {
        two.change();
    }
    for follower in [&mut follower, &mut second] {
        follower.read_to_end().await;
        assert_eq!(follower.text, "two\nthree\n");
        let told = |word: &str| {
            let names = follower.names.iter().filter(|name| name.starts_with(word));
            names.map(String::as_str).collect::<Vec<_>>()
        };
        assert_eq!(told("attempt"), ["attempt 1", "attempt 2"]);
        assert_eq!(told("log").len(), 3, "{:?}", follower.names);
        // What lay between two looks is not told; nothing is told twice or backwards.
        let states = told("state");
        assert_eq!(states.first(), Some(&"state running"), "{states:?}");
        assert_eq!(states.last(), Some(&"state finished"), "{states:?}");
        assert!(states.len() <= 4, "{states:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_follow_each_other_are_told_in_order() {
    check_attempts(true).await;
    check_attempts(false).await;
}

/// An append on this very server needs no look at the store.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_takes_itself_it_sends_without_reading_it_again() {
    let mut two = Two::new(Place::sqlite().await).await;
    two.there = two.here.clone();
    two.write(&["first\n".to_owned()]).await;
    let mut follower = two.follow(16);
    follower.until("first\n").await;
    let before = two.there.reads();
    let began = std::time::Instant::now();
    for round in 0..500 {
        two.write(&[format!("line {round}\n")]).await;
        follower.until(&two.text).await;
    }
    let by_the_clock = 4 * (began.elapsed().as_secs() + 2);
    let reads = two.there.reads() - before;
    assert!(reads <= by_the_clock, "{reads} questions, {by_the_clock} by the clock");
    assert_eq!(two.place.store.attempts_of(two.claimed.job).await.unwrap().len(), 1);
}
