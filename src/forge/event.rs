//! What happened in a repository, whichever forge says so.

use serde::{Deserialize, de::DeserializeOwned};

use crate::model::CommitId;

/// The most changed paths that are kept of a delivery: more are as good as not knowing them.
const MAX_PATHS: usize = 2_000;

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
    /// Where it stands now.
    pub head: Head,
    /// The first line of the newest commit's message and what follows, if it was sent.
    pub message: Option<String>,
    /// The paths that changed, if all of them are known.
    pub changed: Option<Vec<String>>,
    /// Where the repository can be fetched from.
    pub urls: Vec<String>,
}

/// A pull or merge request has a commit to build, or ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeEvent {
    /// Its number.
    pub number: u64,
    /// The ref in the repository itself that has its newest commit.
    pub reference: String,
    /// Its newest commit.
    pub commit: CommitId,
    /// The branch it is to go into.
    pub target: String,
    /// Whether it comes from another repository.
    pub is_fork: bool,
    /// Its title.
    pub title: String,
    /// Where the repository can be fetched from.
    pub urls: Vec<String>,
}

/// The body is not what the forge's documentation says.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the delivery cannot be read: {0}")]
pub struct BadPayload(pub(super) String);

/// A commit of a push, in the shape that all of them share.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PushedCommit {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    added: Vec<String>,
    #[serde(default)]
    modified: Vec<String>,
    #[serde(default)]
    removed: Vec<String>,
}

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

/// The paths of all commits of a push, if the delivery has all commits.
pub(super) fn changed(commits: &[PushedCommit], is_complete: bool) -> Option<Vec<String>> {
    if !is_complete || commits.is_empty() {
        return None;
    }
    let mut paths: Vec<String> = commits
        .iter()
        .flat_map(|commit| [&commit.added, &commit.modified, &commit.removed])
        .flatten()
        .cloned()
        .collect();
    paths.sort_unstable();
    paths.dedup();
    (paths.len() <= MAX_PATHS).then_some(paths)
}

/// Text of a stranger, short enough for a sentence.
pub(super) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}
