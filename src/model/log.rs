//! The log's unit: a frame. What the agent sends, the store keeps and followers receive is the same.
//!
//! A data frame carries up to 64 KiB of one stream in one step and the byte offset it begins at;
//! step frames mark where steps begin and end and carry no bytes. Frames are numbered within an
//! attempt, which makes appends idempotent; offsets count data bytes of all streams together,
//! which makes reading resumable. On the wire a frame is a line of JSON, then its bytes.

use serde::{Deserialize, Serialize};

use super::{StepKind, StepName, Timestamp};

/// The most data bytes one frame carries.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;

/// The longest header line that is accepted; ours are under 400 bytes, but a step carries its
/// command.
const MAX_HEADER_BYTES: usize = 128 * 1024;

/// Which pipe the bytes came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// The build's standard output.
    Stdout,
    /// The build's standard error.
    Stderr,
    /// What kiln itself says: what was chosen and why, what was fetched, how it ended.
    Kiln,
}

impl Stream {
    /// The stream as it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Kiln => "kiln",
        }
    }
}

/// A place in a job's log: the attempt, and the byte offset within it. Written `attempt.offset`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct LogPosition {
    /// The attempt's number, from 1; 0 means before the first.
    pub attempt: u32,
    /// Bytes of that attempt that lie before this place.
    pub offset: u64,
}

impl std::fmt::Display for LogPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.attempt, self.offset)
    }
}

impl std::str::FromStr for LogPosition {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (attempt, offset) = text.split_once('.')?;
            Some(Self { attempt: attempt.parse().ok()?, offset: offset.parse().ok()? })
        };
        parse().ok_or("a place in a log is written attempt.offset, such as 1.65536")
    }
}

/// One frame of an attempt's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The frame's number within the attempt, from 0 without holes.
    pub seq: u64,
    /// Data bytes of the attempt before this frame.
    pub offset: u64,
    /// When the agent saw it.
    pub at: Timestamp,
    /// The step it belongs to, counted from 0; none before the first.
    pub step: Option<u16>,
    /// What it carries.
    pub kind: FrameKind,
}

/// What a frame carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FrameKind {
    /// Bytes as the build wrote them.
    Data(Stream, Vec<u8>),
    /// A step began.
    StepStart {
        /// Its name.
        name: StepName,
        /// What kind of step it is.
        kind: StepKind,
        /// Its command.
        run: String,
    },
    /// A step ended.
    StepEnd {
        /// Its exit status as the driver shell reported it (advisory).
        exit_code: i32,
    },
}

/// The header line of a frame.
#[derive(Serialize, Deserialize)]
struct Header {
    seq: u64,
    offset: u64,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u16>,
    #[serde(flatten)]
    kind: HeaderKind,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
enum HeaderKind {
    Data { stream: Stream, len: usize },
    StepStart { name: StepName, step_kind: StepKind, run: String },
    StepEnd { exit_code: i32 },
}

/// The bytes are not frames.
#[derive(Debug, thiserror::Error)]
#[error("not a log frame: {0}")]
pub struct FrameError(String);

impl Frame {
    /// The data bytes, none for a step frame.
    pub fn data(&self) -> &[u8] {
        match &self.kind {
            FrameKind::Data(_, bytes) => bytes,
            _ => &[],
        }
    }

    /// The stream of a data frame.
    pub fn stream(&self) -> Option<Stream> {
        match self.kind {
            FrameKind::Data(stream, _) => Some(stream),
            _ => None,
        }
    }

    /// The offset after this frame.
    pub fn end(&self) -> u64 {
        self.offset + self.data().len() as u64
    }

    /// Appends the frame's wire form to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let kind = match &self.kind {
            FrameKind::Data(stream, bytes) => {
                HeaderKind::Data { stream: *stream, len: bytes.len() }
            }
            FrameKind::StepStart { name, kind, run } => {
                HeaderKind::StepStart { name: name.clone(), step_kind: *kind, run: run.clone() }
            }
            FrameKind::StepEnd { exit_code } => HeaderKind::StepEnd { exit_code: *exit_code },
        };
        let header =
            Header { seq: self.seq, offset: self.offset, at: self.at, step: self.step, kind };
        serde_json::to_writer(&mut *out, &header).expect("writing to memory cannot fail");
        out.push(b'\n');
        out.extend_from_slice(self.data());
    }

    /// Takes one frame off the front of `bytes`; `None` if there is not yet a whole one.
    pub fn decode(bytes: &mut &[u8]) -> Result<Option<Self>, FrameError> {
        let Some(line_end) = bytes.iter().take(MAX_HEADER_BYTES).position(|&b| b == b'\n') else {
            if bytes.len() >= MAX_HEADER_BYTES {
                return Err(FrameError(format!("no header within {MAX_HEADER_BYTES} bytes")));
            }
            return Ok(None);
        };
        let header: Header = serde_json::from_slice(&bytes[..line_end])
            .map_err(|error| FrameError(error.to_string()))?;
        let rest = &bytes[line_end + 1..];
        let (kind, len) = match header.kind {
            HeaderKind::Data { len, .. } if len > MAX_FRAME_BYTES => {
                return Err(FrameError(format!("{len} bytes are more than {MAX_FRAME_BYTES}")));
            }
            HeaderKind::Data { len, .. } if rest.len() < len => return Ok(None),
            HeaderKind::Data { stream, len } => {
                (FrameKind::Data(stream, rest[..len].to_vec()), len)
            }
            HeaderKind::StepStart { name, step_kind, run } => {
                (FrameKind::StepStart { name, kind: step_kind, run }, 0)
            }
            HeaderKind::StepEnd { exit_code } => (FrameKind::StepEnd { exit_code }, 0),
        };
        *bytes = &rest[len..];
        let Header { seq, offset, at, step, .. } = header;
        Ok(Some(Self { seq, offset, at, step, kind }))
    }

    /// All frames in `bytes`, which must end with a whole one.
    pub fn decode_all(mut bytes: &[u8]) -> Result<Vec<Self>, FrameError> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            match Self::decode(&mut bytes)? {
                Some(frame) => frames.push(frame),
                None => return Err(FrameError("the last frame is cut off".to_owned())),
            }
        }
        Ok(frames)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn any_frame() -> impl Strategy<Value = Frame> {
        let data = (any::<bool>(), vec(any::<u8>(), 0..300)).prop_map(|(stdout, bytes)| {
            FrameKind::Data(if stdout { Stream::Stdout } else { Stream::Stderr }, bytes)
        });
        let kind = prop_oneof![
            4 => data,
            1 => ("[a-z]{1,9}", "\\PC{0,40}").prop_map(|(name, run)| FrameKind::StepStart {
                name: name.parse().unwrap(),
                kind: StepKind::Compile,
                run,
            }),
            1 => any::<i32>().prop_map(|exit_code| FrameKind::StepEnd { exit_code }),
        ];
        (any::<u64>(), 0..u64::MAX / 2, 0..4_000_000_000_000_i64, any::<Option<u16>>(), kind)
            .prop_map(|(seq, offset, at, step, kind)| Frame {
                seq,
                offset,
                at: Timestamp::from_millis(at),
                step,
                kind,
            })
    }

    proptest! {
        #[test]
        fn frames_round_trip_whatever_bytes_they_carry(frames in vec(any_frame(), 0..8)) {
            let mut wire = Vec::new();
            for frame in &frames {
                frame.encode(&mut wire);
            }
            prop_assert_eq!(Frame::decode_all(&wire).unwrap(), frames);
        }

        #[test]
        fn a_cut_stream_never_yields_a_wrong_frame(frame in any_frame(), cut in 0.0..1.0_f64) {
            let mut wire = Vec::new();
            frame.encode(&mut wire);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a short buffer")]
            let mut head = &wire[..(wire.len() as f64 * cut) as usize];
            prop_assert!(matches!(Frame::decode(&mut head), Ok(None)));
        }

        #[test]
        fn decoding_noise_never_panics(noise in vec(any::<u8>(), 0..200)) {
            let _ = Frame::decode_all(&noise);
        }
    }

    #[test]
    fn positions_are_written_attempt_dot_offset() {
        let position = LogPosition { attempt: 2, offset: 70_000 };
        assert_eq!(position.to_string().parse::<LogPosition>(), Ok(position));
        for bad in ["", "1", "1.", ".1", "-1.0", "1.99999999999999999999", "a.b"] {
            assert!(bad.parse::<LogPosition>().is_err(), "{bad:?}");
        }
    }
}
