//! What is only kept for a while: lines of the audit log, and who asked for how much.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    api::Bounds,
    model::{Clock, Timestamp},
    store::{Store, StoreError},
};

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_mins(10);

/// Forgets until told to stop.
pub(super) async fn run(
    (store, bounds): (Store, Bounds),
    (clock, audit_days): (Arc<dyn Clock>, u32),
    stop: CancellationToken,
) {
    loop {
        bounds.forget();
        if let Err(error) = forget(&store, clock.now(), audit_days).await {
            tracing::warn!(%error, "old lines of the audit log stay for now");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// Forgets old lines, a few at a time, so that nobody waits for it.
async fn forget(store: &Store, now: Timestamp, days: u32) -> Result<(), StoreError> {
    let before = now.as_millis() - i64::from(days) * 24 * 3600 * 1000;
    loop {
        let mut tx = store.begin().await?;
        let gone = store.forget_audit(&mut tx, Timestamp::from_millis(before)).await?;
        tx.commit().await?;
        if gone == 0 {
            return Ok(());
        }
    }
}
