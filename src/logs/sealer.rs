//! Sealing: the logs of attempts that have ended move into the artifact repository.
//!
//! First the object, then the row that says it is there, then the frames go. A crash in between
//! leaves frames that are sealed again under the same key, or frames that nobody needs.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{LogError, Logs, seal::Sealer, walk::Reader};
use crate::{
    artifact::ByteStream,
    store::{AttemptRow, UnsealedLog},
};

/// How often ended attempts are looked for though nothing woke the sealer.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How long a log that could not be sealed is left alone.
const TRY_AGAIN: Duration = Duration::from_mins(5);

/// Logs that are sealed one after the other before looking again.
const BATCH: u32 = 32;

/// A sealed log can be no larger than this: the bound on a stored log, its headers and its index.
const MAX_OBJECT: u64 = 4 << 30;

impl Logs {
    /// Seals logs until it is told to stop. One that cannot be sealed holds nothing else up: it is
    /// tried again after a while.
    pub async fn run(&self, mut changes: watch::Receiver<u64>, stop: CancellationToken) {
        let mut failed: HashMap<UnsealedLog, Instant> = HashMap::new();
        loop {
            changes.mark_unchanged();
            failed.retain(|_, since| since.elapsed() < TRY_AGAIN);
            let limit = BATCH.saturating_add(u32::try_from(failed.len()).unwrap_or(u32::MAX));
            let ended = match self.store.unsealed_logs(limit).await {
                Ok(ended) => ended,
                Err(error) => {
                    tracing::error!(%error, "looking for logs to seal failed; trying again");
                    Vec::new()
                }
            };
            let mut sealed = 0;
            for log in ended.into_iter().filter(|log| !failed.contains_key(log)).collect::<Vec<_>>()
            {
                if stop.is_cancelled() {
                    return;
                }
                match self.seal(log).await {
                    Ok(()) => sealed += 1,
                    Err(error) => {
                        tracing::error!(
                            job.id = %log.job, job.attempt = log.attempt, %error,
                            "a log could not be sealed; it stays in the database for now"
                        );
                        failed.insert(log, Instant::now());
                    }
                }
            }
            if sealed > 0 {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                _ = changes.changed() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    async fn seal(&self, log: UnsealedLog) -> Result<(), LogError> {
        let UnsealedLog { job, attempt } = log;
        // Another server seals it now; if that one dies, it is found again.
        let lock = self.store.try_lock(&format!("seal {job} {attempt}")).await?;
        let Some(_lock) = lock else { return Ok(()) };
        let row = self.store.attempt(job, attempt).await?;
        let row = row.ok_or_else(|| LogError::NotFound(format!("attempt {attempt} of {job}")))?;
        let key = self.log_key(job, attempt).await?;
        // An archive's worth of bytes at the most, and usually a few kilobytes: one member at a
        // time is compressed, and what is ready goes to the store.
        let (out, ready) = mpsc::channel::<std::io::Result<Bytes>>(4);
        let bytes: ByteStream = Box::pin(tokio_stream::wrappers::ReceiverStream::new(ready));
        let write = async move {
            let packed = self.pack(&row, &out).await;
            if packed.is_err() {
                // Or what was packed so far would pass for the whole log, and could take the place of
                // the one that another server has sealed meanwhile.
                let broken = std::io::Error::other("the log could not be read to its end");
                let _ = out.send(Err(broken)).await;
            }
            packed
        };
        let (written, stored) =
            tokio::join!(write, self.artifacts.put_stream(&key, bytes, MAX_OBJECT));
        written?;
        stored?;
        let mut tx = self.store.begin().await?;
        self.store.mark_sealed(&mut tx, job, attempt).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Sends the sealed form of an attempt's log, one member after the other.
    async fn pack(
        &self,
        row: &AttemptRow,
        out: &mpsc::Sender<std::io::Result<Bytes>>,
    ) -> Result<(), LogError> {
        let mut sealer = Sealer::new(Vec::new());
        let mut frames = self.frames(row, (0, Some(0)), Reader::Tail).await?;
        while let Some(frame) = frames.next().await? {
            sealer.push(&frame).map_err(|error| LogError::Damaged(error.to_string()))?;
            let part = sealer.take_output();
            if !part.is_empty() && out.send(Ok(part.into())).await.is_err() {
                // The store does not take it, and says why.
                return Ok(());
            }
        }
        let (rest, _) = sealer
            .finish(row.log_end.offset)
            .map_err(|error| LogError::Damaged(error.to_string()))?;
        let _ = out.send(Ok(rest.into())).await;
        Ok(())
    }
}
