//! Sealing: frames in, one object out, in one pass and with one member in memory.

use std::io::Write;

use super::{
    Gap, Index, Member, SealError, SealedStep,
    index::{MAX_GAPS, MAX_INDEX, MAX_MEMBERS, MAX_STEPS, MEMBER_BYTES},
    trailer,
};
use crate::{
    archive::gzip::MemberWriter,
    model::{Frame, FrameKind},
};

/// Logs are written once and small next to archives; level 1 keeps sealing off the critical path.
const LEVEL: u32 = 1;

/// Seals frames into `W`.
#[derive(Debug)]
pub struct Sealer<W> {
    out: MemberWriter<W>,
    index: Index,
    /// The member that is being written, if one is.
    open: Option<Member>,
    encoded: Vec<u8>,
}

/// What was sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// The object's size.
    pub bytes: u64,
    /// Its index.
    pub index: Index,
}

impl<W: Write> Sealer<W> {
    /// A sealer that writes to `out`.
    pub fn new(out: W) -> Self {
        let out = MemberWriter::new(out, LEVEL);
        Self { out, index: Index::empty(), open: None, encoded: Vec::new() }
    }

    /// Adds the next frame that was kept. Offsets that were jumped over become a gap.
    pub fn push(&mut self, frame: &Frame) -> Result<(), SealError> {
        let order = SealError::Order { seq: frame.seq, offset: frame.offset };
        let len = frame.data().len() as u64;
        let Some(end) = frame.offset.checked_add(len) else { return Err(order) };
        if frame.seq < self.index.next_seq || frame.offset < self.index.end {
            return Err(order);
        }
        let Some(next_seq) = frame.seq.checked_add(1) else { return Err(order) };
        self.gap_until(frame.offset)?;
        let member = self.open.get_or_insert(Member {
            at: self.out.offset(),
            len: 0,
            raw: 0,
            seq: frame.seq,
            offset: frame.offset,
            end,
            before: self.index.totals,
        });
        member.end = end;
        self.encoded.clear();
        frame.encode(&mut self.encoded);
        self.out.write(&self.encoded)?;
        if let Some(stream) = frame.stream() {
            self.index.totals.add(stream, len);
        }
        (self.index.end, self.index.next_seq) = (end, next_seq);
        self.note_step(frame);
        if self.out.raw_bytes() >= MEMBER_BYTES { self.end_member() } else { Ok(()) }
    }

    /// Writes the index and gives the writer back. `end` is the log's length as the agent counted
    /// it: if it is beyond the last frame, what is between fell out.
    pub fn finish(mut self, end: u64) -> Result<(W, Sealed), SealError> {
        self.end_member()?;
        self.gap_until(end.max(self.index.end))?;
        let json = serde_json::to_vec(&self.index).map_err(std::io::Error::from)?;
        let raw = u32::try_from(json.len()).ok().filter(|raw| *raw <= MAX_INDEX);
        let raw = raw.ok_or(SealError::TooMany("steps"))?;
        let at = self.out.offset();
        self.out.write(&json)?;
        self.out.end_member()?;
        let len = u32::try_from(self.out.offset() - at).expect("16 MiB stay below 4 GiB");
        self.out.put_raw(&trailer::encode(at, len, raw))?;
        let bytes = self.out.offset();
        Ok((self.out.finish()?, Sealed { bytes, index: self.index }))
    }

    fn gap_until(&mut self, offset: u64) -> Result<(), SealError> {
        if offset > self.index.end {
            if self.index.gaps.len() == MAX_GAPS {
                return Err(SealError::TooMany("gaps"));
            }
            self.index.gaps.push(Gap { from: self.index.end, to: offset });
            self.index.end = offset;
        }
        Ok(())
    }

    fn note_step(&mut self, frame: &Frame) {
        match &frame.kind {
            FrameKind::StepStart { name, kind, .. } => {
                if self.index.steps.len() == MAX_STEPS {
                    return;
                }
                self.index.steps.push(SealedStep {
                    step: frame.step.unwrap_or(0),
                    name: name.clone(),
                    kind: *kind,
                    offset: frame.offset,
                    started_at: frame.at,
                    ended: None,
                });
            }
            FrameKind::StepEnd { exit_code } => {
                let step = frame.step.unwrap_or(0);
                let open = self.index.steps.iter_mut().rev().find(|known| known.step == step);
                if let Some(known) = open {
                    known.ended.get_or_insert((frame.at, *exit_code));
                }
            }
            FrameKind::Data(..) => {}
        }
    }

    fn end_member(&mut self) -> Result<(), SealError> {
        let Some(mut member) = self.open.take() else { return Ok(()) };
        if self.index.members.len() == MAX_MEMBERS {
            return Err(SealError::TooMany("bytes"));
        }
        let small = "a member is well below 1 MiB";
        member.raw = u32::try_from(self.out.raw_bytes()).expect(small);
        self.out.end_member()?;
        member.len = u32::try_from(self.out.offset() - member.at).expect(small);
        self.index.members.push(member);
        Ok(())
    }
}

impl Sealer<Vec<u8>> {
    /// Takes what has been written so far: for callers that send it on piece by piece.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(self.out.inner_mut())
    }
}
