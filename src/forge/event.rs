//! What happened in a repository, whichever forge says so: as much of it as is acted on.

use serde::{Deserialize, de::DeserializeOwned};

use crate::model::CommitId;

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The forge tries whether the address is right.
    Ping,
    /// A branch or a tag moved, came or went.
    Push(PushEvent),
    /// A pull or merge request.
    Change(ChangeEvent),
    /// Something else; the sentence says what.
    Ignored(String),
}

/// Where a branch or a tag stands after a push.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Head {
    /// At this commit.
    At(CommitId),
    /// It is gone.
    Gone,
}

/// A branch or a tag moved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PushEvent {
    /// The full name, such as `refs/heads/main`.
    pub reference: String,
    /// Where it stands now. It is looked up again before anything is built.
    pub head: Head,
}

/// A pull or merge request has a commit to build.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeEvent {
    /// The ref in the repository itself that has its newest commit.
    pub reference: String,
    /// Its newest commit.
    pub commit: CommitId,
    /// The branch it is to go into.
    pub target: String,
    /// Whether it comes from another repository.
    pub is_fork: bool,
}

/// The body is not what the forge's documentation says.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the delivery cannot be read: {0}")]
pub struct BadPayload(pub(super) String);

/// Something that has to be there, and of which nothing is wanted: a delivery without it is none.
#[derive(Debug, Deserialize)]
pub(super) struct There {}

pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadPayload> {
    serde_json::from_slice(body).map_err(|error| BadPayload(error.to_string()))
}

/// The commit, or that there is none any more: 40 zeros.
pub(super) fn head(text: &str) -> Result<Head, BadPayload> {
    if text.len() == 40 && text.bytes().all(|byte| byte == b'0') {
        return Ok(Head::Gone);
    }
    commit(text).map(Head::At)
}

/// A commit that has to be one.
pub(super) fn commit(text: &str) -> Result<CommitId, BadPayload> {
    if text.bytes().all(|byte| byte == b'0') {
        return Err(BadPayload("it names no commit".to_owned()));
    }
    text.parse().map_err(|_| BadPayload(format!("{:?} is no commit", short(text))))
}

/// Text of a stranger, short enough for a sentence.
pub(super) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}
