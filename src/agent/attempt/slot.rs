//! Holds the session of an attempt, so that it is closed on every path: also when the work that
//! uses it panics, is stopped or is dropped in the middle.

use std::{panic::resume_unwind, sync::Arc};

use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};
use tracing::Instrument as _;

use crate::sandbox::{SandboxError, Session};

/// The place of at most one session. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionSlot(Arc<Mutex<Option<Box<dyn Session>>>>);

/// The session, for as long as somebody uses it.
pub(super) type InUse = OwnedMappedMutexGuard<Option<Box<dyn Session>>, Box<dyn Session>>;

impl SessionSlot {
    /// Opens a session in here and gives it out for use. A caller that goes away does not end the
    /// opening: `close` waits for it.
    pub(super) async fn open(
        &self,
        opening: impl Future<Output = Result<Box<dyn Session>, SandboxError>> + Send + 'static,
    ) -> Result<InUse, SandboxError> {
        let place = Arc::clone(&self.0).lock_owned().await;
        let opening = async move {
            let session = opening.await?;
            Ok(OwnedMutexGuard::map(place, |place| place.insert(session)))
        };
        match tokio::spawn(opening.in_current_span()).await {
            Ok(opened) => opened,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(error) => Err(SandboxError::Engine(error.to_string())),
            },
        }
    }

    /// Removes everything the session made, if there is one; the work must be over or dropped.
    pub(super) async fn close(&self) -> Result<(), SandboxError> {
        match self.0.lock().await.take() {
            Some(session) => session.close().await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        model::{JobId, Limits, Timestamp},
        sandbox::{ImageId, Sandbox, Scenario, ScriptedSandbox, SessionSpec, Verb},
    };

    fn spec() -> SessionSpec {
        let now = Timestamp::from_millis(0);
        SessionSpec {
            job: JobId::new(now),
            attempt: 1,
            image: ImageId(String::new()),
            limits: Limits::default(),
            source_bytes: 1,
            deadline: now,
        }
    }

    #[tokio::test]
    async fn a_session_whose_opener_went_away_is_closed_once_it_is_open() {
        let sandbox = ScriptedSandbox::new(|_| Scenario::default());
        let (slot, go) = (SessionSlot::default(), CancellationToken::new());
        let (engine, gate) = (sandbox.clone(), go.clone());
        let opening = async move {
            gate.cancelled().await;
            engine.open(spec()).await
        };
        {
            let mut open = Box::pin(slot.open(opening));
            assert!(poll!(&mut open).is_pending());
        }
        let mut close = Box::pin(slot.close());
        assert!(poll!(&mut close).is_pending());
        go.cancel();
        close.await.unwrap();
        assert_eq!(sandbox.seen()[0].verbs, [Verb::Open, Verb::Close]);
    }
}
