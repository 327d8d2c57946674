//! Reads the events of a job's log from the store, from a place on, through all attempts.
//!
//! Tails and followers read in the same way; only followers, of which there may be very many,
//! have to wait for a place to read, and read little at a time: what was read waits in memory for
//! a client that may be slow.

use std::collections::VecDeque;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    LogError, Logs,
    event::{Item, Stand},
    frames::Frames,
};
use crate::{
    model::{Frame, FrameKind, JobId},
    store::AttemptRow,
};

/// Who reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reader {
    /// The one for a job.
    Tail,
    /// One of many.
    Follower,
}

/// A walk through the attempts of a job.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    logs: &'a Logs,
    reader: Reader,
    attempts: std::vec::IntoIter<AttemptRow>,
    current: Option<(AttemptRow, Option<Frames<'a>>)>,
    stand: Stand,
    announced: u32,
    ready: VecDeque<Item>,
}

impl Logs {
    /// Everything after `stand`; attempts up to number `announced` are known to have begun.
    pub(super) async fn walk(
        &self,
        job: JobId,
        (stand, announced): (Stand, u32),
        reader: Reader,
    ) -> Result<Walk<'_>, LogError> {
        let place = self.place_for(reader).await;
        let attempts = self.attempts_of(job).await?.into_iter();
        drop(place);
        let (current, ready) = (None, VecDeque::new());
        Ok(Walk { logs: self, reader, attempts, current, stand, announced, ready })
    }

    /// A place to ask the database: of followers only a few do at one time, or those that come back
    /// together after a restart would keep everybody else from it.
    pub(super) async fn place_for(&self, reader: Reader) -> Option<SemaphorePermit<'_>> {
        place(&self.reading, reader).await
    }

    /// A place to read a sealed log, from a store that may be slow.
    pub(super) async fn object_place_for(&self, reader: Reader) -> Option<SemaphorePermit<'_>> {
        place(&self.reading_objects, reader).await
    }
}

async fn place(places: &Semaphore, reader: Reader) -> Option<SemaphorePermit<'_>> {
    match reader {
        Reader::Tail => None,
        Reader::Follower => Some(places.acquire().await.expect("it is never closed")),
    }
}

impl Walk<'_> {
    /// The next event; none when everything that was stored has been read.
    pub(super) async fn next(&mut self) -> Result<Option<Item>, LogError> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if self.current.is_some() {
                self.read_on().await?;
            } else if !self.enter_next().await? {
                return Ok(None);
            }
        }
    }

    /// Where it stands: where the last event ended, and sometimes which frame comes next, too.
    pub(super) fn stand(&self) -> Stand {
        self.stand
    }

    /// Goes on to the next attempt, if there is one.
    async fn enter_next(&mut self) -> Result<bool, LogError> {
        let Some(attempt) = self.attempts.next() else { return Ok(false) };
        if attempt.number < self.stand.attempt {
            return Ok(true);
        }
        let before = self.stand;
        if attempt.number > self.stand.attempt {
            self.stand = Stand::beginning(attempt.number);
        }
        if self.announced < attempt.number {
            self.announced = attempt.number;
            self.ready.push_back(Item::attempt(before, self.stand));
        }
        // A log that was removed is one gap.
        let frames = if self.is_at_end(&attempt) || attempt.log_expired_at.is_some() {
            None
        } else {
            let from = (self.stand.offset, self.stand.seq);
            Some(self.logs.frames(&attempt, from, self.reader).await?)
        };
        self.current = Some((attempt, frames));
        Ok(true)
    }

    /// Whether there was nothing more when the attempt was looked up.
    fn is_at_end(&self, attempt: &AttemptRow) -> bool {
        self.stand.seq.is_some_and(|seq| seq >= attempt.log_end.seq)
    }

    /// Takes the next frame of the attempt, or its end.
    async fn read_on(&mut self) -> Result<(), LogError> {
        let Some((attempt, mut frames)) = self.current.take() else { return Ok(()) };
        let frame = match &mut frames {
            Some(frames) if frames.has_ready() || !self.is_at_end(&attempt) => {
                frames.next().await?
            }
            _ => None,
        };
        let Some(frame) = frame else {
            self.leave(&attempt);
            return Ok(());
        };
        // Step marks at the very place may have been sent before; bytes cannot.
        if let Some(frame) = cut(frame, self.stand.offset) {
            self.skip_to(frame.offset, frame.seq);
            let item = Item::frame(self.stand, &frame);
            self.stand = item.after;
            self.ready.push_back(item);
        }
        self.current = Some((attempt, frames));
        Ok(())
    }

    fn leave(&mut self, attempt: &AttemptRow) {
        let end = attempt.log_end;
        if attempt.end.is_some() {
            self.skip_to(end.offset, end.seq);
        }
        // Nothing was stored after the place, so that the next frame is the attempt's next one.
        if self.stand.offset == end.offset && self.stand.seq.is_none() {
            self.stand.seq = Some(end.seq);
        }
    }

    /// Says that bytes are missing, if there are any before `offset`.
    fn skip_to(&mut self, offset: u64, seq: u64) {
        if offset > self.stand.offset {
            let after = Stand { offset, seq: Some(seq), ..self.stand };
            self.ready.push_back(Item::gap(self.stand, after));
            self.stand = after;
        }
    }
}

/// The part of a frame from `offset` on; none if all its bytes lie before.
fn cut(mut frame: Frame, offset: u64) -> Option<Frame> {
    let FrameKind::Data(_, bytes) = &mut frame.kind else {
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
