//! Logs: append, follow, download, seal.
//!
//! While an attempt runs its frames are rows of the database; when it has ended they become one
//! object in the artifact repository and the rows go. Followers and downloads do not notice which
//! it is: both are read as frames.
//!
//! However many follow a job on a server, one tail reads its rows for them, wherever those were
//! appended: an append on this server hands its frames to the tail, one on another server wakes it,
//! and it looks by the clock where no notice came.

mod append;
mod download;
mod error;
mod event;
mod follow;
mod frames;
mod hub;
mod root;
mod sealer;
mod tail;
mod walk;

pub mod seal;

pub use download::LogFile;
pub use error::LogError;
pub use root::Logs;
