//! What all streams of `/api/v1/events` on this server share: one reader of the store.
//!
//! It runs while anybody listens, woken by changes here and on other servers and by the clock, and
//! sends each event once, encoded once, in the order of the numbers. A stream that is not where the
//! reader is reads the store until it is.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Semaphore, broadcast, watch},
    task::JoinHandle,
};

use crate::{
    protocol::{Event, EventKind},
    store::{Store, StoreError},
};

/// Events read at a time.
pub(super) const BATCH: u32 = 100;

/// Events a stream may be behind before it has to read from the store.
const BEHIND: usize = 512;

/// How often the store is looked at though nothing woke the reader.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Streams that read from the store at one time: fewer than a database has connections.
const READING: usize = 2;

/// An event as it goes over the wire.
#[derive(Clone, Debug)]
pub(super) struct Numbered {
    pub(super) id: u64,
    /// Shared by all streams.
    pub(super) kind: Arc<EventKind>,
    pub(super) wire: Bytes,
}

/// The events of this server's streams.
#[derive(Clone, Debug)]
pub struct Feed {
    store: Store,
    reader: Arc<Mutex<Weak<Reader>>>,
    reading: Arc<Semaphore>,
}

/// The one reader. It ends when nobody holds it any more.
#[derive(Debug)]
pub(super) struct Reader {
    events: broadcast::Sender<Numbered>,
    /// The last event that needs no sending: who listens has it or reads it.
    begun: watch::Sender<Option<u64>>,
    task: JoinHandle<()>,
}

impl Feed {
    /// A feed of what `store` has.
    pub fn new(store: Store) -> Self {
        Self { store, reader: Arc::default(), reading: Arc::new(Semaphore::new(READING)) }
    }

    /// The reader, which begins with the first who listens; `changes` wakes it.
    pub(super) fn reader(&self, changes: watch::Receiver<u64>) -> Arc<Reader> {
        let mut current = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reader) = current.upgrade() {
            return reader;
        }
        let (events, begun) = (broadcast::Sender::new(BEHIND), watch::Sender::new(None));
        let task = tokio::spawn(read(self.store.clone(), (events.clone(), begun.clone()), changes));
        let reader = Arc::new(Reader { events, begun, task });
        *current = Arc::downgrade(&reader);
        reader
    }

    /// Stored events after number `after`; waits for a place to read.
    pub(super) async fn stored(&self, after: u64) -> Result<Vec<Event>, StoreError> {
        let _place = self.reading.acquire().await.expect("it is never closed");
        self.store.events_after(after, BATCH).await
    }
}

impl Reader {
    /// Events from now on, once every event that is not stored yet will come.
    pub(super) async fn subscribe(&self) -> broadcast::Receiver<Numbered> {
        let events = self.events.subscribe();
        let _ = self.begun.subscribe().wait_for(Option::is_some).await;
        events
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An event as it goes over the wire.
pub(super) fn numbered(event: &Event) -> Numbered {
    let data = serde_json::to_string(event).expect("events serialize");
    let (id, name) = (event.id, event.kind.name());
    let wire = format!("event: {name}\nid: {id}\ndata: {data}\n\n").into();
    Numbered { id, kind: Arc::new(event.kind.clone()), wire }
}

async fn read(
    store: Store,
    (events, begun): (broadcast::Sender<Numbered>, watch::Sender<Option<u64>>),
    mut changes: watch::Receiver<u64>,
) {
    let mut last = None;
    loop {
        changes.mark_unchanged();
        match look(&store, &events, &mut last).await {
            Ok(true) => {}
            Ok(false) => {
                begun.send_replace(last);
                // Something changed, or it is time to look anyway.
                let _ = tokio::time::timeout(LOOK_AGAIN, changes.changed()).await;
            }
            Err(error) => {
                tracing::warn!(%error, "events could not be read; trying again");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// Sends what is new; whether there may be more.
async fn look(
    store: &Store,
    events: &broadcast::Sender<Numbered>,
    last: &mut Option<u64>,
) -> Result<bool, StoreError> {
    let Some(after) = *last else {
        *last = Some(store.event_bounds().await?.1);
        return Ok(false);
    };
    let new = store.events_after(after, BATCH).await?;
    for event in &new {
        *last = Some(event.id);
        // Fails only when the last stream has just ended.
        let _ = events.send(numbered(event));
    }
    Ok(new.len() == BATCH as usize)
}
