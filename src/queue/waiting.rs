//! Why a job waits, in one sentence: what has to change first.

use std::collections::BTreeSet;

use super::{
    Queue, QueueError,
    turns::{Blocked, Counted, Load},
};
use crate::{
    model::{Label, ProjectName, Queued, StateName, Timestamp},
    protocol::JobKind,
    store::{AgentRow, AttemptRow, JobRow, ProjectRow, QueueRow, Tx},
};

/// Jobs that are before one are counted no further.
pub(super) const MOST_BEFORE: u32 = 1_000;

/// What the sentences are made from, read once for all jobs of an answer.
#[derive(Debug)]
pub(super) struct Waiting {
    now: Timestamp,
    /// The agents that were heard of lately.
    online: Vec<AgentRow>,
    queues: Vec<QueueRow>,
    load: Load,
    projects: Vec<ProjectRow>,
    /// Why this server gives out none.
    shortage: Option<String>,
    /// How many jobs of its lane are before the one that is asked for; nothing in lists.
    pub(super) before: u64,
}

impl Queue {
    /// What is known of why these jobs wait; of those that do not, nothing is asked.
    pub(super) async fn waiting(
        &self,
        tx: &mut Tx,
        jobs: &[JobRow],
    ) -> Result<Waiting, QueueError> {
        let now = self.store.clock_in(tx).await?.unwrap_or_else(|| self.clock.now());
        let mut waiting = Waiting {
            now,
            online: Vec::new(),
            queues: Vec::new(),
            load: Load::default(),
            projects: Vec::new(),
            shortage: self.settings.space.shortage(),
            before: 0,
        };
        let queued = || jobs.iter().filter(|row| row.state.name() == StateName::Queued);
        if queued().next().is_none() {
            return Ok(waiting);
        }
        waiting.online = self.store.agents_in(tx).await?;
        waiting.online.retain(|agent| now.since(agent.seen_at) <= self.settings.online);
        waiting.queues = self.store.queues(tx).await?;
        if waiting.queues.iter().any(QueueRow::has_limits) {
            waiting.load = Load::new(self.store.running_legs(tx).await?);
            if queued().any(|row| row.job.owner.project.is_some()) {
                waiting.projects = self.store.projects_in(tx).await?;
            }
        }
        Ok(waiting)
    }
}

impl Waiting {
    /// Why this job, which is queued, waits.
    pub(super) fn why(&self, row: &JobRow, queued: &Queued, newest: Option<&AttemptRow>) -> String {
        let (not_before, now) = (queued.not_before, self.now);
        if not_before > now {
            let seconds = not_before.since(now).as_secs() + 1;
            let before = newest.map(|attempt| attempt.message.as_str()).unwrap_or_default();
            return format!("tried again in {seconds} s, after: {before}");
        }
        if let Some(shortage) = &self.shortage {
            return format!("the server gives out no jobs: {shortage}");
        }
        let queue = self.queues.iter().find(|queue| queue.name == row.job.queue);
        let owner = &row.job.owner;
        let blocked = queue
            .filter(|_| row.job.kind == JobKind::Leg)
            .and_then(|queue| self.load.blocked(queue, &owner.share, &owner.created_by));
        if let Some(Blocked::Paused(pause)) = &blocked {
            return match pause.reason.as_str() {
                "" => format!("queue {} is paused", row.job.queue),
                reason => format!("queue {} is paused: {reason}", row.job.queue),
            };
        }
        if let Some(sentence) = self.no_agent(row, queue) {
            return sentence;
        }
        let sentence = match blocked {
            Some(Blocked::Full { of, running, limit }) => {
                let place = format!("{running} of {limit} running in queue {}", row.job.queue);
                match of {
                    Counted::All => place,
                    Counted::Project => format!("{} has {place}", self.share(row)),
                    Counted::User => format!("{} has {place}", user(&owner.created_by)),
                }
            }
            _ => "waits for a free worker".to_owned(),
        };
        match self.before {
            0 => sentence,
            1 => format!("{sentence}; 1 job of the same project is before it"),
            many if many >= u64::from(MOST_BEFORE) => {
                format!("{sentence}; {many} or more jobs of the same project are before it")
            }
            many => format!("{sentence}; {many} jobs of the same project are before it"),
        }
    }

    /// That no agent could take it, now or at all, and why.
    fn no_agent(&self, row: &JobRow, queue: Option<&QueueRow>) -> Option<String> {
        if self.online.is_empty() {
            let sentence = "no agent is connected: start one with `kiln agent`, or `kiln serve` without \
                            --no-agent";
            return Some(sentence.to_owned());
        }
        // What each question leaves over; the first that leaves nobody is the reason.
        let has_toolchain = |agent: &&AgentRow| match &row.job.toolchain {
            Some(name) => agent.status.toolchains.iter().any(|have| have.name == *name),
            None => true,
        };
        let fitting: Vec<_> = self.online.iter().filter(has_toolchain).collect();
        if let (Some(name), true) = (&row.job.toolchain, fitting.is_empty()) {
            return Some(format!(
                "no agent has the toolchain {name}: run `kiln images build {name}` on an agent's \
                 machine"
            ));
        }
        let of_queue = queue.into_iter().flat_map(|queue| &queue.rules.requires);
        let requires: BTreeSet<&Label> = row.job.requires().into_iter().chain(of_queue).collect();
        let has_labels = |agent: &&AgentRow| {
            let labels = agent.labels();
            requires.iter().all(|label| labels.contains(*label))
        };
        let fitting: Vec<_> = fitting.into_iter().filter(has_labels).collect();
        if fitting.is_empty() && !requires.is_empty() {
            let names: Vec<&str> = requires.iter().map(|label| label.as_str()).collect();
            return Some(format!(
                "no agent that could take it has the labels it requires: {}",
                names.join(", ")
            ));
        }
        let memory = row.job.memory_bytes();
        let has_memory = |agent: &&AgentRow| {
            agent.status.memory_bytes == 0 || agent.status.memory_bytes >= memory
        };
        let fitting: Vec<_> = fitting.into_iter().filter(has_memory).collect();
        if fitting.is_empty() && memory > 0 {
            return Some(format!("no agent that could take it has {} MiB of memory", memory >> 20));
        }
        match fitting.iter().find_map(|agent| agent.hold.as_ref()) {
            Some(hold) if fitting.iter().all(|agent| agent.hold.is_some()) => {
                Some(format!("every agent that could take it is held: {}", hold.reason))
            }
            _ => {
                // Each for a reason of its own: one of them is said.
                let is_out = |agent: &&&AgentRow| agent.hold.is_none();
                let mut takers = fitting.iter().filter(is_out).peekable();
                takers.peek()?;
                let reasons =
                    takers.map(|agent| agent.status.paused.as_ref().map(|why| (agent, why)));
                let reasons: Option<Vec<_>> = reasons.collect();
                let (agent, why) = reasons?.into_iter().next()?;
                Some(format!("the agent {} takes no jobs: {why}", agent.name))
            }
        }
    }

    /// Whose share a job takes, for people.
    fn share(&self, row: &JobRow) -> String {
        let owner = &row.job.owner;
        let project = self.projects.iter().find(|project| Some(project.id) == owner.project);
        let name = project.map(|project| &project.name).map(ProjectName::as_str);
        match (name, owner.share.strip_prefix("url:")) {
            (Some(name), _) => format!("project {name}"),
            (None, Some(url)) => format!("repository {url}"),
            (None, None) => user(&owner.share).to_owned(),
        }
    }
}

/// Who sent a build, for people.
fn user(key: &str) -> &str {
    match key {
        "local" => "the administrator",
        key => key.strip_prefix("user:").unwrap_or(key),
    }
}
