//! The state of a job and its transitions: claim, renew, finish, lapse, cancel, expire.
//!
//! Each state holds just its own data; a transition consumes the state and gives the next one or
//! says why not. Every write by an agent carries its fence (attempt and agent) and lands only while
//! that attempt runs, so a job may start twice but can finish only once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AgentId, Cause, ClaimId, Outcome, Timestamp};

/// How often a job is started before an error is final.
pub const MAX_ATTEMPTS: u32 = 3;

/// How long the next attempt waits after the first error; it doubles with each further one. Long
/// enough for an engine or a network to come back, short enough not to be noticed.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// The state of a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobState {
    /// It waits for an agent.
    Queued(Queued),
    /// An agent has it.
    Running(Running),
    /// It ended.
    Finished(Finished),
}

/// A job that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Queued {
    /// Attempts that were made before.
    pub attempts: u32,
    /// Since when it waits.
    pub since: Timestamp,
    /// It is not given out before this time.
    pub not_before: Timestamp,
}

/// A job that an agent has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Running {
    /// The attempt's number, agent and claim: the fence of every message.
    pub attempt: Attempt,
    /// When it was claimed.
    pub started_at: Timestamp,
    /// The agent loses it after this time unless it renews.
    pub lease_until: Timestamp,
    /// Set once somebody asked for it to end.
    pub cancel: Option<CancelReason>,
}

/// Which attempt, and whose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u32,
    /// The agent that made the claim.
    pub agent: AgentId,
    /// The claim it came from.
    pub claim: ClaimId,
}

/// A job that ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    /// Attempts that were made.
    pub attempts: u32,
    /// How it ended.
    pub verdict: Verdict,
    /// One sentence for people, empty for a plain success.
    pub message: String,
    /// When it was claimed for the last time, if it ever was.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
}

/// How an attempt or a job ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "cause")]
pub enum Verdict {
    /// It built.
    Success,
    /// It did not, for this reason.
    Failed(Cause),
}

impl Verdict {
    /// The outcome this verdict means.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Success => Outcome::Success,
            Self::Failed(cause) => cause.outcome(),
        }
    }

    /// The cause of a verdict other than success.
    pub const fn cause(self) -> Option<Cause> {
        match self {
            Self::Success => None,
            Self::Failed(cause) => Some(cause),
        }
    }
}

/// Why a job is to end early.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// A person asked.
    Requested,
    /// A newer commit took its place.
    Superseded,
}

impl CancelReason {
    /// The cause of a job that ended because of it.
    pub const fn cause(self) -> Cause {
        match self {
            Self::Requested => Cause::Cancelled,
            Self::Superseded => Cause::Superseded,
        }
    }

    /// The sentence of a job that ended because of it.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Requested => "cancelled on request",
            Self::Superseded => "superseded by a newer commit",
        }
    }
}

/// A state's name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// Waits for an agent.
    Queued,
    /// An agent has it.
    Running,
    /// Ended.
    Finished,
}

impl StateName {
    /// The state as it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finished => "finished",
        }
    }
}

/// A transition that is not possible now.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TransitionError {
    /// The job is in another state.
    #[error("the job is {}, so it cannot be {action}", .state.as_str())]
    WrongState {
        /// The state it is in.
        state: StateName,
        /// What was tried.
        action: &'static str,
    },
    /// Another attempt, agent or claim has the job now.
    #[error("attempt {given} no longer has this job: attempt {current} does; drop the work")]
    Fenced {
        /// The attempt the message came from.
        given: u32,
        /// The attempt that runs.
        current: u32,
    },
    /// It is too early.
    #[error("not before {0}")]
    TooEarly(Timestamp),
}

impl JobState {
    /// A new job.
    pub const fn new(now: Timestamp) -> Self {
        Self::Queued(Queued { attempts: 0, since: now, not_before: now })
    }

    /// The state's name.
    pub const fn name(&self) -> StateName {
        match self {
            Self::Queued(_) => StateName::Queued,
            Self::Running(_) => StateName::Running,
            Self::Finished(_) => StateName::Finished,
        }
    }

    /// Gives the job to an agent for `lease`.
    pub fn claim(
        self,
        agent: AgentId,
        claim: ClaimId,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Running, TransitionError> {
        match self {
            Self::Queued(queued) if queued.not_before > now => {
                Err(TransitionError::TooEarly(queued.not_before))
            }
            Self::Queued(queued) => Ok(Running {
                attempt: Attempt { number: queued.attempts + 1, agent, claim },
                started_at: now,
                lease_until: now.plus(lease),
                cancel: None,
            }),
            other => Err(other.wrong("claimed")),
        }
    }

    /// Extends the lease; the answer tells the agent whether it is to stop.
    pub fn renew(
        self,
        fence: (u32, AgentId),
        now: Timestamp,
        lease: Duration,
    ) -> Result<Running, TransitionError> {
        let running = self.fenced(fence, "renewed")?;
        Ok(Running { lease_until: now.plus(lease), ..running })
    }

    /// Ends the attempt. An error is queued again while attempts remain, unless it was cancelled.
    pub fn finish(
        self,
        fence: (u32, AgentId),
        verdict: Verdict,
        message: String,
        now: Timestamp,
    ) -> Result<Self, TransitionError> {
        Ok(self.fenced(fence, "finished")?.ended(verdict, message, now))
    }

    /// Takes the job from an agent whose lease is over.
    pub fn lapse(self, now: Timestamp) -> Result<Self, TransitionError> {
        match self {
            Self::Running(running) if running.lease_until > now => {
                Err(TransitionError::TooEarly(running.lease_until))
            }
            Self::Running(running) => {
                let message = "the agent that had this job went silent".to_owned();
                Ok(running.ended(Verdict::Failed(Cause::AgentLost), message, now))
            }
            other => Err(other.wrong("taken from its agent")),
        }
    }

    /// Asks for the job to end. A finished job stays as it is: cancelling twice is not an error.
    #[must_use]
    pub fn cancel(self, reason: CancelReason, now: Timestamp) -> Self {
        match self {
            Self::Queued(queued) => Self::Finished(Finished {
                attempts: queued.attempts,
                verdict: Verdict::Failed(reason.cause()),
                message: reason.message().to_owned(),
                started_at: None,
                finished_at: now,
            }),
            Self::Running(running) => {
                Self::Running(Running { cancel: running.cancel.or(Some(reason)), ..running })
            }
            finished @ Self::Finished(_) => finished,
        }
    }

    /// Ends a job that waited for longer than `most`.
    pub fn expire(self, now: Timestamp, most: Duration) -> Result<Self, TransitionError> {
        match self {
            Self::Queued(queued) if now.since(queued.since) < most => {
                Err(TransitionError::TooEarly(queued.since.plus(most)))
            }
            Self::Queued(queued) => Ok(Self::Finished(Finished {
                attempts: queued.attempts,
                verdict: Verdict::Failed(Cause::QueueTime),
                message: format!("no agent took it within {} s", most.as_secs()),
                started_at: None,
                finished_at: now,
            })),
            other => Err(other.wrong("expired")),
        }
    }

    fn wrong(&self, action: &'static str) -> TransitionError {
        TransitionError::WrongState { state: self.name(), action }
    }

    /// The running state, if this message comes from the attempt that has it.
    fn fenced(
        self,
        (number, agent): (u32, AgentId),
        action: &'static str,
    ) -> Result<Running, TransitionError> {
        match self {
            Self::Running(running)
                if running.attempt.number == number && running.attempt.agent == agent =>
            {
                Ok(running)
            }
            Self::Running(running) => {
                Err(TransitionError::Fenced { given: number, current: running.attempt.number })
            }
            other => Err(other.wrong(action)),
        }
    }
}

impl Running {
    fn ended(self, verdict: Verdict, message: String, now: Timestamp) -> JobState {
        let attempts = self.attempt.number;
        let failed_on_our_side = verdict.cause().is_some_and(Cause::is_retried);
        let (verdict, message) = match self.cancel {
            // An agent only knows that it was to stop, not why.
            Some(reason) if failed_on_our_side || verdict == Verdict::Failed(Cause::Cancelled) => {
                (Verdict::Failed(reason.cause()), reason.message().to_owned())
            }
            _ if failed_on_our_side && attempts < MAX_ATTEMPTS => {
                let delay = RETRY_DELAY * 2_u32.pow(attempts - 1);
                return JobState::Queued(Queued {
                    attempts,
                    since: now,
                    not_before: now.plus(delay),
                });
            }
            _ => (verdict, message),
        };
        JobState::Finished(Finished {
            attempts,
            verdict,
            message,
            started_at: Some(self.started_at),
            finished_at: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn agent(n: i64) -> AgentId {
        // Ids differ by their time part; the random part keeps them apart in any case.
        AgentId::new(at(n))
    }

    fn queued() -> JobState {
        JobState::new(at(0))
    }

    fn running(by: AgentId) -> JobState {
        let claim = ClaimId::new(at(0));
        JobState::Running(queued().claim(by, claim, at(1), LEASE).unwrap())
    }

    fn finished(by: AgentId) -> JobState {
        running(by).finish((1, by), Verdict::Success, String::new(), at(2)).unwrap()
    }

    #[test]
    fn every_transition_from_every_state() {
        let me = agent(1);
        let ok = |result: Result<StateName, TransitionError>| result;
        // State, then what claim, renew, finish, lapse (late), cancel and expire (late) give.
        let table: [(JobState, [Option<StateName>; 6]); 3] = {
            use StateName::{Finished as F, Queued as Q, Running as R};
            [
                (queued(), [Some(R), None, None, None, Some(F), Some(F)]),
                (running(me), [None, Some(R), Some(F), Some(Q), Some(R), None]),
                (finished(me), [None, None, None, None, Some(F), None]),
            ]
        };
        for (state, expected) in table {
            let claim = ClaimId::new(at(0));
            let s = || state.clone();
            let now = at(1_000);
            let got = [
                ok(s().claim(me, claim, now, LEASE).map(|_| StateName::Running)),
                ok(s().renew((1, me), now, LEASE).map(|_| StateName::Running)),
                ok(s().finish((1, me), Verdict::Success, String::new(), now).map(|n| n.name())),
                ok(s().lapse(now).map(|next| next.name())),
                ok(Ok(s().cancel(CancelReason::Requested, now).name())),
                ok(s().expire(now, LEASE).map(|next| next.name())),
            ];
            assert_eq!(got.map(Result::ok), expected, "{state:?}");
        }
    }

    #[test]
    fn a_stale_attempt_or_another_agent_is_fenced() {
        let (me, other) = (agent(1), agent(2));
        for fence in [(0, me), (2, me), (1, other)] {
            let renewed = running(me).renew(fence, at(2), LEASE);
            let ended = running(me).finish(fence, Verdict::Success, String::new(), at(2));
            assert!(matches!(renewed, Err(TransitionError::Fenced { current: 1, .. })));
            assert!(matches!(ended, Err(TransitionError::Fenced { current: 1, .. })));
        }
    }

    #[test]
    fn errors_are_tried_three_times_with_growing_delays() {
        let me = agent(1);
        let mut state = queued();
        let mut delays = Vec::new();
        for number in 1..=MAX_ATTEMPTS {
            let claimed = state.claim(me, ClaimId::new(at(0)), at(1_000), LEASE).unwrap();
            let engine = Verdict::Failed(Cause::Engine);
            state = JobState::Running(claimed)
                .finish((number, me), engine, "the engine died".into(), at(0))
                .unwrap();
            if let JobState::Queued(queued) = &state {
                delays.push(queued.not_before.since(at(0)).as_secs());
            }
        }
        assert_eq!(delays, [5, 10]);
        let JobState::Finished(end) = state else { panic!("{state:?}") };
        assert_eq!((end.verdict, end.attempts), (Verdict::Failed(Cause::Engine), 3));
    }

    #[test]
    fn a_job_waits_out_its_delay() {
        let me = agent(1);
        let state = running(me)
            .finish((1, me), Verdict::Failed(Cause::Image), String::new(), at(10))
            .unwrap();
        let early = state.clone().claim(me, ClaimId::new(at(0)), at(11), LEASE);
        assert_eq!(early, Err(TransitionError::TooEarly(at(15))));
        let claimed = state.claim(me, ClaimId::new(at(0)), at(15), LEASE).unwrap();
        assert_eq!(claimed.attempt.number, 2);
    }

    #[test]
    fn a_cancelled_job_is_not_tried_again_but_may_still_succeed() {
        let me = agent(1);
        let asked = || running(me).cancel(CancelReason::Superseded, at(2));
        let verdict = |state| match state {
            JobState::Finished(end) => end.verdict,
            other => panic!("{other:?}"),
        };
        let lapsed = asked().lapse(at(1_000)).unwrap();
        assert_eq!(verdict(lapsed), Verdict::Failed(Cause::Superseded));
        let error = Verdict::Failed(Cause::Engine);
        let broken = asked().finish((1, me), error, String::new(), at(3)).unwrap();
        assert_eq!(verdict(broken), Verdict::Failed(Cause::Superseded));
        let done = asked().finish((1, me), Verdict::Success, String::new(), at(3)).unwrap();
        assert_eq!(verdict(done), Verdict::Success);
    }

    #[test]
    fn a_lease_that_was_renewed_does_not_lapse() {
        let me = agent(1);
        let renewed = running(me).renew((1, me), at(20), LEASE).unwrap();
        assert_eq!(
            JobState::Running(renewed).lapse(at(49)),
            Err(TransitionError::TooEarly(at(50)))
        );
    }

    proptest! {
        /// Whatever is tried in whatever order: no panic, attempts never exceed the bound, and a
        /// finished job never changes again.
        #[test]
        fn any_sequence_keeps_the_invariants(actions in proptest::collection::vec(0..6_u8, 0..60)) {
            let me = agent(1);
            let mut state = queued();
            let mut seconds = 0;
            for action in actions {
                seconds += 40;
                let now = at(seconds);
                let before = state.clone();
                let number = match &state {
                    JobState::Running(running) => running.attempt.number,
                    _ => 1,
                };
                let s = state.clone();
                let next = match action {
                    0 => s.claim(me, ClaimId::new(now), now, LEASE).map(JobState::Running),
                    1 => s.renew((number, me), now, LEASE).map(JobState::Running),
                    2 => s.finish((number, me), Verdict::Failed(Cause::Store), String::new(), now),
                    3 => s.lapse(now),
                    4 => Ok(s.cancel(CancelReason::Requested, now)),
                    _ => s.expire(now, Duration::from_secs(100)),
                };
                state = next.unwrap_or(state);
                if let JobState::Finished(_) = before {
                    prop_assert_eq!(&before, &state);
                }
                let attempts = match &state {
                    JobState::Queued(queued) => queued.attempts,
                    JobState::Running(running) => running.attempt.number,
                    JobState::Finished(finished) => finished.attempts,
                };
                prop_assert!(attempts <= MAX_ATTEMPTS);
            }
        }
    }
}
