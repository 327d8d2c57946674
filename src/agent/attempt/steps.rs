//! Where a build is in its steps, as the marks on its two streams say. Pure.
//!
//! Each stream passes a mark at its own time; output belongs to the step its own stream is in.
//! The log's step marks are strictly in order: a step begins when the first stream passes its
//! mark, and has ended when both have, at the latest when the next one begins.

use crate::{agent::marker::Mark, model::Stream};

/// What changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StepEvent {
    /// A step began.
    Start(u16),
    /// A step ended with this exit status.
    End(u16, i32),
}

/// The place in the steps.
#[derive(Debug)]
pub(super) struct Steps {
    count: u16,
    /// Steps that have begun.
    started: u16,
    /// The step each stream is in.
    at: [Option<u16>; 2],
    /// The end of the newest step: its exit status, and which streams have passed it.
    end: Option<(i32, [bool; 2])>,
    /// Whether the newest step's end was told.
    told: bool,
}

impl Steps {
    /// `count` steps, of which none has begun.
    pub(super) fn new(count: usize) -> Self {
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        Self { count, started: 0, at: [None; 2], end: None, told: false }
    }

    /// The step this stream is in.
    pub(super) fn of(&self, stream: Stream) -> Option<u16> {
        self.at[slot(stream)]
    }

    /// How many have begun.
    pub(super) fn started(&self) -> u16 {
        self.started
    }

    /// The step that failed, and its exit status: marks of a step that did not end say nothing.
    pub(super) fn failed(&self) -> Option<(u16, i32)> {
        let (code, _) = self.end?;
        (code != 0).then_some((self.started.checked_sub(1)?, code))
    }

    /// A stream passed a mark. Marks that do not fit are a build's own invention and count nothing.
    pub(super) fn pass(&mut self, stream: Stream, mark: Mark, events: &mut Vec<StepEvent>) {
        match mark {
            Mark::Start(index) if index < self.count && index <= self.started => {
                if index == self.started {
                    self.tell_end(events);
                    (self.started, self.end, self.told) = (index + 1, None, false);
                    events.push(StepEvent::Start(index));
                }
                let at = &mut self.at[slot(stream)];
                *at = (*at).max(Some(index));
            }
            Mark::End(index, code) if index + 1 == self.started => {
                let (_, passed) = self.end.get_or_insert((code, [false; 2]));
                passed[slot(stream)] = true;
                if *passed == [true; 2] {
                    self.tell_end(events);
                }
            }
            Mark::Start(_) | Mark::End(..) | Mark::Used { .. } | Mark::Cache { .. } => {}
        }
    }

    /// Both streams are over.
    pub(super) fn finish(&mut self, events: &mut Vec<StepEvent>) {
        self.tell_end(events);
    }

    fn tell_end(&mut self, events: &mut Vec<StepEvent>) {
        if let (Some((code, _)), false, Some(index)) =
            (self.end, self.told, self.started.checked_sub(1))
        {
            events.push(StepEvent::End(index, code));
            self.told = true;
        }
    }
}

const fn slot(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr | Stream::Kiln => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{Mark::*, StepEvent as E, *};

    fn check(marks: &[(Stream, Mark)], expected: &[E]) -> Steps {
        let (mut steps, mut events) = (Steps::new(3), Vec::new());
        for &(stream, mark) in marks {
            steps.pass(stream, mark, &mut events);
        }
        steps.finish(&mut events);
        assert_eq!(events, expected, "{marks:?}");
        steps
    }

    #[test]
    fn each_step_is_told_once_and_in_order_however_the_streams_run_apart() {
        use Stream::{Stderr, Stdout};
        let (o, e) = (Stdout, Stderr);
        let all = [E::Start(0), E::End(0, 0), E::Start(1), E::End(1, 2)];
        let steps = check(
            &[
                (o, Start(0)),
                (e, Start(0)),
                (o, End(0, 0)),
                (e, End(0, 0)),
                (o, Start(1)),
                (e, Start(1)),
                (o, End(1, 2)),
                (e, End(1, 2)),
            ],
            &all,
        );
        assert_eq!(steps.failed(), Some((1, 2)));
        let steps = check(
            &[(o, Start(0)), (o, End(0, 0)), (o, Start(1)), (o, End(1, 2)), (e, Start(0))],
            &all,
        );
        assert_eq!((steps.of(o), steps.of(e)), (Some(1), Some(0)));
    }

    #[test]
    fn marks_that_do_not_fit_count_nothing() {
        use Stream::Stdout as O;
        check(&[(O, End(0, 1)), (O, Start(1)), (O, Start(7))], &[]);
        let steps = check(
            &[(O, Start(0)), (O, End(5, 1)), (O, End(0, 0)), (O, Start(2))],
            &[E::Start(0), E::End(0, 0)],
        );
        assert_eq!(steps.failed(), None);
    }

    #[test]
    fn a_step_that_was_killed_has_no_end() {
        let steps = check(&[(Stream::Stdout, Start(0))], &[E::Start(0)]);
        assert_eq!(steps.failed(), None);
    }
}
