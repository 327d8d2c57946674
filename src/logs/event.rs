//! Events of a followed log: where each begins and ends in the log, and its bytes on the wire.
//!
//! An event is encoded once, complete as it goes out, and shared by all who follow: a follower
//! costs a reference, not a copy. `before` and `after` chain the events of a job together, so that
//! whoever holds one can tell whether it continues where a follower stands.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use crate::{
    model::{Frame, FrameKind, JobState, LogPosition},
    protocol::{LogEvent, LogStreamEnd},
};

/// A place in the log of a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stand {
    pub(super) attempt: u32,
    /// Data bytes before it.
    pub(super) offset: u64,
    /// The number of the next frame; none where a client said only the offset.
    pub(super) seq: Option<u64>,
}

impl Stand {
    /// The beginning of an attempt.
    pub(super) fn beginning(attempt: u32) -> Self {
        Self { attempt, offset: 0, seq: Some(0) }
    }

    /// Where a client says it stands.
    pub(super) fn of(place: LogPosition) -> Self {
        let LogPosition { attempt, offset } = place;
        // Before anything there is no frame.
        Self { attempt, offset, seq: (attempt == 0).then_some(0) }
    }

    pub(super) fn place(self) -> LogPosition {
        LogPosition { attempt: self.attempt, offset: self.offset }
    }

    /// Whether whoever stands here has everything before `other`.
    pub(super) fn covers(self, other: Self) -> bool {
        let has_frames = || self.seq.is_none() || other.seq <= self.seq;
        other.attempt < self.attempt
            || (other.attempt == self.attempt && other.offset <= self.offset && has_frames())
    }
}

/// How far a job has come. It only grows, so that late news can be told from new ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Progress(u32, u8);

impl Progress {
    pub(super) fn of(state: &JobState) -> Self {
        match state {
            JobState::Running(running) => Self(running.attempt.number, 0),
            JobState::Queued(queued) => Self(queued.attempts, 1),
            JobState::Finished(finished) => Self(finished.attempts, 2),
        }
    }
}

/// What an event is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// An attempt begins.
    Attempt,
    /// A frame, or that some are missing.
    Bytes,
    /// The job's state changed.
    State(Progress),
    /// The job has ended.
    End,
}

/// An event with its place.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) what: What,
    pub(super) before: Stand,
    pub(super) after: Stand,
    pub(super) wire: Bytes,
}

impl Item {
    /// The attempt `after` begins.
    pub(super) fn attempt(before: Stand, after: Stand) -> Self {
        let event = LogEvent::Attempt { attempt: after.attempt };
        Self { what: What::Attempt, before, after, wire: wire(&event, None) }
    }

    /// A frame of the attempt that `before` is in.
    pub(super) fn frame(before: Stand, frame: &Frame) -> Self {
        let after = Stand { offset: frame.end(), seq: Some(frame.seq + 1), ..before };
        let event = frame_event(before.attempt, frame);
        Self { what: What::Bytes, before, after, wire: wire(&event, Some(after.place())) }
    }

    /// Bytes that were not kept.
    pub(super) fn gap(before: Stand, after: Stand) -> Self {
        let Stand { attempt, offset: from, .. } = before;
        let event = LogEvent::Gap { attempt, from, to: after.offset };
        Self { what: What::Bytes, before, after, wire: wire(&event, Some(after.place())) }
    }

    /// The job's state, told at `at`.
    pub(super) fn state(at: Stand, state: &JobState) -> Self {
        let event = LogEvent::State { state: state.name() };
        let what = What::State(Progress::of(state));
        Self { what, before: at, after: at, wire: wire(&event, None) }
    }

    /// The end of a job that has finished.
    pub(super) fn end(at: Stand, state: &JobState) -> Option<Self> {
        let JobState::Finished(finished) = state else { return None };
        let event = LogEvent::End(LogStreamEnd {
            outcome: finished.verdict.outcome(),
            cause: finished.verdict.cause(),
            message: finished.message.clone(),
        });
        Some(Self { what: What::End, before: at, after: at, wire: wire(&event, None) })
    }
}

fn frame_event(attempt: u32, frame: &Frame) -> LogEvent {
    match &frame.kind {
        FrameKind::Data(stream, bytes) => {
            let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
            let base64 = text.is_none().then(|| STANDARD.encode(bytes));
            LogEvent::Log {
                attempt,
                offset: frame.offset,
                at: frame.at,
                stream: *stream,
                step: frame.step,
                text,
                base64,
            }
        }
        FrameKind::StepStart { name, kind, .. } => LogEvent::Step {
            attempt,
            step: frame.step.unwrap_or_default(),
            at: frame.at,
            name: Some(name.clone()),
            kind: Some(*kind),
            exit_code: None,
        },
        FrameKind::StepEnd { exit_code } => LogEvent::Step {
            attempt,
            step: frame.step.unwrap_or_default(),
            at: frame.at,
            name: None,
            kind: None,
            exit_code: Some(*exit_code),
        },
    }
}

/// A server-sent event. JSON has no line breaks outside of strings and escapes those within.
fn wire(event: &LogEvent, id: Option<LogPosition>) -> Bytes {
    let data = serde_json::to_string(event).expect("events serialize: their keys are strings");
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    format!("event: {}\n{id}data: {data}\n\n", event.name()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand(attempt: u32, offset: u64, seq: Option<u64>) -> Stand {
        Stand { attempt, offset, seq }
    }

    #[test]
    fn a_stand_covers_what_lies_before_it() {
        let here = stand(2, 50, Some(7));
        for (other, expected) in [
            (here, true),
            (stand(1, 999, Some(99)), true),
            (stand(2, 49, Some(6)), true),
            // A mark that follows at the same byte.
            (stand(2, 50, Some(8)), false),
            (stand(2, 51, Some(8)), false),
            (stand(3, 0, Some(0)), false),
        ] {
            assert_eq!(here.covers(other), expected, "{other:?}");
        }
        assert!(stand(2, 50, None).covers(stand(2, 50, Some(9))));
        assert!(!stand(2, 50, None).covers(stand(2, 51, Some(1))));
    }
}
