//! Growing pauses between tries, with some chance in them, so that a server that comes back is not
//! met by all its agents in one moment.

use std::time::Duration;

/// The first pause: short, because most breaks are a server that restarts.
const FIRST: Duration = Duration::from_millis(200);
/// The longest: a server that is back is found within seconds.
const LONGEST: Duration = Duration::from_secs(5);

/// Pauses that double.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    /// Begins with the shortest pause.
    pub(super) const fn new() -> Self {
        Self(FIRST)
    }

    /// The next pause: between half and all of a time that doubles with each call.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        pause.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// Waits for the next pause.
    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.next()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new();
        for expected in [200, 400, 800, 1600, 3200, 5000, 5000] {
            let pause = backoff.next().as_millis();
            assert!((expected / 2..=expected).contains(&pause), "{pause} of {expected}");
        }
    }
}
