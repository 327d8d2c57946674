//! The queue itself: what its parts share.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use super::QueueSettings;
use crate::{model::Clock, secrets::Secrets, store::Store};

/// Claims of one server that are in a transaction at one time: as many as a database gets anything from.
const TAKING: usize = 8;

/// The queue of one server.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: Arc<QueueSettings>,
    pub(super) secrets: Secrets,
    /// Counts the changes this server made: whoever waits, waits for it to move.
    pub(super) changes: watch::Sender<u64>,
    /// Places for claims that take a job.
    pub(super) taking: Arc<Semaphore>,
}

impl Queue {
    /// A queue over `store`.
    pub fn new(
        (store, secrets): (Store, Secrets),
        clock: Arc<dyn Clock>,
        settings: QueueSettings,
    ) -> Self {
        Self {
            store,
            secrets,
            clock,
            settings: Arc::new(settings),
            changes: watch::Sender::new(0),
            taking: Arc::new(Semaphore::new(TAKING)),
        }
    }

    /// Moves with every change of a state; subscribe first, then look.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Wakes whoever waits: something changed, here or on another server.
    pub fn wake(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// The rules it goes by.
    pub fn settings(&self) -> &QueueSettings {
        &self.settings
    }
}
