//! Downloads: the bytes as the build wrote them, of all streams or of one, whole or a range.

use std::ops::Range;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    LogError, Logs,
    seal::{Index, Streams},
    walk::Reader,
};
use crate::{
    artifact::{ByteStream, Key},
    model::{JobId, Stream},
    store::AttemptRow,
};

/// An attempt's log, as far as it reached when it was opened.
#[derive(Clone, Debug)]
pub struct LogFile {
    logs: Logs,
    row: AttemptRow,
    streams: Streams,
    length: u64,
    sealed: Option<(Key, Index)>,
}

impl Logs {
    /// Opens the log of an attempt, the newest unless a number is given; `None` if the job has no
    /// such attempt.
    pub async fn open(
        &self,
        job: JobId,
        attempt: Option<u32>,
        stream: Option<Stream>,
    ) -> Result<Option<LogFile>, LogError> {
        let attempts = self.store.attempts_of(job).await?;
        let row = match attempt {
            None => attempts.into_iter().next_back(),
            Some(number) => attempts.into_iter().find(|row| row.number == number),
        };
        let Some(mut row) = row else { return Ok(None) };
        if let Some(at) = row.log_expired_at {
            return Err(LogError::Expired(at));
        }
        let streams = stream.map_or(Streams::ALL, Streams::only);
        if !row.log_sealed {
            let length = self.store.log_bytes(job, row.number, row.log_end.seq, stream).await?;
            // Sealing takes the rows away: what was counted holds only if that has not begun.
            match self.store.attempt(job, row.number).await? {
                Some(now) if now.log_sealed => row = now,
                _ => {
                    let (logs, sealed) = (self.clone(), None);
                    return Ok(Some(LogFile { logs, row, streams, length, sealed }));
                }
            }
        }
        let key = self.log_key(job, row.number).await?;
        let index = self.sealed_index(&key).await?;
        let (length, sealed) = (index.bytes(streams), Some((key, index)));
        Ok(Some(LogFile { logs: self.clone(), row, streams, length, sealed }))
    }
}

impl LogFile {
    /// The attempt it belongs to.
    pub fn attempt(&self) -> u32 {
        self.row.number
    }

    /// Bytes there are.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether what is stored of it stays: while an attempt runs beyond the bound, frames of the tail
    /// still fall out, and neither a length nor a range would mean anything.
    pub fn is_settled(&self) -> bool {
        self.is_final() || self.row.log_tail == 0
    }

    /// Whether it is complete and will not change.
    pub fn is_final(&self) -> bool {
        self.row.end.is_some()
    }

    /// Bytes that the build wrote and that were not kept, all streams together.
    pub fn missing(&self) -> u64 {
        let kept = self.row.log_head + self.row.log_tail;
        self.row.log_end.offset.saturating_sub(kept)
    }

    /// A range of the bytes.
    pub fn read(self, range: Range<u64>) -> ByteStream {
        let (out, bytes) = mpsc::channel(4);
        tokio::spawn(async move {
            let read = match &self.sealed {
                Some((key, index)) => self.read_sealed(key, index, range, &out).await,
                None => self.read_rows(range, &out).await,
            };
            if let Err(error) = read {
                tracing::error!(job.id = %self.row.job, %error, "reading a log failed");
                let _ = out.send(Err(std::io::Error::other(error.to_string()))).await;
            }
        });
        Box::pin(ReceiverStream::new(bytes))
    }

    async fn read_sealed(
        &self,
        key: &Key,
        index: &Index,
        range: Range<u64>,
        out: &mpsc::Sender<std::io::Result<Bytes>>,
    ) -> Result<(), LogError> {
        let mut plan = index.plan(self.streams, range)?;
        for number in plan.members.clone() {
            let frames = self.logs.member(key, index, number).await?;
            let mut part = Vec::new();
            plan.take_from(&frames, self.streams, &mut part);
            if !part.is_empty() && out.send(Ok(part.into())).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn read_rows(
        &self,
        range: Range<u64>,
        out: &mpsc::Sender<std::io::Result<Bytes>>,
    ) -> Result<(), LogError> {
        let mut frames = self.logs.frames(&self.row, (0, Some(0)), Reader::Tail).await?;
        let mut at = 0;
        while let Some(frame) = frames.next().await? {
            if at >= range.end || frame.seq >= self.row.log_end.seq {
                break;
            }
            if !frame.stream().is_some_and(|stream| self.streams.contain(stream)) {
                continue;
            }
            let data = frame.data();
            let length = data.len() as u64;
            let from = range.start.saturating_sub(at).min(length);
            let to = range.end.saturating_sub(at).min(length);
            at += length;
            let place = |value: u64| usize::try_from(value).expect("a frame fits into memory");
            let part = &data[place(from)..place(to)];
            if !part.is_empty() && out.send(Ok(Bytes::copy_from_slice(part))).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}
