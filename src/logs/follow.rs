//! Following a log: everything after a place, then what comes, until the job has ended.
//!
//! Reading is driven by the place the follower has reached, never by what was sent to it: stored
//! events first, then the tail's as long as they continue where it stands, and back to the store
//! whenever they do not. That is why reconnects, slow readers, restarts and other servers neither
//! lose nor repeat a byte. While a follower keeps up it asks the database nothing.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    LogError, Logs,
    event::{Item, Progress, Stand, What},
    tail::{LOOK_AGAIN, Life, Tail},
    walk::Reader,
};
use crate::{
    model::{JobId, JobState, LogPosition},
    store::JobRow,
};

/// The receiver has gone away: nothing is left to do.
struct Gone;

enum Stopped {
    Gone,
    Failed(LogError),
}

impl From<Gone> for Stopped {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl<E: Into<LogError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Logs {
    /// Sends the events of a job's log after `place` to `out`, each as it goes over the wire, until
    /// the job has ended, the receiver is gone, or `stop` says so. `changes` moves when any job
    /// changes its state.
    pub async fn follow(
        &self,
        job: JobId,
        place: LogPosition,
        changes: watch::Receiver<u64>,
        out: mpsc::Sender<Bytes>,
        stop: CancellationToken,
    ) {
        let tail = self.hub.tail(self, job, changes);
        let gone = out.clone();
        let follower = Follower {
            logs: self,
            job,
            stand: Stand::of(place),
            announced: 0,
            progress: None,
            live: tail.subscribe(),
            life: tail.life(),
            _tail: tail,
            out,
        };
        let followed = tokio::select! {
            () = stop.cancelled() => return,
            () = gone.closed() => return,
            followed = follower.run() => followed,
        };
        if let Err(Stopped::Failed(error)) = followed {
            tracing::error!(job.id = %job, %error, "following a log failed");
        }
    }
}

struct Follower<'a> {
    logs: &'a Logs,
    job: JobId,
    stand: Stand,
    /// The attempt that was announced last.
    announced: u32,
    /// How far the job had come when its state was told last.
    progress: Option<Progress>,
    live: broadcast::Receiver<Item>,
    life: watch::Receiver<Life>,
    _tail: Arc<Tail>,
    out: mpsc::Sender<Bytes>,
}

/// What an event of the tail is to a follower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Is {
    /// The next.
    Next,
    /// Had before.
    Old,
    /// Beyond something that is missing.
    Ahead,
}

impl Follower<'_> {
    async fn run(mut self) -> Result<(), Stopped> {
        // What is stored before the tail stands somewhere, it does not send.
        let _ = self.life.wait_for(|life| *life != Life::Beginning).await;
        while !self.catch_up().await? && !self.live().await? {}
        Ok(())
    }

    /// Sends everything that is stored after this place; whether that was the end.
    async fn catch_up(&mut self) -> Result<bool, Stopped> {
        let place = self.logs.place_for(Reader::Follower).await;
        let JobRow { state, .. } = self.logs.job_row(self.job).await?;
        drop(place);
        self.tell_state(&state).await?;
        let from = (self.stand, self.announced);
        let mut walk = self.logs.walk(self.job, from, Reader::Follower).await?;
        while let Some(item) = walk.next().await? {
            self.pass(item).await?;
        }
        self.stand = walk.stand();
        let Some(end) = Item::end(self.stand, &state) else { return Ok(false) };
        self.send(end.wire).await?;
        Ok(true)
    }

    /// Passes the tail's events on while they continue where this follower stands. Answers whether
    /// that was the end, or else it has to look at the store again.
    async fn live(&mut self) -> Result<bool, Stopped> {
        loop {
            let broken = self.life.wait_for(|life| *life == Life::Broken);
            let received = tokio::select! {
                biased;
                item = self.live.recv() => item,
                // The follower asks again, and finds another tail.
                _ = broken => return Err(Stopped::Gone),
            };
            let item = match received {
                Ok(item) => item,
                Err(broadcast::error::RecvError::Lagged(_)) => return Ok(false),
                Err(broadcast::error::RecvError::Closed) => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    return Ok(false);
                }
            };
            let is_end = item.what == What::End;
            match self.judge(&item) {
                Is::Next => self.pass(item).await?,
                Is::Old => continue,
                Is::Ahead => return Ok(false),
            }
            if is_end {
                return Ok(true);
            }
        }
    }

    fn judge(&self, item: &Item) -> Is {
        match item.what {
            What::State(progress) if self.progress < Some(progress) => Is::Next,
            What::State(_) => Is::Old,
            What::End if item.before == self.stand => Is::Next,
            What::End => Is::Ahead,
            What::Attempt | What::Bytes => {
                let is_announced = item.before.attempt <= self.announced;
                if item.before == self.stand && is_announced {
                    Is::Next
                } else if item.after.attempt < self.stand.attempt
                    || (self.stand.covers(item.after) && item.after.attempt <= self.announced)
                {
                    Is::Old
                } else {
                    Is::Ahead
                }
            }
        }
    }

    async fn tell_state(&mut self, state: &JobState) -> Result<(), Gone> {
        let item = Item::state(self.stand, state);
        match self.judge(&item) {
            Is::Next => self.pass(item).await,
            Is::Old | Is::Ahead => Ok(()),
        }
    }

    async fn pass(&mut self, item: Item) -> Result<(), Gone> {
        match item.what {
            What::State(progress) => self.progress = Some(progress),
            What::End => {}
            What::Attempt | What::Bytes => {
                self.stand = item.after;
                self.announced = self.announced.max(item.after.attempt);
            }
        }
        self.send(item.wire).await
    }

    async fn send(&mut self, wire: Bytes) -> Result<(), Gone> {
        self.out.send(wire).await.map_err(|_| Gone)
    }
}
