//! What every part of one attempt needs.

use std::{path::PathBuf, sync::Arc};

use crate::{
    agent::{deps::Deps, ending::Ending, log::Log, mask::Mask},
    client::AttemptClient,
    protocol::Claimed,
};

/// One attempt, as its parts see it.
#[derive(Clone, Debug)]
pub(super) struct Context {
    /// The agent.
    pub deps: Arc<Deps>,
    /// What is to be done.
    pub claimed: Arc<Claimed>,
    /// The server.
    pub client: AttemptClient,
    /// The attempt's log.
    pub log: Log,
    /// What keeps its secrets out of everything that is said; none where it has none.
    pub mask: Option<Arc<Mask>>,
    /// Its end.
    pub ending: Ending,
}

impl Context {
    /// A path for a file of this attempt that exists only for a moment.
    pub(super) fn spool_path(&self, what: &str) -> PathBuf {
        spool_path(&self.deps, &self.claimed, what)
    }
}

/// A path for a file of an attempt that exists only for a moment.
pub(super) fn spool_path(deps: &Deps, claimed: &Claimed, what: &str) -> PathBuf {
    let name = format!("{}-{}-{what}", claimed.job, claimed.attempt);
    deps.directory.join("spool").join(name)
}
