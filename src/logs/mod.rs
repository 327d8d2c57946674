//! Logs: append, follow, download, seal.
//!
//! While an attempt runs its frames are rows of the database; when it has ended they become one
//! object in the artifact repository and the rows go. Followers and downloads do not notice which
//! it is: both are read as frames.

mod append;
mod download;
mod error;
mod follow;
mod frames;
mod hub;
mod root;
mod sealer;

pub mod seal;

pub use download::LogFile;
pub use error::LogError;
pub use follow::Followed;
pub use root::Logs;
