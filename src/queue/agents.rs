//! Agents as the administrator sees them: who is there, and who takes jobs.

use sha2::{Digest as _, Sha256};

use super::{Queue, QueueError};
use crate::{
    model::{AgentId, Timestamp},
    protocol::{AgentHold, AgentStatus, AgentView, EventKind, HoldKind},
    store::AgentRow,
};

/// The longest reason that is kept.
const MAX_REASON: usize = 500;

impl Queue {
    /// Every agent.
    pub async fn agents(&self) -> Result<Vec<AgentView>, QueueError> {
        let mut views = Vec::new();
        for row in self.store.agents().await? {
            views.push(self.agent_view(row).await?);
        }
        Ok(views)
    }

    /// One agent.
    pub async fn agent(&self, id: AgentId) -> Result<AgentView, QueueError> {
        let row = self.store.agent(id).await?;
        self.agent_view(row.ok_or_else(|| QueueError::not_found("agent", id))?).await
    }

    /// Has an agent take no more jobs; what it runs goes on. Saying it again changes the reason.
    pub async fn hold_agent(
        &self,
        id: AgentId,
        kind: HoldKind,
        (reason, by): (&str, &str),
    ) -> Result<AgentView, QueueError> {
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
        let mut change = self.change().await?;
        let hold = AgentHold { kind, reason, since: change.now, by: by.to_owned() };
        self.set_hold(&mut change, id, Some(&hold)).await?;
        change.commit().await?;
        tracing::info!(agent.id = %id, "agent takes no more jobs: {}", hold.reason);
        self.agent(id).await
    }

    /// Has an agent take jobs again.
    pub async fn resume_agent(&self, id: AgentId) -> Result<AgentView, QueueError> {
        let mut change = self.change().await?;
        self.set_hold(&mut change, id, None).await?;
        change.commit().await?;
        self.agent(id).await
    }

    /// Forgets an agent: its token counts no more. One that has jobs only if they may be lost: their
    /// leases lapse, and they are tried again elsewhere.
    pub async fn remove_agent(&self, id: AgentId, even_busy: bool) -> Result<(), QueueError> {
        let mut change = self.change().await?;
        // Nothing is claimed between the look and the end.
        self.store.lock_agent(&mut change.tx, id).await?;
        let view = self.agent(id).await?;
        if !even_busy && !view.jobs.is_empty() {
            let sentence = format!(
                "the agent {} runs {} jobs: drain it first, or remove it with force and have them \
                 tried again elsewhere",
                view.name,
                view.jobs.len()
            );
            return Err(QueueError::Conflict(sentence));
        }
        self.store.remove_agent(&mut change.tx, id).await?;
        change.tell(EventKind::Agent { agent: id });
        change.commit().await?;
        tracing::info!(agent.id = %id, agent.name = %view.name, "agent removed");
        Ok(())
    }

    async fn set_hold(
        &self,
        change: &mut super::change::Change<'_>,
        id: AgentId,
        hold: Option<&AgentHold>,
    ) -> Result<(), QueueError> {
        if self.store.set_agent_hold(&mut change.tx, id, hold).await? {
            Ok(())
        } else {
            Err(QueueError::not_found("agent", id))
        }
    }

    /// Tells followers of the agents that are not as they were told of last: who came, who went
    /// silent, who was held or has other images. Of several servers, one tells.
    pub(super) async fn tell_of_agents(&self) -> Result<(), QueueError> {
        let now = self.now().await?;
        for row in self.store.agents().await? {
            let told = digest(&row, self.is_online(&row, now));
            if told == row.told {
                continue;
            }
            let mut change = self.change().await?;
            if self.store.set_agent_told(&mut change.tx, row.id, &told).await? {
                change.tell(EventKind::Agent { agent: row.id });
                change.commit().await?;
            }
        }
        Ok(())
    }

    fn is_online(&self, row: &AgentRow, now: Timestamp) -> bool {
        now.since(row.seen_at) <= self.settings.online
    }

    async fn agent_view(&self, row: AgentRow) -> Result<AgentView, QueueError> {
        let now = self.now().await?;
        Ok(AgentView {
            jobs: self.store.jobs_of_agent(row.id).await?,
            id: row.id,
            online: self.is_online(&row, now),
            labels: row.labels(),
            name: row.name,
            seen_at: row.seen_at,
            hold: row.hold,
            status: row.status,
        })
    }
}

/// What tells an agent from how it was, but for what changes with every job and every moment.
fn digest(row: &AgentRow, is_online: bool) -> String {
    let lasting = AgentStatus {
        busy: 0,
        free_memory_bytes: None,
        clock_skew_seconds: None,
        ..row.status.clone()
    };
    let all = (is_online, &row.name, &row.hold, row.labels(), lasting);
    let text = serde_json::to_vec(&all).expect("an agent serializes");
    hex::encode(Sha256::digest(text))
}
