//! The queue: the only place that changes a job's state.
//!
//! Every change is one transaction: read the state, take the model's transition, write the new
//! state with its event, and see what it means for the build. Who waits for something (a claim, a
//! cancel request, an event) is woken after the commit and looks again; the clock wakes them too,
//! so that a lost wake-up costs seconds, never a job.

mod agents;
mod attempt;
mod cancel;
mod change;
mod claim;
mod error;
mod history;
mod leases;
mod plan;
mod queues;
mod retry;
mod root;
mod settings;
mod settle;
mod submit;
mod take;
mod trust;
mod turns;
mod upkeep;
mod view;
mod waiting;

pub use error::QueueError;
pub use queues::QueuePut;
pub use root::Queue;
pub use settings::QueueSettings;
pub use submit::Submission;
