//! The queue: the only place that changes a job's state.
//!
//! Every change is one transaction: read the state, take the model's transition, write the new
//! state with its event, and see what it means for the build. Who waits for something (a claim, a
//! cancel request, an event) is woken after the commit and looks again; the clock wakes them too,
//! so that a lost wake-up costs seconds, never a job.

mod attempt;
mod cancel;
mod change;
mod claim;
mod error;
mod plan;
mod retry;
mod settings;
mod settle;
mod submit;
mod upkeep;
mod view;

use std::sync::Arc;

pub use error::QueueError;
pub use settings::QueueSettings;
pub use submit::Submission;
use tokio::sync::watch;

use crate::{model::Clock, store::Store};

/// The queue of one server.
#[derive(Clone, Debug)]
pub struct Queue {
    store: Store,
    clock: Arc<dyn Clock>,
    settings: Arc<QueueSettings>,
    /// Counts the changes this server made: whoever waits, waits for it to move.
    changes: watch::Sender<u64>,
}

impl Queue {
    /// A queue over `store`.
    pub fn new(store: Store, clock: Arc<dyn Clock>, settings: QueueSettings) -> Self {
        Self { store, clock, settings: Arc::new(settings), changes: watch::Sender::new(0) }
    }

    /// Moves with every change of a state; subscribe first, then look.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The rules it goes by.
    pub fn settings(&self) -> &QueueSettings {
        &self.settings
    }
}
