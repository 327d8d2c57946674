//! One notice: what it says is made, sent, and written down how that went.

use std::time::Duration;

use super::{Notifier, NotifyError};
use crate::store::NoticeRow;

/// How often is tried: with the pauses between, for about a day.
const MAX_ATTEMPTS: u32 = 30;
/// The first pause, and the longest.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_hours(1);

impl Notifier {
    /// Tells one thing that was taken, and writes how that went.
    pub(super) async fn tell(&self, taken: NoticeRow) {
        let told = self.told(&taken).await;
        let written = async {
            let now = self.queue.time().await?;
            let mut ended = taken.clone();
            match told {
                Ok(said) => {
                    (ended.said, ended.sent_at) = (said, Some(now));
                    (ended.problem, ended.attempts, ended.due_at) = (None, 0, None);
                }
                Err(error) => {
                    tracing::warn!(notice.id = %taken.id, project.id = %taken.project, "not told: {error}");
                    ended.attempts += 1;
                    let is_over =
                        matches!(error, NotifyError::Refused(_)) || ended.attempts >= MAX_ATTEMPTS;
                    ended.due_at = (!is_over).then(|| now.plus(pause(ended.attempts)));
                    ended.problem = Some(error.to_string());
                }
            }
            let mut tx = self.store.begin().await?;
            self.store.end_notice(&mut tx, &taken, &ended).await?;
            tx.commit().await?;
            Ok::<(), NotifyError>(())
        };
        if let Err(error) = written.await {
            // Its time comes again when the one it was taken for is over.
            tracing::error!(%error, "how telling went could not be written");
        }
    }

    /// What was said; nothing if there was nothing to say.
    async fn told(&self, row: &NoticeRow) -> Result<Option<String>, NotifyError> {
        let Some(target) = self.store.target(row.target).await? else { return Ok(None) };
        let Some(message) = self.message(&target, row).await? else { return Ok(None) };
        let answer = self.sources.post(message.post).await?;
        let knows =
            message.forge.is_some_and(|kind| kind.knows_already(answer.status, &answer.text));
        match answer.status {
            200..300 => Ok(Some(message.said)),
            _ if knows => Ok(Some(message.said)),
            status @ (408 | 425 | 429 | 500..) => {
                Err(NotifyError::Busy(format!("it answers {status}")))
            }
            status => Err(NotifyError::Refused(format!("it answers {status}"))),
        }
    }
}

/// How long after so many failures is tried again.
fn pause(failures: u32) -> Duration {
    let doubled = PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_an_hour() {
        for (failures, seconds) in [(1, 5), (2, 10), (5, 80), (11, 3_600), (4_000, 3_600)] {
            assert_eq!(pause(failures), Duration::from_secs(seconds), "{failures}");
        }
    }
}
