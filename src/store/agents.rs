//! Agents: who they are, the hash of their token, and what they last said of themselves.

use std::collections::BTreeSet;

use sqlx::FromRow;

use super::{
    Store, StoreError, Tx,
    error::{column, json, to_json},
    sql::sql,
};
use crate::{
    model::{AgentId, Label, Timestamp},
    protocol::{AgentHold, AgentStatus},
};

/// An agent as it is stored.
#[derive(Clone, Debug)]
pub struct AgentRow {
    /// Its id.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// When it was last heard of.
    pub seen_at: Timestamp,
    /// What it last said of itself.
    pub status: AgentStatus,
    /// The labels that its enrollment gave it.
    pub enrolled: BTreeSet<Label>,
    /// Why it takes no jobs; nothing if it does.
    pub hold: Option<AgentHold>,
    /// The process that is this agent.
    pub process: String,
    /// A digest of what followers were told of it last; empty for nothing.
    pub told: String,
}

impl AgentRow {
    /// All its labels. What it was given counts before what it says.
    pub fn labels(&self) -> BTreeSet<Label> {
        let given = |label: &&Label| !self.enrolled.iter().any(|it| it.key() == label.key());
        self.status.labels.iter().filter(given).chain(&self.enrolled).cloned().collect()
    }
}

/// An agent that registers.
#[derive(Debug)]
pub struct NewAgent<'a> {
    /// Its name.
    pub name: &'a str,
    /// The hash of its own token.
    pub token_hash: &'a str,
    /// The labels it is given.
    pub labels: &'a BTreeSet<Label>,
    /// Its process.
    pub process: &'a str,
}

#[derive(FromRow)]
struct Flat {
    id: String,
    name: String,
    seen_at: i64,
    status: String,
    labels: String,
    hold: Option<String>,
    process: String,
    told: String,
}

impl TryFrom<Flat> for AgentRow {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        Ok(Self {
            id: column("agents", &flat.id, &flat.id)?,
            seen_at: Timestamp::from_millis(flat.seen_at),
            status: json("agents", &flat.id, &flat.status)?,
            enrolled: json("agents", &flat.id, &flat.labels)?,
            hold: flat.hold.as_deref().map(|hold| json("agents", &flat.id, hold)).transpose()?,
            process: flat.process,
            told: flat.told,
            name: flat.name,
        })
    }
}

impl Store {
    /// Writes an agent, or gives the one with this name a new token; answers its id.
    pub async fn register_agent(
        &self,
        tx: &mut Tx,
        id: AgentId,
        new: &NewAgent<'_>,
        now: Timestamp,
    ) -> Result<AgentId, StoreError> {
        let query = sql(
            "INSERT INTO agents (id, name, token_hash, created_at, seen_at, status, labels, process) \
             VALUES ($1, $2, $3, $4, $4, $5, $6, $7) \
             ON CONFLICT (name) DO UPDATE SET token_hash = $3, seen_at = $4, labels = $6, \
             process = $7 RETURNING id",
        );
        let id = query
            .bind(id.to_string())
            .bind(new.name)
            .bind(new.token_hash)
            .bind(now.as_millis())
            .bind(to_json(&AgentStatus::default()))
            .bind(to_json(new.labels))
            .bind(new.process)
            .fetch_only::<String>(tx)
            .await?;
        column("agents", &id, &id)
    }

    /// The agent of this name, which nobody else changes until the transaction ends.
    pub async fn agent_named(
        &self,
        tx: &mut Tx,
        name: &str,
    ) -> Result<Option<AgentRow>, StoreError> {
        let query = sql("SELECT * FROM agents WHERE name = $1 FOR UPDATE").bind(name);
        query.fetch_optional::<Flat>(tx).await?.map(AgentRow::try_from).transpose()
    }

    /// The agent with this id. No other claim of it goes on, and nobody holds or removes it, until
    /// the transaction ends.
    pub async fn lock_agent(
        &self,
        tx: &mut Tx,
        id: AgentId,
    ) -> Result<Option<AgentRow>, StoreError> {
        let query = sql("SELECT * FROM agents WHERE id = $1 FOR UPDATE").bind(id.to_string());
        query.fetch_optional::<Flat>(tx).await?.map(AgentRow::try_from).transpose()
    }

    /// The agent with this id.
    pub async fn agent(&self, id: AgentId) -> Result<Option<AgentRow>, StoreError> {
        let query = sql("SELECT * FROM agents WHERE id = $1").bind(id.to_string());
        query.fetch_optional::<Flat>(self).await?.map(AgentRow::try_from).transpose()
    }

    /// Writes which process is the agent from now on.
    pub async fn set_agent_process(
        &self,
        tx: &mut Tx,
        id: AgentId,
        process: &str,
    ) -> Result<(), StoreError> {
        let query = sql("UPDATE agents SET process = $2 WHERE id = $1");
        query.bind(id.to_string()).bind(process).execute(tx).await?;
        Ok(())
    }

    /// Writes why an agent takes no jobs, or that it does; whether there is such an agent.
    pub async fn set_agent_hold(
        &self,
        tx: &mut Tx,
        id: AgentId,
        hold: Option<&AgentHold>,
    ) -> Result<bool, StoreError> {
        let query = sql("UPDATE agents SET hold = $2 WHERE id = $1");
        Ok(query.bind(id.to_string()).bind(hold.map(to_json)).execute(tx).await? > 0)
    }

    /// Forgets an agent; its token counts no more.
    pub async fn remove_agent(&self, tx: &mut Tx, id: AgentId) -> Result<bool, StoreError> {
        let query = sql("DELETE FROM agents WHERE id = $1");
        Ok(query.bind(id.to_string()).execute(tx).await? > 0)
    }

    /// The agent whose token has this hash.
    pub async fn agent_by_token(&self, token_hash: &str) -> Result<Option<AgentId>, StoreError> {
        let query = sql("SELECT id FROM agents WHERE token_hash = $1");
        let id = query.bind(token_hash).fetch_value::<String>(self).await?;
        id.map(|id| column("agents", &id, &id)).transpose()
    }

    /// Writes what an agent says of itself.
    pub async fn set_agent_status(
        &self,
        tx: &mut Tx,
        id: AgentId,
        status: &AgentStatus,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sql("UPDATE agents SET status = $2, seen_at = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(to_json(status))
            .bind(now.as_millis())
            .execute(&mut *tx)
            .await?;
        Ok(())
    }

    /// Notes what followers are told of an agent; whether nobody else has noted that before.
    pub async fn set_agent_told(
        &self,
        tx: &mut Tx,
        id: AgentId,
        told: &str,
    ) -> Result<bool, StoreError> {
        let query = sql("UPDATE agents SET told = $2 WHERE id = $1 AND told <> $2");
        Ok(query.bind(id.to_string()).bind(told).execute(tx).await? > 0)
    }

    /// Notes that an agent was heard of.
    pub async fn touch_agent(
        &self,
        tx: &mut Tx,
        id: AgentId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sql("UPDATE agents SET seen_at = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(now.as_millis())
            .execute(&mut *tx)
            .await?;
        Ok(())
    }

    /// Every agent, by name, as the transaction sees them.
    pub async fn agents_in(&self, tx: &mut Tx) -> Result<Vec<AgentRow>, StoreError> {
        let query = sql("SELECT * FROM agents ORDER BY name");
        query.fetch_all::<Flat>(tx).await?.into_iter().map(AgentRow::try_from).collect()
    }

    /// Every agent, by name.
    pub async fn agents(&self) -> Result<Vec<AgentRow>, StoreError> {
        let query = sql("SELECT * FROM agents ORDER BY name");
        query.fetch_all::<Flat>(self).await?.into_iter().map(AgentRow::try_from).collect()
    }
}
