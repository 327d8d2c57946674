//! The logs themselves: what their parts share.

use std::sync::Arc;

use super::hub;
use crate::{
    artifact::ArtifactStore,
    model::{Clock, JobId},
    store::Store,
};

/// The logs of one server.
#[derive(Clone, Debug)]
pub struct Logs {
    pub(super) store: Store,
    pub(super) artifacts: ArtifactStore,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) hub: hub::Hub,
}

impl Logs {
    /// Another server appended to this job's log.
    pub fn wake(&self, job: JobId) {
        self.hub.wake(job);
    }

    /// Any log may have grown.
    pub fn wake_all(&self) {
        self.hub.wake_all();
    }

    /// Logs over this database and artifact repository.
    pub fn new(store: Store, artifacts: ArtifactStore, clock: Arc<dyn Clock>) -> Self {
        Self { store, artifacts, clock, hub: hub::Hub::default() }
    }
}
