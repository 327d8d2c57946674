//! Hears what other servers on the same database do, and wakes whoever waits for it here.
//!
//! Only what makes things quick: everything that waits looks by itself, too, a little later.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    logs::Logs,
    queue::Queue,
    store::{Notice, Notices, Store, StoreError},
};

/// How long to wait before listening again after the database went away.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens until told to stop.
pub(super) async fn run(store: Store, woken: (Queue, Logs), stop: CancellationToken) {
    let listening = async {
        loop {
            match listen(&store, &woken).await {
                // One server, which knows what it does: there is nothing to hear.
                Ok(()) => std::future::pending().await,
                Err(error) => {
                    tracing::warn!(%error, "other servers cannot be heard for now");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = listening => {}
    }
}

async fn listen(store: &Store, (queue, logs): &(Queue, Logs)) -> Result<(), StoreError> {
    let Some(mut notices): Option<Notices> = store.notices().await? else { return Ok(()) };
    // What happened before is not told again.
    let mut notice = Notice::Missed;
    loop {
        match notice {
            Notice::Change => queue.wake(),
            Notice::Log(job) => logs.wake(job),
            Notice::Missed => {
                queue.wake();
                logs.wake_all();
            }
        }
        notice = notices.next().await?;
    }
}
