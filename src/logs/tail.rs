//! The tail of a followed job: one reader of the store for all who follow it on this server.
//!
//! It stands at one place of the log and sends every event after it, once and in order, whether
//! the event came from an append on this server, which hands its frames over directly, or was read
//! from the store, where another server put it. Both go through `Shared::send`, which passes over
//! what was sent before and refuses what does not continue: so nothing is doubled, and what was
//! refused is read from the store.
//!
//! The tail is only a shortcut. Whoever misses something here (joined late, read too slowly) reads
//! it from where it is stored, so the channel can be short and nothing is ever waited for.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, broadcast, watch},
    task::JoinHandle,
};

use super::{
    LogError, Logs,
    event::{Item, Progress, Stand},
    walk::Reader,
};
use crate::model::{Frame, JobId};

/// Events a follower may be behind before it has to read from the store: 8 MiB at the most.
const BEHIND: usize = 128;

/// How often the store is looked at though nothing woke the tail: as long as news from another
/// server take where notices get lost.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The tail of a job. It ends when nobody holds it any more.
#[derive(Debug)]
pub(super) struct Tail {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    events: broadcast::Sender<Item>,
    /// Where the last event ended; nothing is sent before it is known.
    stand: Mutex<Option<Stand>>,
    /// How far the reader is.
    life: watch::Sender<Life>,
    woken: Notify,
}

/// How far the reader of a tail is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    /// It does not know yet where it stands.
    Beginning,
    /// Every later event is sent.
    Standing,
    /// It panicked: nothing is sent any more.
    Broken,
}

/// What became of an event that was to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sent {
    /// All have it, or had it before.
    Yes,
    /// It does not continue where the tail stands.
    No,
}

impl Tail {
    /// Begins to follow a job; `changes` moves when any job changes its state.
    pub(super) fn start(logs: Logs, job: JobId, changes: watch::Receiver<u64>) -> Self {
        let shared = Arc::<Shared>::default();
        let alive = Alive(Arc::clone(&shared));
        let reader = Task { logs, job, shared: Arc::clone(&shared), progress: None };
        let task = tokio::spawn(async move {
            let _alive = alive;
            reader.run(changes).await;
        });
        Self { shared, task }
    }

    /// Events from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Item> {
        self.shared.events.subscribe()
    }

    /// How far it is: once it stands somewhere, every later event is sent.
    pub(super) fn life(&self) -> watch::Receiver<Life> {
        self.shared.life.subscribe()
    }

    /// Whether it sends nothing any more, and another has to take its place.
    pub(super) fn is_broken(&self) -> bool {
        *self.shared.life.borrow() == Life::Broken
    }

    /// There is more than what came through here.
    pub(super) fn wake(&self) {
        self.shared.woken.notify_one();
    }

    /// Sends frames that were just stored.
    pub(super) fn append(&self, attempt: u32, frames: &[Frame]) {
        self.shared.append(attempt, frames);
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            events: broadcast::Sender::new(BEHIND),
            stand: Mutex::new(None),
            life: watch::Sender::new(Life::Beginning),
            woken: Notify::new(),
        }
    }
}

impl Shared {
    fn append(&self, attempt: u32, frames: &[Frame]) {
        for frame in frames {
            let before = Stand { attempt, offset: frame.offset, seq: Some(frame.seq) };
            if self.send(before, || Item::frame(before, frame)) == Sent::No {
                // Another server stored something before it, or the tail has yet to begin.
                self.woken.notify_one();
                return;
            }
        }
    }

    /// Sends the event that begins at `before`, unless it was sent.
    fn send(&self, before: Stand, item: impl FnOnce() -> Item) -> Sent {
        let mut stand = self.stand.lock().unwrap_or_else(PoisonError::into_inner);
        match *stand {
            Some(here) if here == before => {
                let item = item();
                *stand = Some(item.after);
                // Fails only when the last follower has just left.
                let _ = self.events.send(item);
                Sent::Yes
            }
            // An event begins where the one before ended, so that what begins earlier was sent.
            Some(here) if here.covers(before) => Sent::Yes,
            _ => Sent::No,
        }
    }

    fn stand(&self) -> Option<Stand> {
        *self.stand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, at: Stand) {
        *self.stand.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
        self.life.send_replace(Life::Standing);
    }

    /// Sends what has no place of its own, wherever the tail stands.
    fn tell(&self, item: impl FnOnce(Stand) -> Option<Item>) {
        let stand = self.stand.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(item) = stand.and_then(item) {
            let _ = self.events.send(item);
        }
    }
}

/// Why the tail looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Why {
    /// The log may have grown.
    Grown,
    /// Some job changed, mostly another.
    Changed,
}

/// What reads for the tail.
struct Task {
    logs: Logs,
    job: JobId,
    shared: Arc<Shared>,
    progress: Option<Progress>,
}

/// Says so if the reader panics.
#[derive(Debug)]
struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.life.send_replace(Life::Broken);
        }
    }
}

impl Task {
    async fn run(mut self, mut changes: watch::Receiver<u64>) {
        let (mut why, mut is_open) = (Why::Grown, true);
        loop {
            changes.mark_unchanged();
            match self.look(why).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(
                        job.id = %self.job, %error, "a followed log could not be read; trying again"
                    );
                    tokio::time::sleep(LOOK_AGAIN).await;
                    // Whatever it was woken for is still to be read.
                    why = Why::Grown;
                    continue;
                }
            }
            why = tokio::select! {
                () = self.shared.woken.notified() => Why::Grown,
                changed = changes.changed(), if is_open => {
                    is_open = changed.is_ok();
                    Why::Changed
                }
                () = tokio::time::sleep(LOOK_AGAIN) => Why::Grown,
            };
        }
    }

    /// Reads what is new and sends it; whether the job has ended.
    async fn look(&mut self, why: Why) -> Result<bool, LogError> {
        let row = self.logs.job_row(self.job).await?;
        let progress = Progress::of(&row.state);
        let Some(stand) = self.shared.stand() else {
            let last = self.logs.attempts_of(self.job).await?.pop();
            self.progress = Some(progress);
            // What there is already, followers read by themselves.
            self.shared.begin(last.map_or(Stand::beginning(0), |last| Stand {
                attempt: last.number,
                offset: last.log_end.offset,
                seq: Some(last.log_end.seq),
            }));
            return Ok(Item::end(Stand::beginning(0), &row.state).is_some());
        };
        let is_news = self.progress < Some(progress);
        if !is_news && why == Why::Changed {
            return Ok(false);
        }
        if is_news {
            self.shared.tell(|stand| Some(Item::state(stand, &row.state)));
            self.progress = Some(progress);
        }
        let mut walk = self.logs.walk(self.job, (stand, stand.attempt), Reader::Tail).await?;
        while let Some(item) = walk.next().await? {
            if self.shared.send(item.before, || item) == Sent::No {
                // An append went on from the middle of what is a gap by now: read on from there.
                self.shared.woken.notify_one();
                return Ok(false);
            }
        }
        if Item::end(stand, &row.state).is_none() {
            return Ok(false);
        }
        self.shared.tell(|stand| Item::end(stand, &row.state));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tail_whose_reader_panicked_says_so_and_one_that_was_dropped_does_not() {
        let shared = Arc::<Shared>::default();
        for (panics, expected) in [(false, Life::Beginning), (true, Life::Broken)] {
            let alive = Alive(Arc::clone(&shared));
            let ended = tokio::spawn(async move {
                let _alive = alive;
                assert!(!panics, "as a reader with a mistake would");
            });
            assert_eq!(ended.await.is_err(), panics);
            assert_eq!(*shared.life.borrow(), expected);
            let tail = Tail { shared: Arc::clone(&shared), task: tokio::spawn(async {}) };
            assert_eq!((tail.is_broken(), *tail.life().borrow()), (panics, expected));
        }
    }
}
