//! Following a log: everything after a place, then what comes, until the job has ended.
//!
//! Reading is driven by the place the follower has reached, never by what was sent to it: stored
//! frames first, then live ones as long as they continue where it stands, and back to the store
//! whenever they do not. That is why reconnects, slow readers and restarts neither lose nor repeat
//! a byte.

use std::{sync::Arc, time::Duration};

use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    LogError, Logs,
    hub::{Encoded, encode, event_json},
};
use crate::{
    model::{Frame, JobId, JobState, LogPosition, StateName},
    protocol::{LogEvent, LogStreamEnd},
    store::{AttemptRow, JobRow},
};

/// How often a follower looks at the store though nothing woke it.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// One event for a follower.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Where to go on after it; not every event moves the place.
    pub id: Option<LogPosition>,
    /// The event's name.
    pub name: &'static str,
    /// Its data, JSON.
    pub data: Arc<str>,
}

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
    /// Sends the events of a job's log after `place` to `out` until the job has ended, the receiver
    /// is gone, or `stop` says so. `changes` moves when any job changes its state.
    pub async fn follow(
        &self,
        job: JobId,
        place: LogPosition,
        changes: watch::Receiver<u64>,
        out: mpsc::Sender<Followed>,
        stop: CancellationToken,
    ) {
        let follower = Follower {
            logs: self,
            job,
            place,
            seq: None,
            announced: 0,
            state: None,
            live: self.hub.subscribe(job),
            changes,
            out,
        };
        let gone = follower.out.clone();
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
    place: LogPosition,
    /// The number of the next frame in the current attempt, once one has been read.
    seq: Option<u64>,
    /// The attempt that was announced last.
    announced: u32,
    state: Option<StateName>,
    live: broadcast::Receiver<Encoded>,
    changes: watch::Receiver<u64>,
    out: mpsc::Sender<Followed>,
}

impl Follower<'_> {
    async fn run(mut self) -> Result<(), Stopped> {
        loop {
            self.changes.mark_unchanged();
            let row = self.logs.store.job(self.job).await?;
            let row = row.ok_or_else(|| LogError::NotFound(format!("job {}", self.job)))?;
            self.tell_state(&row).await?;
            self.catch_up().await?;
            if let JobState::Finished(finished) = &row.state {
                let end = LogEvent::End(LogStreamEnd {
                    outcome: finished.verdict.outcome(),
                    cause: finished.verdict.cause(),
                    message: finished.message.clone(),
                });
                return Ok(self.tell(&end).await?);
            }
            self.live(&row.state).await?;
        }
    }

    /// Passes live frames on while they continue where this follower stands; returns when it has to
    /// look at the store again.
    async fn live(&mut self, state: &JobState) -> Result<(), Stopped> {
        loop {
            let frame = tokio::select! {
                frame = self.live.recv() => frame,
                changed = self.changes.changed() => {
                    if changed.is_err() {
                        tokio::time::sleep(LOOK_AGAIN).await;
                        return Ok(());
                    }
                    // Mostly other jobs changed.
                    match self.logs.store.job(self.job).await? {
                        Some(row) if is_same_attempt(state, &row.state) => continue,
                        _ => return Ok(()),
                    }
                }
                () = tokio::time::sleep(LOOK_AGAIN) => return Ok(()),
            };
            // Fell behind, or the hub is gone: the store has it.
            let Ok(frame) = frame else { return Ok(()) };
            let next = self.seq.unwrap_or(0);
            if frame.start.attempt == self.place.attempt && frame.seq < next {
                continue;
            }
            if frame.start != self.place || frame.seq != next || self.announced == 0 {
                return Ok(());
            }
            self.pass(frame).await?;
        }
    }

    /// Everything that is stored after this place, through all attempts.
    async fn catch_up(&mut self) -> Result<(), Stopped> {
        let attempts = self.logs.store.attempts_of(self.job).await?;
        for attempt in attempts {
            if attempt.number < self.place.attempt {
                continue;
            }
            if attempt.number > self.place.attempt {
                self.place = LogPosition { attempt: attempt.number, offset: 0 };
                self.seq = None;
            }
            if self.announced < attempt.number {
                self.announced = attempt.number;
                self.tell(&LogEvent::Attempt { attempt: attempt.number }).await?;
            }
            self.read_attempt(&attempt).await?;
        }
        Ok(())
    }

    async fn read_attempt(&mut self, attempt: &AttemptRow) -> Result<(), Stopped> {
        let mut frames = self.logs.frames(attempt, self.place.offset, self.seq).await?;
        while let Some(frame) = frames.next().await? {
            // Step marks at the very place may have been sent before; bytes cannot.
            let Some(frame) = cut(frame, self.place.offset) else { continue };
            self.skip_to(frame.offset).await?;
            self.pass(encode(attempt.number, &frame)).await?;
        }
        if attempt.end.is_some() {
            self.skip_to(attempt.log_end.offset).await?;
        }
        Ok(())
    }

    /// Says that bytes are missing, if there are any before `offset`.
    async fn skip_to(&mut self, offset: u64) -> Result<(), Gone> {
        if offset <= self.place.offset {
            return Ok(());
        }
        let LogPosition { attempt, offset: from } = self.place;
        self.place.offset = offset;
        let gap = LogEvent::Gap { attempt, from, to: offset };
        let followed = Followed { id: Some(self.place), name: gap.name(), data: event_json(&gap) };
        self.send(followed).await
    }

    async fn pass(&mut self, frame: Encoded) -> Result<(), Gone> {
        self.place = frame.end;
        self.seq = Some(frame.seq + 1);
        self.send(Followed { id: Some(frame.end), name: frame.name, data: frame.data }).await
    }

    async fn tell_state(&mut self, row: &JobRow) -> Result<(), Gone> {
        let state = row.state.name();
        if self.state.replace(state) == Some(state) {
            return Ok(());
        }
        self.tell(&LogEvent::State { state }).await
    }

    async fn tell(&mut self, event: &LogEvent) -> Result<(), Gone> {
        self.send(Followed { id: None, name: event.name(), data: event_json(event) }).await
    }

    async fn send(&mut self, followed: Followed) -> Result<(), Gone> {
        self.out.send(followed).await.map_err(|_| Gone)
    }
}

/// Whether two states of a job differ in nothing that a follower is told.
fn is_same_attempt(one: &JobState, other: &JobState) -> bool {
    match (one, other) {
        (JobState::Running(one), JobState::Running(other)) => one.attempt == other.attempt,
        (JobState::Queued(one), JobState::Queued(other)) => one.attempts == other.attempts,
        _ => false,
    }
}

/// The part of a frame from `offset` on; none if all its bytes lie before.
fn cut(mut frame: Frame, offset: u64) -> Option<Frame> {
    let crate::model::FrameKind::Data(_, bytes) = &mut frame.kind else {
        return (frame.offset >= offset).then_some(frame);
    };
    if frame.offset >= offset {
        return Some(frame);
    }
    let before = usize::try_from(offset - frame.offset).unwrap_or(usize::MAX);
    if before >= bytes.len() {
        return None;
    }
    bytes.drain(..before);
    frame.offset = offset;
    Some(frame)
}
