//! Waiting between tries: soon at first, because most interruptions are a server that restarts, then
//! slower, and not for ever, because a program in a script must end some day.

use std::time::Duration;

use tokio::time::Instant;

/// The first wait; a server that restarts is back in about a second.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait, so that nobody who watches has to wait long after the server is back.
const MOST: Duration = Duration::from_secs(3);
/// After this long without the server a follower gives up; longer than a reboot takes.
const GIVE_UP_AFTER: Duration = Duration::from_mins(10);

/// The waits of one interruption.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    next: Duration,
    since: Option<Instant>,
    give_up_after: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self::giving_up_after(GIVE_UP_AFTER)
    }

    pub(super) fn giving_up_after(give_up_after: Duration) -> Self {
        Self { next: FIRST, since: None, give_up_after }
    }

    /// Everything works again.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
        self.since = None;
    }

    /// The same where the server may have said when to come back: a wait of its choice is no failure
    /// that makes the next one longer.
    pub(super) fn wait_as_told(&mut self, told: Option<Duration>) -> Option<Duration> {
        let Some(told) = told else { return self.wait() };
        let since = *self.since.get_or_insert_with(Instant::now);
        (since.elapsed() < self.give_up_after).then_some(told)
    }

    /// How long to wait now; nothing once it has taken too long.
    pub(super) fn wait(&mut self) -> Option<Duration> {
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.give_up_after {
            return None;
        }
        let wait = self.next;
        self.next = (self.next * 2).min(MOST);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_a_bound_and_end() {
        let mut backoff = Backoff::new();
        let mut waits = Vec::new();
        while let Some(wait) = backoff.wait() {
            waits.push(wait);
            tokio::time::advance(wait).await;
        }
        assert_eq!(waits[..4], [200, 400, 800, 1600].map(Duration::from_millis));
        assert!(waits.iter().all(|wait| *wait <= MOST));
        assert!(waits.iter().sum::<Duration>() >= GIVE_UP_AFTER);
        backoff.reset();
        let told = Duration::from_secs(1);
        assert_eq!(backoff.wait_as_told(Some(told)), Some(told));
        assert_eq!(backoff.wait_as_told(None), Some(FIRST));
        tokio::time::advance(GIVE_UP_AFTER).await;
        assert_eq!(backoff.wait_as_told(Some(told)), None, "not without end either");
    }
}
