//! Why an attempt is ended before its time: the first reason counts, and everybody hears of it.
//!
//! There are two ends. *Stopped* attempts are told to the server: the container dies, the log is
//! sent, the report says why. *Gone* ones are not ours any more: the container dies and nothing more
//! is said, because another agent may have the job by now.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why the agent itself ends an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StopReason {
    /// Somebody asked for the job to end.
    Cancelled,
    /// It ran longer than it may.
    WallTime,
    /// It wrote nothing for longer than it may.
    NoOutput,
    /// It wrote more than it may.
    OutputLimit,
    /// The agent ends.
    AgentStops,
    /// The lease could not be renewed in time.
    LeaseLost,
    /// The server gave the attempt up.
    Stale,
}

/// The end of one attempt, shared by all of its tasks.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    reason: OnceLock<StopReason>,
    stop: CancellationToken,
    gone: CancellationToken,
}

impl Ending {
    /// Ends the attempt; only the first reason is kept.
    pub(super) fn stop(&self, reason: StopReason) {
        let _ = self.0.reason.set(reason);
        self.0.stop.cancel();
    }

    /// Ends the attempt without a word, whatever it was stopped for before.
    pub(super) fn drop_work(&self, reason: StopReason) {
        self.stop(reason);
        self.0.gone.cancel();
    }

    /// Why it was stopped, if it was.
    pub(super) fn reason(&self) -> Option<StopReason> {
        self.0.reason.get().copied()
    }

    /// Whether it was stopped.
    pub(super) fn is_stopped(&self) -> bool {
        self.reason().is_some()
    }

    /// Cancelled when the attempt is to end, for whatever reason.
    pub(super) fn stopped(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// Cancelled when the attempt is not ours any more.
    pub(super) fn gone(&self) -> &CancellationToken {
        &self.0.gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_counts_and_losing_the_work_silences_it() {
        let ending = Ending::default();
        assert_eq!(ending.reason(), None);
        ending.stop(StopReason::NoOutput);
        ending.stop(StopReason::Cancelled);
        assert_eq!(ending.reason(), Some(StopReason::NoOutput));
        assert!(ending.stopped().is_cancelled() && !ending.gone().is_cancelled());
        ending.drop_work(StopReason::LeaseLost);
        assert_eq!(ending.reason(), Some(StopReason::NoOutput));
        assert!(ending.gone().is_cancelled());
    }
}
