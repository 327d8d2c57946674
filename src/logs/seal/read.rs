//! Reading: which members hold what is wanted, and the wanted part of each.

use std::ops::Range;

use super::{Index, Member, ReadError, Totals};
use crate::{
    archive::gzip::inflate,
    model::{Frame, FrameKind, Stream},
};

/// Which streams are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Streams {
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// What kiln said.
    pub kiln: bool,
}

impl Streams {
    /// Everything.
    pub const ALL: Self = Self { stdout: true, stderr: true, kiln: true };
    /// What the build wrote, and nothing else.
    pub const BUILD: Self = Self { kiln: false, ..Self::ALL };

    /// One stream.
    pub const fn only(stream: Stream) -> Self {
        Self {
            stdout: matches!(stream, Stream::Stdout),
            stderr: matches!(stream, Stream::Stderr),
            kiln: matches!(stream, Stream::Kiln),
        }
    }

    /// Whether `stream` is among them.
    pub const fn contain(self, stream: Stream) -> bool {
        match stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
            Stream::Kiln => self.kiln,
        }
    }

    /// The bytes of these streams.
    pub fn count(self, totals: &Totals) -> u64 {
        [Stream::Stdout, Stream::Stderr, Stream::Kiln]
            .into_iter()
            .filter(|stream| self.contain(*stream))
            .map(|stream| totals.of(stream))
            .fold(0, u64::saturating_add)
    }
}

/// What to read for a range of the bytes of some streams.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Numbers of the members to read, in order; some between may hold nothing that is wanted.
    pub members: Range<usize>,
    /// Bytes of the wanted streams to leave out at the beginning of the first member.
    pub skip: u64,
    /// Bytes to take after that, over all members.
    pub take: u64,
}

impl Index {
    /// How many bytes of `streams` are kept: the length of a download.
    pub fn bytes(&self, streams: Streams) -> u64 {
        streams.count(&self.totals)
    }

    /// What to read for bytes `range` of the concatenation of what is kept of `streams`.
    pub fn plan(&self, streams: Streams, range: Range<u64>) -> Result<Plan, ReadError> {
        if range.start > range.end || range.end > self.bytes(streams) {
            return Err(ReadError::Outside);
        }
        if range.is_empty() {
            return Ok(Plan { members: 0..0, skip: 0, take: 0 });
        }
        let before = |member: &Member| streams.count(&member.before);
        // The last member that has no more than `start` before it holds the first wanted byte.
        let first = self.members.partition_point(|member| before(member) <= range.start) - 1;
        let last = self.members.partition_point(|member| before(member) < range.end);
        let skip = range.start - before(&self.members[first]);
        Ok(Plan { members: first..last, skip, take: range.end - range.start })
    }

    /// The members that may hold frames which end after log offset `offset`, or lie at it: what
    /// somebody who has the log up to there still needs. Frames before it must be dropped.
    pub fn members_from(&self, offset: u64) -> Range<usize> {
        self.members.partition_point(|member| member.end < offset)..self.members.len()
    }

    /// The gaps that end after log offset `offset`.
    pub fn gaps_from(&self, offset: u64) -> &[super::Gap] {
        &self.gaps[self.gaps.partition_point(|gap| gap.to <= offset)..]
    }

    /// The frames of member `number`, from its bytes; proven to be what the index says.
    pub fn open(&self, number: usize, bytes: &[u8]) -> Result<Vec<Frame>, ReadError> {
        let member = self.members.get(number).ok_or(ReadError::Outside)?;
        let frames = Frame::decode_all(&inflate(bytes, member.raw as usize)?)?;
        let mut found = Totals::default();
        let (mut seq, mut offset) = (member.seq, member.offset);
        for frame in &frames {
            let Some(end) = frame.offset.checked_add(frame.data().len() as u64) else {
                return Err(ReadError::Damaged("a frame is out of order"));
            };
            if frame.seq < seq || frame.offset < offset || end > member.end {
                return Err(ReadError::Damaged("a frame is out of order"));
            }
            (seq, offset) = (frame.seq.saturating_add(1), end);
            if let FrameKind::Data(stream, data) = &frame.kind {
                found.add(*stream, data.len() as u64);
            }
        }
        if found != self.content(number) || offset != member.end {
            return Err(ReadError::Damaged("a member's frames are not those of the index"));
        }
        Ok(frames)
    }
}

impl Plan {
    /// Appends to `out` what is wanted of the next member's `frames`; call it for each member.
    pub fn take_from(&mut self, frames: &[Frame], streams: Streams, out: &mut Vec<u8>) {
        for frame in frames {
            if !frame.stream().is_some_and(|stream| streams.contain(stream)) {
                continue;
            }
            let data = frame.data();
            let skip = clamp(self.skip, data.len());
            let take = clamp(self.take, data.len() - skip);
            out.extend_from_slice(&data[skip..skip + take]);
            self.skip -= skip as u64;
            self.take -= take as u64;
        }
    }
}

fn clamp(wanted: u64, most: usize) -> usize {
    usize::try_from(wanted).map_or(most, |wanted| wanted.min(most))
}
