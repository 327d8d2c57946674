//! Holds the session of an attempt, so that it is closed on every path: also when the work that
//! uses it panics, is stopped or is dropped in the middle.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};

use crate::sandbox::{SandboxError, Session};

/// The place of at most one session. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionSlot(Arc<Mutex<Option<Box<dyn Session>>>>);

/// The session, for as long as somebody uses it.
pub(super) type InUse = OwnedMappedMutexGuard<Option<Box<dyn Session>>, Box<dyn Session>>;

impl SessionSlot {
    /// Puts the session in and gives it out for use.
    pub(super) async fn fill(&self, session: Box<dyn Session>) -> InUse {
        let guard = Arc::clone(&self.0).lock_owned().await;
        OwnedMutexGuard::map(guard, |place| place.insert(session))
    }

    /// Removes everything the session made, if there is one; the work must be over or dropped.
    pub(super) async fn close(&self) -> Result<(), SandboxError> {
        match self.0.lock().await.take() {
            Some(session) => session.close().await,
            None => Ok(()),
        }
    }
}
