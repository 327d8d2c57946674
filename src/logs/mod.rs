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
mod sealer;

pub mod seal;

use std::sync::Arc;

pub use download::LogFile;
pub use error::LogError;
pub use follow::Followed;

use crate::{artifact::ArtifactStore, model::Clock, store::Store};

/// The logs of one server.
#[derive(Clone, Debug)]
pub struct Logs {
    store: Store,
    artifacts: ArtifactStore,
    clock: Arc<dyn Clock>,
    hub: hub::Hub,
}

impl Logs {
    /// Logs over this database and artifact repository.
    pub fn new(store: Store, artifacts: ArtifactStore, clock: Arc<dyn Clock>) -> Self {
        Self { store, artifacts, clock, hub: hub::Hub::default() }
    }
}
