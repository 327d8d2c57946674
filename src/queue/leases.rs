//! Which leases are over: by the database's clock, and by this server's own patience.
//!
//! A clock that jumps, a database that was away or a server that was stopped makes every lease look
//! expired at once, and all agents would lose work that goes well. So a lease lapses only if this
//! server has seen it unrenewed for a whole lease by its monotonic clock as well, looking all the
//! time. A server that has just started has seen nothing yet, and gives everybody a whole lease.

use std::{collections::HashMap, time::Duration};

use crate::{
    model::{JobId, Timestamp},
    store::Lease,
};

/// Watches leases from one look to the next.
#[derive(Debug)]
pub(super) struct LeaseWatch {
    lease: Duration,
    /// Each lease that runs, and when it was seen first as it is.
    seen: HashMap<JobId, (Lease, Duration)>,
    looked: Option<Duration>,
}

impl LeaseWatch {
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, seen: HashMap::new(), looked: None }
    }

    /// Those of the leases that run now which are over. `now` is the database's time, `at` this
    /// server's, which does not jump.
    pub(super) fn look(&mut self, leases: &[Lease], now: Timestamp, at: Duration) -> Vec<Lease> {
        // Nobody could renew, or nobody looked: what was seen before says nothing.
        if self.looked.is_some_and(|looked| at.saturating_sub(looked) > self.lease / 2) {
            self.seen.clear();
        }
        self.looked = Some(at);
        let before = std::mem::take(&mut self.seen);
        self.seen = leases
            .iter()
            .map(|lease| match before.get(&lease.job) {
                Some((same, since)) if same == lease => (lease.job, (*lease, *since)),
                _ => (lease.job, (*lease, at)),
            })
            .collect();
        let longest = now.plus(self.lease);
        let mut over: Vec<Lease> = self
            .seen
            .values()
            .filter(|(lease, since)| {
                // One that lies further ahead than a lease was written before the clock was set back.
                (lease.until <= now || lease.until > longest)
                    && at.saturating_sub(*since) >= self.lease
            })
            .map(|(lease, _)| *lease)
            .collect();
        over.sort_by_key(|lease| lease.job);
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(30);
    const HOUR: i64 = 3600;

    /// Looks at one lease second by second; what the database's clock says and until when the lease
    /// is, by the second. Answers the second at which it lapsed.
    fn lapses(seconds: u64, look: impl Fn(u64) -> Option<(i64, i64)>) -> Option<u64> {
        let job = JobId::new(Timestamp::from_millis(1));
        let mut watch = LeaseWatch::new(LEASE);
        (0..seconds).find(|second| {
            let Some((now, until)) = look(*second) else { return false };
            let until = Timestamp::from_millis(until * 1000);
            let leases = [Lease { job, attempt: 1, until }];
            let at = Duration::from_secs(*second);
            !watch.look(&leases, Timestamp::from_millis(now * 1000), at).is_empty()
        })
    }

    fn clock(second: u64) -> i64 {
        HOUR + i64::try_from(second).unwrap()
    }

    /// Renewed every ten seconds.
    fn renewed(second: u64) -> i64 {
        clock(second / 10 * 10) + 30
    }

    #[test]
    fn a_lease_lapses_when_it_was_not_renewed_and_only_then() {
        assert_eq!(lapses(300, |s| Some((clock(s), renewed(s)))), None);
        assert_eq!(lapses(300, |s| Some((clock(s), HOUR + 30))), Some(30));
        // Seen for the first time when it was over for long: this server has just started.
        assert_eq!(lapses(300, |s| Some((clock(s), 0))), Some(30));
    }

    #[test]
    fn a_clock_that_jumps_takes_nothing_from_agents_that_renew() {
        for jump in [HOUR, -HOUR] {
            let now = |s: u64| clock(s) + if s < 45 { 0 } else { jump };
            let renewed = |s: u64| now(s / 10 * 10) + 30;
            assert_eq!(lapses(300, |s| Some((now(s), renewed(s)))), None, "{jump}");
            // One that went silent before the jump lapses all the same, not an hour later.
            let lapsed = lapses(300, |s| Some((now(s), renewed(s.min(40)))));
            assert!(lapsed.is_some_and(|s| (60..=90).contains(&s)), "{jump}: {lapsed:?}");
        }
    }

    #[test]
    fn a_server_that_could_not_look_starts_anew() {
        // From second 40 on nobody could look or renew for a minute, then the agent is back.
        let away = 40..100;
        let look = |s: u64| (!away.contains(&s)).then_some(s);
        let until = |s: u64| if s < 40 { renewed(s) } else { renewed(39).max(renewed(s - 5)) };
        assert_eq!(lapses(300, |s| look(s).map(|s| (clock(s), until(s)))), None);
        let silent = |s: u64| renewed(s.min(39));
        let lapsed = lapses(300, |s| look(s).map(|s| (clock(s), silent(s))));
        assert_eq!(lapsed, Some(130));
    }
}
