//! All SQL of kiln: one function a question, named as the question.
//!
//! Both databases run the same text (`sql`). Rows are flat; they become model values through `TryFrom`, and a row that contradicts itself is
//! an error of its own instead of a guess. Writes happen inside a transaction that the caller
//! opened, so that a state, its event and its counters change together or not at all.

mod agents;
mod attempts;
mod audit;
mod backup;
mod builds;
mod claims;
mod db;
mod enrollments;
mod error;
mod events;
mod frames;
mod hooks;
mod idempotency;
mod installation;
mod jobs;
mod lanes;
mod lock;
mod logins;
mod notices;
mod projects;
mod queues;
mod retention;
mod sealed;
mod secrets;
mod sql;
mod targets;
mod tokens;
mod transfer;
mod uploads;
mod watches;

pub use agents::{AgentRow, NewAgent};
pub use attempts::{AttemptEnd, AttemptObjects, AttemptRow, UnsealedLog};
pub use backup::{BackupError, back_up, bring_back};
pub use builds::{BuildRow, NewBuild};
pub use claims::{Fit, Lease};
pub use db::{Store, Tx};
pub use error::{OpenError, StoreError};
pub use frames::FrameRow;
pub use hooks::{DeliveryRow, HookRow};
pub use jobs::{JobOwner, JobRow, NewJob};
pub use lanes::{Lane, LaneRow};
pub use lock::Lock;
pub use logins::LoginRow;
pub use notices::{Notice, Notices};
pub use projects::{BelongsTo, ProjectRow};
pub use queues::{QueueCounts, QueueRow, RunningLegs};
pub use retention::{FinishedBuild, KeptObjects, UsageRow};
pub use sealed::SealedPlace;
pub use secrets::SecretRow;
pub use targets::{NoticeRow, TargetRow};
pub use tokens::TokenRow;
pub use transfer::{MoveError, Moved};
pub use uploads::UploadRow;
pub use watches::{HeadRow, WatchRow};
