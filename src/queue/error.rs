//! What the queue refuses, by whose fault it is.

use crate::{
    model::{JobId, TransitionError},
    protocol::LogEnd,
    secrets::SecretsError,
    store::StoreError,
};

/// The queue did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// There is no such thing.
    #[error("there is no {what} {id}")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// The id that was given.
        id: String,
    },
    /// The request contradicts itself or asks for what is not allowed.
    #[error("{0}")]
    Invalid(String),
    /// The request cannot be done in the state things are in.
    #[error("{0}")]
    Conflict(String),
    /// As many jobs wait as may.
    #[error("{0}")]
    Full(String),
    /// Whoever asks may not.
    #[error("{0}")]
    Forbidden(String),
    /// Another claim was faster.
    #[error("another agent has just taken this job")]
    Taken,
    /// Another process has taken the agent's place.
    #[error(
        "another process has this agent's identity and began later: stop one of the two; on another machine, enroll an agent of its own instead of copying the directory"
    )]
    Replaced,
    /// The agent speaks a protocol that this server does not.
    #[error("{0}")]
    Protocol(String),
    /// The message comes from an attempt that no longer has the job.
    #[error(transparent)]
    Stale(#[from] TransitionError),
    /// The attempt cannot end before its log is whole.
    #[error("the log of job {job} is not whole yet: send the frames from {} on", .have.seq)]
    LogIncomplete {
        /// The job.
        job: JobId,
        /// How far the log reaches.
        have: LogEnd,
    },
    /// The job's secrets cannot be opened.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl QueueError {
    /// For an id that leads nowhere.
    pub fn not_found(what: &'static str, id: impl std::fmt::Display) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }
}
