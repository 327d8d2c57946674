//! The frames of one attempt in order, wherever they are stored.
//!
//! Sealing may move them from rows to an object in the middle of reading: a reader that finds no
//! more rows looks whether the attempt has been sealed, and goes on in the object.

use std::{collections::VecDeque, ops::Range};

use super::{
    LogError, Logs,
    seal::{Index, ReadError, TRAILER_BYTES},
    walk::Reader,
};
use crate::{
    artifact::{AttemptKey, Key, ObjectName},
    model::{Frame, JobId},
    store::AttemptRow,
};

/// Rows that are read at a time: 1 MiB at the most.
const ROWS: u32 = 16;

/// Rows that a follower reads at a time: 256 KiB at the most.
const FEW_ROWS: u32 = 4;

/// Reads the frames of one attempt from a place on.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    logs: &'a Logs,
    job: JobId,
    attempt: u32,
    /// The first byte that is wanted.
    offset: u64,
    /// The number of the next frame, once it is known.
    seq: Option<u64>,
    ready: VecDeque<Frame>,
    reader: Reader,
    sealed: Option<Sealed>,
}

/// A sealed log that is being read.
#[derive(Debug)]
pub(super) struct Sealed {
    key: Key,
    pub(super) index: Index,
    members: Range<usize>,
}

impl From<ReadError> for LogError {
    fn from(error: ReadError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl Logs {
    /// The frames of an attempt that end after byte `offset` or lie at it, or those from number
    /// `seq` on if that is known.
    pub(super) async fn frames(
        &self,
        attempt: &AttemptRow,
        (offset, seq): (u64, Option<u64>),
        reader: Reader,
    ) -> Result<Frames<'_>, LogError> {
        let mut frames = Frames {
            logs: self,
            job: attempt.job,
            attempt: attempt.number,
            offset,
            seq,
            ready: VecDeque::new(),
            reader,
            sealed: None,
        };
        if attempt.log_sealed {
            frames.open_sealed().await?;
        }
        Ok(frames)
    }

    /// The key of an attempt's log.
    pub(super) async fn log_key(&self, job: JobId, attempt: u32) -> Result<Key, LogError> {
        let missing = || LogError::NotFound(format!("job {job}"));
        let row = self.store.job(job).await?.ok_or_else(missing)?;
        let build = self.store.build(row.job.build).await?.ok_or_else(missing)?;
        let toolchain = row.job.toolchain.unwrap_or_else(|| "plan".parse().expect("it is a name"));
        Ok(AttemptKey::new(build.commit, &toolchain, job, attempt).object(ObjectName::Log))
    }

    /// The index of a sealed log.
    pub(super) async fn sealed_index(&self, key: &Key) -> Result<Index, LogError> {
        let damaged = |problem: &str| LogError::Damaged(format!("{key}: {problem}"));
        let meta = self.artifacts.head(key).await?.ok_or_else(|| damaged("it is missing"))?;
        let trailer_at = meta
            .bytes
            .checked_sub(TRAILER_BYTES as u64)
            .ok_or_else(|| damaged("it is too short"))?;
        let trailer = self.artifacts.read_range(key, trailer_at..meta.bytes).await?;
        let trailer: &[u8; TRAILER_BYTES] =
            trailer.as_ref().try_into().map_err(|_| damaged("it is too short"))?;
        let at = Index::locate(trailer, meta.bytes)?;
        let bytes = self.artifacts.read_range(key, at).await?;
        Ok(Index::parse(&bytes, trailer)?)
    }

    /// The frames of one member of a sealed log.
    pub(super) async fn member(
        &self,
        key: &Key,
        index: &Index,
        number: usize,
    ) -> Result<Vec<Frame>, LogError> {
        let bytes = self.artifacts.read_range(key, index.members[number].range()).await?;
        Ok(index.open(number, &bytes)?)
    }
}

impl Frames<'_> {
    /// Whether the next frame has been read already.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next frame.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, LogError> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                self.seq = Some(frame.seq + 1);
                return Ok(Some(frame));
            }
            let found = match self.sealed {
                Some(_) => self.next_member().await?,
                None => self.next_rows().await?,
            };
            if !found {
                return Ok(None);
            }
        }
    }

    /// Reads more rows; whether there was something, or the log has been sealed meanwhile.
    async fn next_rows(&mut self) -> Result<bool, LogError> {
        let (store, logs) = (&self.logs.store, self.logs);
        let place = logs.place_for(self.reader).await;
        let rows = match self.reader {
            Reader::Tail => ROWS,
            Reader::Follower => FEW_ROWS,
        };
        let first = if self.seq.is_some() {
            self.seq
        } else {
            self.logs.count_read();
            store.first_frame_after(self.job, self.attempt, self.offset).await?
        };
        if let Some(first) = first {
            self.logs.count_read();
            let rows = store.frames_from(self.job, self.attempt, first, rows).await?;
            for row in rows {
                let frame = Frame::decode_all(&row.frame)
                    .ok()
                    .and_then(|frames| frames.into_iter().next())
                    .ok_or_else(|| {
                        LogError::Damaged(format!("frame {} of {}", row.seq, self.job))
                    })?;
                self.ready.push_back(frame);
            }
        }
        if !self.ready.is_empty() {
            return Ok(true);
        }
        self.logs.count_read();
        let attempt = store.attempt(self.job, self.attempt).await?;
        drop(place);
        if attempt.is_some_and(|attempt| attempt.log_sealed) {
            self.open_sealed().await?;
            return Ok(true);
        }
        Ok(false)
    }

    async fn next_member(&mut self) -> Result<bool, LogError> {
        let _place = self.logs.object_place_for(self.reader).await;
        let Some(sealed) = &mut self.sealed else { return Ok(false) };
        let Some(number) = sealed.members.next() else { return Ok(false) };
        let frames = self.logs.member(&sealed.key, &sealed.index, number).await?;
        let wanted = |frame: &Frame| match self.seq {
            Some(seq) => frame.seq >= seq,
            None => frame.offset >= self.offset || frame.end() > self.offset,
        };
        self.ready.extend(frames.into_iter().filter(wanted));
        Ok(true)
    }

    async fn open_sealed(&mut self) -> Result<(), LogError> {
        let logs = self.logs;
        let place = logs.place_for(self.reader).await;
        let key = logs.log_key(self.job, self.attempt).await?;
        drop(place);
        let _place = logs.object_place_for(self.reader).await;
        let index = self.logs.sealed_index(&key).await?;
        let members = match self.seq {
            Some(seq) => {
                let first = index.members.partition_point(|member| member.seq <= seq);
                first.saturating_sub(1)..index.members.len()
            }
            None => index.members_from(self.offset),
        };
        self.sealed = Some(Sealed { key, index, members });
        Ok(())
    }
}
