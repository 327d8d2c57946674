//! Cuts what the streams carry into frames. Pure: time comes with each call.
//!
//! A data frame has up to 64 KiB of one stream in one step and ends at a line where possible. When
//! another stream speaks, the whole lines of the first one go first, so that the order in which
//! people read a build's two pipes stays about the order in which they were written.

use bytes::{Bytes, BytesMut};

use crate::{
    model::{Frame, FrameKind, MAX_FRAME_BYTES, Step, Stream, Timestamp},
    protocol::LogEnd,
};

/// The streams, in the order in which what is left of them is written at the end.
const STREAMS: [Stream; 3] = [Stream::Kiln, Stream::Stdout, Stream::Stderr];

/// Numbers and cuts the frames of one attempt.
#[derive(Debug, Default)]
pub(super) struct Framer {
    end: LogEnd,
    pending: [Pending; 3],
}

/// What one stream has written and no frame holds yet.
#[derive(Debug, Default)]
struct Pending {
    step: Option<u16>,
    bytes: BytesMut,
}

impl Framer {
    /// Where the log ends: the number and offset the next frame will have.
    pub(super) fn end(&self) -> LogEnd {
        self.end
    }

    /// Whether bytes wait for a frame.
    pub(super) fn is_waiting(&self) -> bool {
        self.pending.iter().any(|pending| !pending.bytes.is_empty())
    }

    /// Takes bytes of one stream in one step; appends the frames that are complete.
    pub(super) fn data(
        &mut self,
        (stream, step): (Stream, Option<u16>),
        bytes: &Bytes,
        now: Timestamp,
        frames: &mut Vec<Frame>,
    ) {
        for other in STREAMS.into_iter().filter(|&other| other != stream) {
            self.take_lines(other, now, frames);
        }
        if self.pending(stream).step != step {
            self.take_all(stream, now, frames);
            self.pending(stream).step = step;
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let pending = self.pending(stream);
            let (now_taken, later) =
                rest.split_at(rest.len().min(MAX_FRAME_BYTES - pending.bytes.len()));
            pending.bytes.extend_from_slice(now_taken);
            rest = later;
            if pending.bytes.len() == MAX_FRAME_BYTES && !self.take_lines(stream, now, frames) {
                self.take_all(stream, now, frames);
            }
        }
    }

    /// A step begins.
    pub(super) fn step_start(
        &mut self,
        index: u16,
        step: &Step,
        now: Timestamp,
        frames: &mut Vec<Frame>,
    ) {
        self.flush_all(now, frames);
        let (name, kind, run) = (step.name.clone(), step.kind, step.run.clone());
        self.frame(Some(index), FrameKind::StepStart { name, kind, run }, now, frames);
    }

    /// A step ended.
    pub(super) fn step_end(
        &mut self,
        index: u16,
        exit_code: i32,
        now: Timestamp,
        frames: &mut Vec<Frame>,
    ) {
        self.flush_all(now, frames);
        self.frame(Some(index), FrameKind::StepEnd { exit_code }, now, frames);
    }

    /// Time is up for what waits: whole lines go; a line that is not finished goes only where it
    /// is all that there is, such as a progress display.
    pub(super) fn tick(&mut self, now: Timestamp, frames: &mut Vec<Frame>) {
        for stream in STREAMS {
            if !self.take_lines(stream, now, frames) {
                self.take_all(stream, now, frames);
            }
        }
    }

    /// Everything that waits goes, whole lines or not.
    pub(super) fn flush_all(&mut self, now: Timestamp, frames: &mut Vec<Frame>) {
        for stream in STREAMS {
            self.take_all(stream, now, frames);
        }
    }

    fn pending(&mut self, stream: Stream) -> &mut Pending {
        &mut self.pending[match stream {
            Stream::Kiln => 0,
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        }]
    }

    /// Makes a frame of the whole lines that wait; false if there are none.
    fn take_lines(&mut self, stream: Stream, now: Timestamp, frames: &mut Vec<Frame>) -> bool {
        let pending = self.pending(stream);
        let Some(last) = pending.bytes.iter().rposition(|&byte| byte == b'\n') else {
            return false;
        };
        let (step, lines) = (pending.step, pending.bytes.split_to(last + 1));
        self.frame(step, FrameKind::Data(stream, lines.to_vec()), now, frames);
        true
    }

    fn take_all(&mut self, stream: Stream, now: Timestamp, frames: &mut Vec<Frame>) {
        let pending = self.pending(stream);
        if !pending.bytes.is_empty() {
            let (step, bytes) = (pending.step, pending.bytes.split());
            self.frame(step, FrameKind::Data(stream, bytes.to_vec()), now, frames);
        }
    }

    fn frame(
        &mut self,
        step: Option<u16>,
        kind: FrameKind,
        at: Timestamp,
        frames: &mut Vec<Frame>,
    ) {
        let LogEnd { seq, offset } = self.end;
        let frame = Frame { seq, offset, at, step, kind };
        self.end = LogEnd { seq: seq + 1, offset: frame.end() };
        frames.push(frame);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::model::StepKind;

    const NOW: Timestamp = Timestamp::from_millis(1);

    fn texts(frames: &[Frame]) -> Vec<(Option<Stream>, String)> {
        let text = |frame: &Frame| String::from_utf8_lossy(frame.data()).into_owned();
        frames.iter().map(|frame| (frame.stream(), text(frame))).collect()
    }

    #[test]
    fn lines_stay_in_order_over_streams_and_unfinished_ones_wait() {
        use Stream::{Kiln, Stderr, Stdout};
        let (mut framer, mut frames) = (Framer::default(), Vec::new());
        for (stream, text) in
            [(Stdout, "cc a.c\ncc "), (Stderr, "a.c: warning\n"), (Stdout, "b.c\n"), (Stderr, "..")]
        {
            framer.data((stream, Some(0)), &Bytes::from(text), NOW, &mut frames);
        }
        framer.tick(NOW, &mut frames);
        framer.data((Kiln, None), &Bytes::from("done\n"), NOW, &mut frames);
        assert!(framer.is_waiting());
        framer.flush_all(NOW, &mut frames);
        assert!(!framer.is_waiting());
        let expected = [
            (Stdout, "cc a.c\n"),
            (Stderr, "a.c: warning\n"),
            (Stdout, "cc b.c\n"),
            (Stderr, ".."),
            (Kiln, "done\n"),
        ];
        assert_eq!(texts(&frames), expected.map(|(s, t)| (Some(s), t.to_owned())));
    }

    #[test]
    fn steps_flush_what_belongs_to_the_step_before() {
        let (mut framer, mut frames) = (Framer::default(), Vec::new());
        let step = Step {
            name: "compile".parse().unwrap(),
            kind: StepKind::Compile,
            run: "make".to_owned(),
        };
        framer.step_start(0, &step, NOW, &mut frames);
        framer.data((Stream::Stdout, Some(0)), &Bytes::from("half"), NOW, &mut frames);
        framer.data((Stream::Stdout, Some(1)), &Bytes::from("next"), NOW, &mut frames);
        framer.step_end(0, 2, NOW, &mut frames);
        let steps: Vec<_> = frames.iter().map(|frame| frame.step).collect();
        assert_eq!(steps, [Some(0), Some(0), Some(1), Some(0)]);
        assert_eq!(frames[3].kind, FrameKind::StepEnd { exit_code: 2 });
    }

    proptest! {
        #[test]
        fn frames_hold_each_streams_bytes_in_order_without_holes(
            parts in vec((any::<bool>(), 0..3_u16, vec(prop_oneof![9 => any::<u8>(), 1 => Just(b'\n')], 0..200), 1..600_usize), 0..12),
            ticks in vec(any::<bool>(), 12),
        ) {
            let (mut framer, mut frames) = (Framer::default(), Vec::new());
            let mut expected = [Vec::new(), Vec::new()];
            for ((stdout, step, bytes, times), tick) in parts.iter().zip(ticks) {
                let stream = if *stdout { Stream::Stdout } else { Stream::Stderr };
                let bytes = Bytes::from(bytes.repeat(*times));
                framer.data((stream, Some(*step)), &bytes, NOW, &mut frames);
                expected[usize::from(*stdout)].extend(bytes.iter().map(|&byte| (*step, byte)));
                if tick {
                    framer.tick(NOW, &mut frames);
                }
            }
            framer.flush_all(NOW, &mut frames);
            let (mut seq, mut offset) = (0, 0);
            let mut got = [Vec::new(), Vec::new()];
            for frame in &frames {
                prop_assert_eq!((frame.seq, frame.offset), (seq, offset));
                prop_assert!((1..=MAX_FRAME_BYTES).contains(&frame.data().len()));
                (seq, offset) = (seq + 1, frame.end());
                let stdout = frame.stream() == Some(Stream::Stdout);
                let step = frame.step.unwrap();
                got[usize::from(stdout)].extend(frame.data().iter().map(|&byte| (step, byte)));
            }
            prop_assert_eq!(framer.end(), LogEnd { seq, offset });
            prop_assert_eq!(got, expected);
        }
    }
}
