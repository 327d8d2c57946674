//! Posts what the spool holds until the server has all of it, and goes on where the server says
//! that its log ends.

use tokio_util::sync::CancellationToken;

use super::spool::{Next, Spool};
use crate::{
    agent::backoff::Backoff,
    agent::ending::{Ending, StopReason},
    client::{AttemptClient, ClientError},
};

/// The most bytes of one post: well below the 1 MiB a request may have.
const BATCH_BYTES: usize = 512 * 1024;

/// How often the server may refuse the same frames, not for being away: some seconds, in which a
/// proxy in front of it may come to its senses.
const MAX_REFUSALS: u32 = 5;

/// Sends until the spool is closed and empty; false if the attempt is not ours any more.
pub(super) async fn send(spool: Spool, client: AttemptClient, ending: Ending) -> bool {
    let gone: CancellationToken = ending.gone().clone();
    let work = send_all(&spool, &client, &ending);
    tokio::select! {
        biased;
        () = gone.cancelled() => false,
        sent = work => sent,
    }
}

async fn send_all(spool: &Spool, client: &AttemptClient, ending: &Ending) -> bool {
    let mut backoff = Backoff::new();
    let mut is_down = false;
    let mut refusals = 0;
    loop {
        let (first, batch) = match spool.next(BATCH_BYTES).await {
            Ok(Next::Send(first, batch)) => (first, batch),
            Ok(Next::End) => return true,
            Err(error) => return lose(ending, &format!("the spool cannot be read: {error}")),
        };
        let end = match client.log(batch).await {
            Ok(end) => end,
            Err(error) if error.is_stale_attempt() => {
                ending.drop_work(StopReason::Stale);
                return false;
            }
            Err(error) => {
                if let Some(end) = error.log_end() {
                    end
                } else {
                    refusals += u32::from(!error.is_transient());
                    if refusals > MAX_REFUSALS {
                        return lose(ending, &format!("the server does not take it: {error}"));
                    }
                    if !is_down {
                        warn(&error);
                        is_down = true;
                    }
                    backoff.pause().await;
                    continue;
                }
            }
        };
        match spool.acknowledge(end.seq).await {
            // No progress: the server has not taken what was sent, though it answers.
            Ok(true) if end.seq <= first => backoff.pause().await,
            Ok(true) => {
                backoff = Backoff::new();
                (is_down, refusals) = (false, 0);
            }
            Ok(false) => {
                return lose(ending, &format!("the server's log ends at frame {}", end.seq));
            }
            Err(error) => return lose(ending, &format!("the spool cannot be read: {error}")),
        }
    }
}

/// The log can never be whole again: the attempt is worth nothing, another one has to be made.
fn lose(ending: &Ending, why: &str) -> bool {
    tracing::error!("the log of an attempt is lost, the attempt is dropped: {why}");
    ending.drop_work(StopReason::LeaseLost);
    false
}

fn warn(error: &ClientError) {
    tracing::warn!("the log waits for the server: {error}");
}
