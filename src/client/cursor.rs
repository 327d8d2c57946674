//! What a follower has of a log, and what of an event is new: pure, so that every order of events
//! can be tried.
//!
//! Only its own position counts, never the ids the server sent: an event that was cut off in the
//! middle was not had. A hole that no `gap` explains is asked for again once; if the server has it
//! no more, the hole is shown as a gap, because a log must not look whole when it is not.

use std::collections::{HashSet, VecDeque};

use super::{
    ClientError,
    bytes::{event_bytes, fields},
};
use crate::{
    model::{LogPosition, StateName},
    protocol::LogEvent,
};

/// What a follower has seen.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    have: LogPosition,
    steps: HashSet<(u16, bool)>,
    state: Option<StateName>,
    hole: Option<LogPosition>,
}

/// What to do after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Read on.
    Read,
    /// Bytes are missing: connect again from the position.
    Reconnect,
}

impl Cursor {
    /// What to send as `Last-Event-ID`: bytes before that are had.
    pub(super) fn last_event_id(&self) -> Option<String> {
        (self.have.attempt > 0).then(|| self.have.to_string())
    }

    /// Puts what is new in `event` into `out`.
    pub(super) fn take(
        &mut self,
        event: LogEvent,
        out: &mut VecDeque<LogEvent>,
    ) -> Result<Next, ClientError> {
        match event {
            LogEvent::Log { attempt, offset, at, stream, step, .. } => {
                if !self.enter(attempt, out) {
                    return Ok(Next::Read);
                }
                if self.hole_before(offset, out) {
                    return Ok(Next::Reconnect);
                }
                let mut bytes = event_bytes(&event)?;
                let end = offset.saturating_add(bytes.len() as u64);
                if end <= self.have.offset {
                    return Ok(Next::Read);
                }
                let event = if offset == self.have.offset {
                    event
                } else {
                    let known = self.have.offset - offset;
                    bytes.drain(..usize::try_from(known).unwrap_or(bytes.len()));
                    let (text, base64) = fields(bytes);
                    let offset = self.have.offset;
                    LogEvent::Log { attempt, offset, at, stream, step, text, base64 }
                };
                self.have.offset = end;
                out.push_back(event);
            }
            LogEvent::Gap { attempt, from, to } => {
                if !self.enter(attempt, out) || to <= self.have.offset {
                    return Ok(Next::Read);
                }
                if self.hole_before(from, out) {
                    return Ok(Next::Reconnect);
                }
                out.push_back(LogEvent::Gap { attempt, from: self.have.offset, to });
                self.have.offset = to;
            }
            LogEvent::Step { attempt, step, exit_code, .. } => {
                if self.enter(attempt, out) && self.steps.insert((step, exit_code.is_some())) {
                    out.push_back(event);
                }
            }
            LogEvent::Attempt { attempt } => {
                self.enter(attempt, out);
            }
            LogEvent::State { state } => {
                if self.state.replace(state) != Some(state) {
                    out.push_back(event);
                }
            }
            LogEvent::End(_) => out.push_back(event),
        }
        Ok(Next::Read)
    }

    /// Whether an event of `attempt` belongs to what is followed now; a later attempt begins here.
    fn enter(&mut self, attempt: u32, out: &mut VecDeque<LogEvent>) -> bool {
        if attempt > self.have.attempt {
            self.have = LogPosition { attempt, offset: 0 };
            self.steps.clear();
            out.push_back(LogEvent::Attempt { attempt });
        }
        attempt == self.have.attempt
    }

    /// Whether bytes before `offset` are missing and worth asking for again.
    fn hole_before(&mut self, offset: u64, out: &mut VecDeque<LogEvent>) -> bool {
        if offset <= self.have.offset {
            return false;
        }
        if self.hole.replace(self.have) != Some(self.have) {
            return true;
        }
        let LogPosition { attempt, offset: from } = self.have;
        out.push_back(LogEvent::Gap { attempt, from, to: offset });
        self.have.offset = offset;
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Stream, Timestamp};

    fn log(attempt: u32, offset: u64, text: &str) -> LogEvent {
        LogEvent::Log {
            attempt,
            offset,
            at: Timestamp::from_millis(0),
            stream: Stream::Stdout,
            step: None,
            text: Some(text.to_owned()),
            base64: None,
        }
    }

    fn check(events: &[LogEvent], expected: &[LogEvent], next: Next) {
        let mut cursor = Cursor::default();
        let mut out = VecDeque::new();
        let mut last = Next::Read;
        for event in events {
            last = cursor.take(event.clone(), &mut out).unwrap();
        }
        assert_eq!((Vec::from(out).as_slice(), last), (expected, next), "{events:?}");
    }

    #[test]
    fn what_is_had_already_is_dropped() {
        let begin = LogEvent::Attempt { attempt: 1 };
        let second = LogEvent::Attempt { attempt: 2 };
        let gap = |from, to| LogEvent::Gap { attempt: 1, from, to };
        let all = [begin.clone(), log(1, 0, "abc"), log(1, 3, "def")];
        check(&all, &all, Next::Read);
        check(&[log(1, 0, "abc"), log(1, 0, "abc"), log(1, 0, "abcdef")], &all, Next::Read);
        check(
            &[log(1, 0, "a"), log(2, 0, "b"), log(1, 1, "late"), second.clone()],
            &[begin.clone(), log(1, 0, "a"), second, log(2, 0, "b")],
            Next::Read,
        );
        check(
            &[log(1, 0, "abc"), gap(2, 9), log(1, 9, "x"), gap(3, 9)],
            &[begin.clone(), log(1, 0, "abc"), gap(3, 9), log(1, 9, "x")],
            Next::Read,
        );
        check(&[log(1, 0, "a"), log(1, 2, "c")], &[begin.clone(), log(1, 0, "a")], Next::Reconnect);
        check(
            &[log(1, 0, "a"), log(1, 2, "c"), log(1, 2, "c")],
            &[begin, log(1, 0, "a"), gap(1, 2), log(1, 2, "c")],
            Next::Read,
        );
    }

    proptest! {
        #[test]
        fn bytes_come_once_and_in_order_however_often_they_are_sent(
            text in "[a-zäöü€]{1,60}",
            pieces in proptest::collection::vec((0.0..1.0_f64, 1..9_usize), 1..40),
        ) {
            let bytes = text.as_bytes();
            let mut cursor = Cursor::default();
            let (mut out, mut sent) = (VecDeque::new(), 0);
            for (back, len) in pieces {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a short text")]
                let from = (sent as f64 * back) as usize;
                let to = (from + len).min(bytes.len());
                let (text, base64) = fields(bytes[from..to].to_vec());
                let LogEvent::Log { attempt, at, stream, step, .. } = log(1, 0, "") else { unreachable!() };
                let event = LogEvent::Log { attempt, offset: from as u64, at, stream, step, text, base64 };
                prop_assert_eq!(cursor.take(event, &mut out).unwrap(), Next::Read);
                sent = sent.max(to);
            }
            let got: Vec<u8> = out.iter().flat_map(|event| event_bytes(event).unwrap()).collect();
            prop_assert_eq!(&got[..], &bytes[..sent]);
        }
    }
}
