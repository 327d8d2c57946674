//! Names and labels: how a container or volume says which attempt it belongs to.
//!
//! The name makes a second start of one attempt fail at once; the labels are what a sweep goes by.
//! A sweep matches our instance first, because labels of an image leak into its containers.

use std::collections::HashMap;

use crate::{
    model::{JobId, Timestamp},
    sandbox::{ImageId, SessionSpec},
};

const INSTANCE: &str = "kiln.instance";
const AGENT: &str = "kiln.agent";
const JOB: &str = "kiln.job";
const ATTEMPT: &str = "kiln.attempt";
const DEADLINE: &str = "kiln.deadline";

/// Whose sandboxes these are, and the image that holds their workspaces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The installation: what an agent may sweep at all.
    pub instance: String,
    /// The agent: what it may sweep before its deadline.
    pub agent: String,
    /// kiln's own base image, pinned; the holder runs in it.
    pub holder: ImageId,
}

/// Which attempt: the key of everything a session makes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    pub(super) job: JobId,
    pub(super) attempt: u32,
}

impl Key {
    pub(super) fn of(spec: &SessionSpec) -> Self {
        Self { job: spec.job, attempt: spec.attempt }
    }

    pub(super) fn holder(self) -> String {
        self.name("h")
    }

    pub(super) fn build(self) -> String {
        self.name("b")
    }

    pub(super) fn volume(self) -> String {
        self.name("ws")
    }

    fn name(self, part: &str) -> String {
        format!("kiln-{}-{}-{part}", self.job, self.attempt)
    }
}

/// The labels of everything that a session makes.
pub(super) fn labels(identity: &Identity, spec: &SessionSpec) -> HashMap<String, String> {
    HashMap::from([
        (INSTANCE.to_owned(), identity.instance.clone()),
        (AGENT.to_owned(), identity.agent.clone()),
        (JOB.to_owned(), spec.job.to_string()),
        (ATTEMPT.to_owned(), spec.attempt.to_string()),
        (DEADLINE.to_owned(), spec.deadline.to_string()),
    ])
}

/// The engine's filter for everything of this instance.
pub(super) fn filter(identity: &Identity) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{INSTANCE}={}", identity.instance)])])
}

/// Whether what carries `labels` may be removed: ours once no attempt needs it, anybody's of this
/// instance once its deadline is over. What is alive stays whatever the clock says: a clock that is
/// set forward ends no build.
pub(super) fn is_left_over(
    labels: &HashMap<String, String>,
    identity: &Identity,
    now: Timestamp,
    is_alive: impl Fn(&Key) -> bool,
) -> bool {
    let get = |name: &str| labels.get(name).map(String::as_str);
    if get(INSTANCE) != Some(identity.instance.as_str()) {
        return false;
    }
    let expired = get(DEADLINE)
        .and_then(|text| text.parse::<Timestamp>().ok())
        .is_some_and(|deadline| deadline < now);
    let alive = get(JOB)
        .and_then(|job| job.parse().ok())
        .zip(get(ATTEMPT).and_then(|attempt| attempt.parse().ok()))
        .is_some_and(|(job, attempt)| is_alive(&Key { job, attempt }));
    !alive && (expired || get(AGENT) == Some(identity.agent.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_takes_what_nobody_needs_and_nothing_foreign() {
        let identity = |instance: &str, agent: &str| Identity {
            instance: instance.into(),
            agent: agent.into(),
            holder: ImageId(String::new()),
        };
        let us = identity("here", "a");
        let now = Timestamp::from_millis(1_000_000);
        let [early, late] = [999_999, 1_000_001].map(Timestamp::from_millis);
        let key = Key { job: JobId::new(now), attempt: 2 };
        for (owner, attempt, deadline, expected) in [
            (identity("here", "a"), 2, late, false),
            (identity("here", "a"), 1, late, true),
            (identity("here", "a"), 2, early, false),
            (identity("here", "a"), 1, early, true),
            (identity("here", "b"), 1, late, false),
            (identity("here", "b"), 1, early, true),
            (identity("there", "a"), 1, early, false),
        ] {
            let labels = HashMap::from([
                (INSTANCE.to_owned(), owner.instance.clone()),
                (AGENT.to_owned(), owner.agent.clone()),
                (JOB.to_owned(), key.job.to_string()),
                (ATTEMPT.to_owned(), attempt.to_string()),
                (DEADLINE.to_owned(), deadline.to_string()),
            ]);
            let found = is_left_over(&labels, &us, now, |&other| other == key);
            assert_eq!(found, expected, "{labels:?}");
        }
        let broken = HashMap::from([
            (INSTANCE.to_owned(), "here".to_owned()),
            (AGENT.to_owned(), "a".to_owned()),
            (JOB.to_owned(), "?".to_owned()),
        ]);
        assert!(is_left_over(&broken, &us, now, |_| true), "unreadable labels of ours are swept");
    }
}
