//! The logs themselves: what their parts share.

use std::sync::Arc;

use super::hub;
use crate::{artifact::ArtifactStore, model::Clock, store::Store};

/// The logs of one server.
#[derive(Clone, Debug)]
pub struct Logs {
    pub(super) store: Store,
    pub(super) artifacts: ArtifactStore,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) hub: hub::Hub,
}

impl Logs {
    /// Logs over this database and artifact repository.
    pub fn new(store: Store, artifacts: ArtifactStore, clock: Arc<dyn Clock>) -> Self {
        Self { store, artifacts, clock, hub: hub::Hub::default() }
    }
}
