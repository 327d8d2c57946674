//! Says something to the server until it is heard, as long as that makes sense.

use crate::{
    agent::{
        backoff::Backoff,
        ending::{Ending, StopReason},
    },
    client::ClientError,
};

/// Tries `request` again while the server is away; ends when it answers, or when the attempt is
/// not ours any more, which is `None`.
pub(super) async fn until_heard<T, F>(
    ending: &Ending,
    mut request: impl FnMut() -> F,
) -> Option<Result<T, ClientError>>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let gone = ending.gone().clone();
    let tries = async {
        let mut backoff = Backoff::new();
        loop {
            match request().await {
                Err(error) if error.is_transient() => {
                    tracing::warn!("the server does not answer, trying again: {error}");
                    backoff.pause().await;
                }
                Err(error) if error.is_stale_attempt() => {
                    ending.drop_work(StopReason::Stale);
                    return None;
                }
                answer => return Some(answer),
            }
        }
    };
    tokio::select! {
        biased;
        () = gone.cancelled() => None,
        answer = tries => answer,
    }
}
