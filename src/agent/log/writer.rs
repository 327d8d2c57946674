//! The handle that everything about an attempt writes its log through, and the task behind it.

use std::{io, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tracing::Instrument as _;

use super::{
    framer::Framer,
    sender,
    spool::{Spool, SpoolSettings},
};
use crate::{
    agent::{
        ending::{Ending, StopReason},
        mask::Mask,
    },
    client::AttemptClient,
    model::{Clock, Frame, Step, Stream},
    protocol::LogEnd,
};

/// How long bytes may wait for more before they are sent: people do not notice it, and a chatty
/// build makes twenty frames a second instead of thousands.
const FLUSH_AFTER: Duration = Duration::from_millis(50);
/// Pieces between the attempt and the writer: enough that neither waits for the other's turn.
const CHANNEL: usize = 64;

/// The log of one attempt. Clones write to the same log.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    items: mpsc::Sender<Item>,
    /// What keeps secrets out of kiln's own lines, which name files; the build's are masked before.
    mask: Option<Arc<Mask>>,
}

/// The two tasks behind a log; ends them and says where the log ends.
#[derive(Debug)]
pub(crate) struct LogClosed {
    writer: JoinHandle<()>,
    sender: JoinHandle<bool>,
}

#[derive(Debug)]
enum Item {
    Data(Stream, Option<u16>, Bytes),
    StepStart(u16, Step),
    StepEnd(u16, i32),
    Close(oneshot::Sender<LogEnd>),
}

impl Log {
    /// Starts the tasks of a log.
    pub(crate) fn start(
        client: AttemptClient,
        spool: SpoolSettings,
        (clock, mask): (Arc<dyn Clock>, Option<Arc<Mask>>),
        ending: Ending,
    ) -> (Self, LogClosed) {
        let (items, receiver) = mpsc::channel(CHANNEL);
        let spool = Spool::new(spool);
        let sender =
            tokio::spawn(sender::send(spool.clone(), client, ending.clone()).in_current_span());
        let writing = async move {
            let gone = ending.gone().clone();
            let mut writer = Writer { framer: Framer::default(), spool, clock };
            let kept = tokio::select! {
                biased;
                () = gone.cancelled() => Ok(()),
                kept = AssertUnwindSafe(writer.run(receiver)).catch_unwind() => {
                    // Without this the sender would wait for ever for a log that nobody ends.
                    kept.unwrap_or_else(|_| Err(io::Error::other("a fault in its writer")))
                }
            };
            if let Err(error) = kept {
                tracing::error!("the log of an attempt cannot be kept, it is dropped: {error}");
                ending.drop_work(StopReason::LeaseLost);
            }
        };
        let writer = tokio::spawn(writing.in_current_span());
        (Self { items, mask }, LogClosed { writer, sender })
    }

    /// A line of kiln's own; the line break is added.
    pub(crate) async fn say(&self, line: impl AsRef<str>) {
        let line = format!("{}\n", line.as_ref());
        let line =
            Bytes::from(self.mask.as_ref().map_or_else(|| line.clone(), |mask| mask.masked(&line)));
        self.data(Stream::Kiln, None, line).await;
    }

    /// Bytes of one stream in one step; waits while the log cannot take more.
    pub(crate) async fn data(&self, stream: Stream, step: Option<u16>, bytes: Bytes) {
        self.item(Item::Data(stream, step, bytes)).await;
    }

    /// A step begins.
    pub(crate) async fn step_start(&self, index: u16, step: Step) {
        self.item(Item::StepStart(index, step)).await;
    }

    /// A step ended.
    pub(crate) async fn step_end(&self, index: u16, exit_code: i32) {
        self.item(Item::StepEnd(index, exit_code)).await;
    }

    /// Where the log ends: nothing can be written after this.
    pub(crate) async fn close(&self) -> LogEnd {
        let (answer, end) = oneshot::channel();
        self.item(Item::Close(answer)).await;
        end.await.unwrap_or_default()
    }

    /// The writer ends early only when the attempt is not ours any more: then nobody reads it.
    async fn item(&self, item: Item) {
        let _ = self.items.send(item).await;
    }
}

impl LogClosed {
    /// Waits until the server has the whole log; false if the attempt is not ours any more.
    pub(crate) async fn sent(&mut self) -> bool {
        matches!((&mut self.sender).await, Ok(true))
    }
}

impl Drop for LogClosed {
    fn drop(&mut self) {
        self.writer.abort();
        self.sender.abort();
    }
}

struct Writer {
    framer: Framer,
    spool: Spool,
    clock: Arc<dyn Clock>,
}

impl Writer {
    async fn run(&mut self, mut items: mpsc::Receiver<Item>) -> io::Result<()> {
        let mut frames = Vec::new();
        let mut flush_at: Option<Instant> = None;
        loop {
            let item = tokio::select! {
                biased;
                () = sleep_until(flush_at.unwrap_or_else(Instant::now)), if flush_at.is_some() => {
                    self.framer.tick(self.clock.now(), &mut frames);
                    flush_at = None;
                    None
                }
                item = items.recv() => match item {
                    Some(item) => Some(item),
                    None => Some(Item::Close(oneshot::channel().0)),
                },
            };
            let closing = item.and_then(|item| self.take(item, &mut frames));
            for frame in frames.drain(..) {
                self.spool.push(&frame).await?;
            }
            if let Some(answer) = closing {
                self.spool.close().await;
                let _ = answer.send(self.framer.end());
                return Ok(());
            }
            flush_at = match (self.framer.is_waiting(), flush_at) {
                (true, None) => Some(Instant::now() + FLUSH_AFTER),
                (true, at) => at,
                (false, _) => None,
            };
        }
    }

    /// Applies one item; gives back whom to tell where the log ends.
    fn take(&mut self, item: Item, frames: &mut Vec<Frame>) -> Option<oneshot::Sender<LogEnd>> {
        let now = self.clock.now();
        match item {
            Item::Data(stream, step, bytes) => {
                self.framer.data((stream, step), &bytes, now, frames);
            }
            Item::StepStart(index, step) => self.framer.step_start(index, &step, now, frames),
            Item::StepEnd(index, code) => self.framer.step_end(index, code, now, frames),
            Item::Close(answer) => {
                self.framer.flush_all(now, frames);
                return Some(answer);
            }
        }
        None
    }
}
