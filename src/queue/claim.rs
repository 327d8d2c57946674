//! Giving jobs to agents: one claim, one job, and the same job again for the same claim.

use tokio::time::{Duration, Instant, timeout_at};

use super::{Queue, QueueError, take::Taker};
use crate::{
    meters,
    model::{AgentId, JobState, Recipe, Revision},
    protocol::{
        BuildSource, ClaimRequest, Claimed, ClaimedGit, ClaimedLogin, ClaimedSource, ClaimedUpload,
        GitSource, JobKind, Work, unsupported_protocol,
    },
    store::{AgentRow, BuildRow, Fit, JobRow, StoreError},
};

/// The most labels of an agent: those of its settings and those that kiln adds.
const MAX_LABELS: usize = 64;

/// How often a waiting claim looks even if nothing woke it: jobs whose delay is over wake nobody.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Queue {
    /// A job for this agent; waits for one as long as the request says, within bounds.
    pub async fn claim(
        &self,
        agent: AgentId,
        request: &ClaimRequest,
    ) -> Result<Option<Claimed>, QueueError> {
        let mut changes = self.changes();
        let wait = Duration::from_millis(request.wait_ms).min(self.settings.longest_wait);
        let deadline = Instant::now() + wait;
        self.hear(agent, request).await?;
        loop {
            match self.try_claim(agent, request).await {
                Ok(None) => {}
                // Somebody else was faster; there may be more.
                Err(QueueError::Taken) => continue,
                claimed => return claimed,
            }
            let next_look = deadline.min(Instant::now() + LOOK_AGAIN);
            // Either something changed or it is time to look anyway.
            let _ = timeout_at(next_look, changes.changed()).await;
            if Instant::now() >= deadline {
                meters::claimed(None);
                return Ok(None);
            }
        }
    }

    /// Notes what an agent says of itself. Of two processes with one token, the one that began later
    /// is the agent.
    async fn hear(&self, agent: AgentId, request: &ClaimRequest) -> Result<(), QueueError> {
        if let Some(sentence) = unsupported_protocol(request.protocol) {
            return Err(QueueError::Protocol(sentence));
        }
        if request.status.labels.len() > MAX_LABELS {
            return Err(QueueError::Invalid(format!("an agent has at most {MAX_LABELS} labels")));
        }
        let mut change = self.change().await?;
        let (tx, now) = (&mut change.tx, change.now);
        if request.begins {
            self.store.set_agent_process(tx, agent, &request.process).await?;
        } else if let Some(row) = self.store.lock_agent(tx, agent).await? {
            // What the other one says of itself stays.
            check_process(&row, request)?;
        }
        self.store.set_agent_status(tx, agent, &request.status, now).await?;
        // No news that anybody waits for.
        change.tx.commit().await?;
        Ok(())
    }

    /// What the agent can take now; nothing if it is to take nothing.
    async fn taker<'r>(
        &self,
        agent: AgentId,
        request: &'r ClaimRequest,
    ) -> Result<Option<Taker<'r>>, QueueError> {
        let row = self.store.agent(agent).await?;
        let row = row.ok_or_else(|| QueueError::not_found("agent", agent))?;
        check_process(&row, request)?;
        let is_full = self.settings.space.shortage().is_some();
        if row.hold.is_some() || request.status.paused.is_some() || is_full {
            return Ok(None);
        }
        let labels = row.labels();
        let mut requires = self.store.required_labels().await?;
        requires.retain(|list| list.iter().all(|label| labels.contains(label)));
        let fit = Fit {
            toolchains: request.status.toolchains.iter().map(|have| have.name.clone()).collect(),
            requires,
            // An engine that does not say is tried.
            memory_bytes: match request.status.memory_bytes {
                0 => u64::MAX,
                bytes => request.status.free_memory_bytes.unwrap_or(bytes),
            },
        };
        Ok(Some(Taker { agent, request, fit, labels }))
    }

    async fn try_claim(
        &self,
        agent: AgentId,
        request: &ClaimRequest,
    ) -> Result<Option<Claimed>, QueueError> {
        if let Some(claimed) = self.claimed_before(agent, request).await? {
            return Ok(Some(claimed));
        }
        let Some(taker) = self.taker(agent, request).await? else { return Ok(None) };
        match self.take(&taker).await? {
            // The same claim, asked twice at one time, may have taken the last one between the looks.
            None => self.claimed_before(agent, request).await,
            taken => Ok(taken),
        }
    }

    /// The job this claim has got before, with a new lease.
    async fn claimed_before(
        &self,
        agent: AgentId,
        request: &ClaimRequest,
    ) -> Result<Option<Claimed>, QueueError> {
        if !self.store.is_claimed(agent, request.claim).await? {
            return Ok(None);
        }
        let mut change = self.change().await?;
        let found = self.store.job_of_claim(&mut change.tx, agent, request.claim).await?;
        let Some(mut row) = found else { return Ok(None) };
        let fence = (super::change::attempts(&row.state), agent);
        let running = row.state.renew(fence, change.now, self.settings.lease)?;
        row.state = JobState::Running(running);
        self.store.set_job_state(&mut change.tx, row.job.id, &row.state).await?;
        let claimed = self.claimed_of(&mut change, &row).await?;
        change.tx.commit().await?;
        Ok(Some(claimed))
    }

    pub(super) async fn claimed_of(
        &self,
        change: &mut super::change::Change<'_>,
        row: &JobRow,
    ) -> Result<Claimed, QueueError> {
        let id = row.job.build;
        let build = self.store.build_in(&mut change.tx, id).await?;
        let build = build.ok_or_else(|| QueueError::not_found("build", id))?;
        let work = match (row.job.kind, &row.job.toolchain) {
            (JobKind::Leg, Some(toolchain)) => Work::Leg {
                toolchain: toolchain.clone(),
                recipe: Box::new(without_requires(&row.job.recipe)),
                limits: row.job.limits.clone(),
            },
            _ => Work::Plan { submission: Box::new(without_requires(&build.submission)) },
        };
        let secrets = self.secrets_for(change, (row, &build)).await?;
        let cache = self.cache_for(change, (row, &build)).await?;
        let login = self.login_for(change, &build).await?;
        Ok(Claimed {
            secrets,
            cache,
            job: row.job.id,
            build: id,
            attempt: super::change::attempts(&row.state),
            lease_ms: millis(self.settings.lease),
            source: claimed_source(build, login)?,
            work,
        })
    }
}

/// Refuses a process whose place another has taken.
pub(super) fn check_process(row: &AgentRow, request: &ClaimRequest) -> Result<(), QueueError> {
    if request.process.is_empty() || row.process == request.process {
        return Ok(());
    }
    Err(QueueError::Replaced)
}

/// The recipe as an agent gets it: who takes the job, and what it gets of a cache, was the server's
/// question, and agents of the release before do not know it.
fn without_requires(recipe: &Recipe) -> Recipe {
    Recipe { requires: Vec::new(), cache: None, ..recipe.clone() }
}

/// Where an agent finds the source of a build.
fn claimed_source(
    build: BuildRow,
    login: Option<ClaimedLogin>,
) -> Result<ClaimedSource, QueueError> {
    match (build.source, build.commit) {
        (BuildSource::Git(git), Revision::Commit(commit)) => {
            let GitSource { url, reference } = git;
            Ok(ClaimedSource::Git(ClaimedGit { url, reference, commit, login }))
        }
        (BuildSource::Upload(upload), Revision::Tree(digest)) => {
            Ok(ClaimedSource::Upload(ClaimedUpload { digest, base: upload.base }))
        }
        (_, revision) => {
            let problem = format!("its source has no revision {revision}");
            Err(StoreError::inconsistent("builds", &build.id.to_string(), &problem).into())
        }
    }
}

/// A duration as the wire has it.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
