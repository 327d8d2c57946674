//! The index: what lies where, how much of each stream comes before, what fell out.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{
    ReadError,
    trailer::{self, TRAILER_BYTES},
};
use crate::{
    archive::gzip::inflate,
    model::{StepKind, StepName, Stream, Timestamp},
};

const VERSION: u32 = 1;
/// The most an index inflates to: 100 000 members of 100 bytes, and steps with their commands.
pub(super) const MAX_INDEX: u32 = 16 << 20;
/// A member is ended when it holds this much.
pub(super) const MEMBER_BYTES: u64 = 256 * 1024;
/// The last frame can add its header (a command makes it long) and its 64 KiB to that.
pub(super) const MAX_MEMBER: u32 = 256 * 1024 + 128 * 1024 + 64 * 1024;
/// A log of 25 GiB; ours are ended at 1 GiB.
pub(super) const MAX_MEMBERS: usize = 100_000;
/// The bound on a log makes one gap, lost chunks of a lost agent could make others.
pub(super) const MAX_GAPS: usize = 10_000;
/// Recipes have at most 64 steps.
pub(super) const MAX_STEPS: usize = 1_000;

/// Bytes of each stream.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Of standard output.
    pub stdout: u64,
    /// Of standard error.
    pub stderr: u64,
    /// Of what kiln said.
    pub kiln: u64,
}

impl Totals {
    /// The bytes of one stream.
    pub const fn of(&self, stream: Stream) -> u64 {
        match stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
            Stream::Kiln => self.kiln,
        }
    }

    pub(super) fn add(&mut self, stream: Stream, bytes: u64) {
        let count = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
            Stream::Kiln => &mut self.kiln,
        };
        *count = count.saturating_add(bytes);
    }

    fn all(&self) -> Option<u64> {
        self.stdout.checked_add(self.stderr)?.checked_add(self.kiln)
    }
}

/// One gzip member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Where it begins in the object.
    pub at: u64,
    /// Its compressed length.
    pub len: u32,
    /// What it inflates to.
    pub raw: u32,
    /// The number of its first frame.
    pub seq: u64,
    /// The log offset of its first frame.
    pub offset: u64,
    /// The log offset after its last frame.
    pub end: u64,
    /// Bytes of each stream in the members before it.
    pub before: Totals,
}

impl Member {
    /// Its bytes in the object.
    pub fn range(&self) -> Range<u64> {
        self.at..self.at + u64::from(self.len)
    }
}

/// Bytes of the log that were not kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The log offset of the first byte that is missing.
    pub from: u64,
    /// The log offset of the first byte after it that is not.
    pub to: u64,
}

/// A step, as the log tells it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedStep {
    /// Its number, from 0.
    pub step: u16,
    /// Its name.
    pub name: StepName,
    /// What kind of step it is.
    pub kind: StepKind,
    /// The log offset where it began.
    pub offset: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When and how it ended, if it did.
    pub ended: Option<(Timestamp, i32)>,
}

/// What lies where in a sealed log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    version: u32,
    /// The members, in order.
    pub members: Vec<Member>,
    /// What fell out, in order.
    pub gaps: Vec<Gap>,
    /// The steps, in order.
    pub steps: Vec<SealedStep>,
    /// Bytes of each stream that are kept.
    pub totals: Totals,
    /// The log offset after the last byte, kept or not.
    pub end: u64,
    /// The number the next frame would have had.
    pub next_seq: u64,
}

impl Index {
    pub(super) fn empty() -> Self {
        Self {
            version: VERSION,
            members: Vec::new(),
            gaps: Vec::new(),
            steps: Vec::new(),
            totals: Totals::default(),
            end: 0,
            next_seq: 0,
        }
    }

    /// Where the index lies in an object of `object_bytes` that ends with `trailer`, the last
    /// `TRAILER_BYTES` of it.
    pub fn locate(
        trailer: &[u8; TRAILER_BYTES],
        object_bytes: u64,
    ) -> Result<Range<u64>, ReadError> {
        let (at, len, _) = trailer::decode(trailer).ok_or(ReadError::Damaged("no trailer"))?;
        let end =
            at.checked_add(u64::from(len)).and_then(|end| end.checked_add(TRAILER_BYTES as u64));
        if end != Some(object_bytes) {
            return Err(ReadError::Damaged("the index is not where the trailer says"));
        }
        Ok(at..at + u64::from(len))
    }

    /// The index from its bytes, which lie at `locate` in the object, and the object's trailer.
    pub fn parse(bytes: &[u8], trailer: &[u8; TRAILER_BYTES]) -> Result<Self, ReadError> {
        let (at, _, raw) = trailer::decode(trailer).ok_or(ReadError::Damaged("no trailer"))?;
        if raw > MAX_INDEX {
            return Err(ReadError::Damaged("the index is too large"));
        }
        let index: Self = serde_json::from_slice(&inflate(bytes, raw as usize)?)?;
        index.check(at).map_err(ReadError::Damaged)?;
        Ok(index)
    }

    /// The index of a whole object.
    pub fn of_object(object: &[u8]) -> Result<Self, ReadError> {
        let trailer = object.last_chunk().ok_or(ReadError::Damaged("it is too short"))?;
        let range = Self::locate(trailer, object.len() as u64)?;
        let outside = |_| ReadError::Damaged("it is too large");
        let start = usize::try_from(range.start).map_err(outside)?;
        let end = usize::try_from(range.end).map_err(outside)?;
        let bytes = object.get(start..end).ok_or(ReadError::Damaged("it is too short"))?;
        Self::parse(bytes, trailer)
    }

    /// Bytes of each stream within member `number`.
    pub(super) fn content(&self, number: usize) -> Totals {
        let before = self.members[number].before;
        let after = self.members.get(number + 1).map_or(self.totals, |next| next.before);
        Totals {
            stdout: after.stdout - before.stdout,
            stderr: after.stderr - before.stderr,
            kiln: after.kiln - before.kiln,
        }
    }

    /// Whether it can be true of an object whose index begins at `index_at`.
    fn check(&self, index_at: u64) -> Result<(), &'static str> {
        if self.version != VERSION {
            return Err("it is of another version");
        }
        let (members, gaps, steps) = (self.members.len(), self.gaps.len(), self.steps.len());
        if members > MAX_MEMBERS || gaps > MAX_GAPS || steps > MAX_STEPS {
            return Err("its index has too many entries");
        }
        let (mut at, mut end, mut seq) = (0_u64, 0, 0);
        let mut before = Totals::default();
        for (number, member) in self.members.iter().enumerate() {
            if member.at != at || member.raw > MAX_MEMBER {
                return Err("its members do not follow each other");
            }
            at = at.checked_add(u64::from(member.len)).ok_or("a member is too long")?;
            if member.offset < end || member.end < member.offset || member.seq < seq {
                return Err("its members are out of order");
            }
            let grows = member.before.stdout >= before.stdout
                && member.before.stderr >= before.stderr
                && member.before.kiln >= before.kiln;
            if !grows || (number == 0 && member.before != Totals::default()) {
                return Err("its streams do not grow");
            }
            (end, seq, before) = (member.end, member.seq.saturating_add(1), member.before);
        }
        if at != index_at || end > self.end || (members > 0 && self.next_seq < seq) {
            return Err("its index does not fit its members");
        }
        let grows = self.totals.stdout >= before.stdout
            && self.totals.stderr >= before.stderr
            && self.totals.kiln >= before.kiln;
        if !grows || (members == 0 && self.totals != Totals::default()) {
            return Err("its streams do not grow");
        }
        let mut missing = 0_u64;
        let mut last = 0;
        for gap in &self.gaps {
            if gap.from < last || gap.to <= gap.from {
                return Err("its gaps are out of order");
            }
            (last, missing) = (gap.to, missing.saturating_add(gap.to - gap.from));
        }
        if last > self.end || self.totals.all() != self.end.checked_sub(missing) {
            return Err("its bytes do not add up");
        }
        // Per member: no more than it inflates to, so that reading is bounded by the index.
        let fits = |number: usize| {
            self.content(number).all().is_some_and(|all| all <= u64::from(self.members[number].raw))
        };
        if (0..members).all(fits) { Ok(()) } else { Err("a member holds more than it can") }
    }
}
