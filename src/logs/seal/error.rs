//! What can go wrong with a sealed log.

use crate::{archive::gzip::GzipError, model::FrameError};

/// A log cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Writing failed.
    #[error("writing the sealed log: {0}")]
    Io(#[from] std::io::Error),
    /// A frame does not follow the one before it.
    #[error("frame {seq} at offset {offset} does not follow the frame before it")]
    Order {
        /// The frame's number.
        seq: u64,
        /// Its offset.
        offset: u64,
    },
    /// There are more members, gaps or steps than a log can have.
    #[error("the log has too many {0}")]
    TooMany(&'static str),
}

/// An object is not a sealed log, or a damaged one.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Its trailer or index contradicts itself or the object.
    #[error("damaged sealed log: {0}")]
    Damaged(&'static str),
    /// Its index is not what this kiln writes.
    #[error("damaged sealed log: its index cannot be read: {0}")]
    Index(#[from] serde_json::Error),
    /// A member cannot be inflated.
    #[error("damaged sealed log: {0}")]
    Member(#[from] GzipError),
    /// A member does not hold frames.
    #[error("damaged sealed log: {0}")]
    Frame(#[from] FrameError),
    /// The range is not inside the log.
    #[error("the range is not inside the log")]
    Outside,
}
