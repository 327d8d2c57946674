//! Keeps the lease of one attempt, and hears through it that the job is to be cancelled.
//!
//! The lease is measured on the agent's own monotonic clock. When it is over and the server cannot be
//! reached, the work goes on for a grace: a server that was restarted gives its agents time to find
//! it again, and takes the job back. If the server has given the job to somebody else meanwhile it
//! says so, and the attempt is dropped without a word; so it is when the grace is over.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::{
    agent::{
        backoff::Backoff,
        ending::{Ending, StopReason},
    },
    client::AttemptClient,
};

/// Renews until the attempt is gone; runs beside the work and is dropped with it.
pub(super) async fn keep(
    client: AttemptClient,
    (lease, grace): (Duration, Duration),
    ending: Ending,
) {
    let mut lease = lease;
    let mut valid_until = Instant::now() + lease + grace;
    let mut backoff = Backoff::new();
    let mut is_cancelled = false;
    loop {
        // Once cancelled, the server would answer each poll at once.
        let wait = if is_cancelled { Duration::ZERO } else { lease / 3 };
        let Ok(answer) = timeout_at(valid_until, client.renew(wait)).await else {
            return ending.drop_work(StopReason::LeaseLost);
        };
        match answer {
            Ok(answer) => {
                lease = Duration::from_millis(answer.lease_ms);
                valid_until = Instant::now() + lease + grace;
                backoff = Backoff::new();
                if answer.cancel && !is_cancelled {
                    ending.stop(StopReason::Cancelled);
                    is_cancelled = true;
                }
                if is_cancelled {
                    sleep(lease / 3).await;
                }
            }
            Err(error) if error.is_stale_attempt() => {
                return ending.drop_work(StopReason::Stale);
            }
            Err(error) => {
                tracing::warn!("the lease cannot be renewed: {error}");
                let pause = Instant::now() + backoff.next();
                sleep_until(pause.min(valid_until)).await;
            }
        }
    }
}
