//! Sealing: the logs of attempts that have ended move into the artifact repository.
//!
//! First the object, then the row that says it is there, then the frames go. A crash in between
//! leaves frames that are sealed again under the same key, or frames that nobody needs.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{LogError, Logs, seal::Sealer};
use crate::{
    artifact::ByteStream,
    store::{StoreError, UnsealedLog},
};

/// How often ended attempts are looked for though nothing woke the sealer.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Logs that are sealed one after the other before looking again.
const BATCH: u32 = 32;

/// A sealed log can be no larger than this: the bound on a stored log, its headers and its index.
const MAX_OBJECT: u64 = 4 << 30;

impl Logs {
    /// Seals logs until it is told to stop.
    pub async fn run(&self, mut changes: watch::Receiver<u64>, stop: CancellationToken) {
        loop {
            changes.mark_unchanged();
            let more = match self.seal_ended().await {
                Ok(sealed) => sealed == BATCH as usize,
                Err(error) => {
                    tracing::error!(%error, "sealing logs failed; trying again");
                    false
                }
            };
            if more {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                _ = changes.changed() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// Seals logs of ended attempts; answers how many.
    pub async fn seal_ended(&self) -> Result<usize, LogError> {
        let ended = self.store.unsealed_logs(BATCH).await?;
        for log in &ended {
            self.seal(*log).await?;
        }
        Ok(ended.len())
    }

    async fn seal(&self, log: UnsealedLog) -> Result<(), LogError> {
        let UnsealedLog { job, attempt } = log;
        let row = self.store.attempt(job, attempt).await?;
        let row = row.ok_or_else(|| LogError::NotFound(format!("attempt {attempt} of {job}")))?;
        let key = self.log_key(job, attempt).await?;
        // An archive's worth of bytes at the most, and usually a few kilobytes: one member at a
        // time is compressed, and what is ready goes to the store.
        let (out, ready) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(4);
        let bytes: ByteStream = Box::pin(tokio_stream::wrappers::ReceiverStream::new(ready));
        let write = async {
            let mut sealer = Sealer::new(Vec::new());
            let mut frames = self.frames(&row, 0, Some(0)).await?;
            while let Some(frame) = frames.next().await? {
                sealer.push(&frame).map_err(|error| LogError::Damaged(error.to_string()))?;
                let part = sealer.take_output();
                if !part.is_empty() && out.send(Ok(part.into())).await.is_err() {
                    break;
                }
            }
            let (rest, _) = sealer
                .finish(row.log_end.offset)
                .map_err(|error| LogError::Damaged(error.to_string()))?;
            let _ = out.send(Ok(rest.into())).await;
            drop(out);
            Ok::<(), LogError>(())
        };
        let (written, stored) =
            tokio::join!(write, self.artifacts.put_stream(&key, bytes, MAX_OBJECT));
        written?;
        stored?;
        let mut tx = self.store.begin().await?;
        self.store.mark_sealed(&mut tx, job, attempt).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(())
    }
}
