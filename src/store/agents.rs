//! Agents: who they are, the hash of their token, and what they last said of themselves.

use sqlx::FromRow;

use super::{
    Store, StoreError, Tx,
    error::{column, json, to_json},
    sql::sql,
};
use crate::{
    model::{AgentId, Timestamp, ToolchainName},
    protocol::AgentStatus,
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
}

#[derive(FromRow)]
struct Flat {
    id: String,
    name: String,
    seen_at: i64,
    status: String,
}

impl TryFrom<Flat> for AgentRow {
    type Error = StoreError;

    fn try_from(flat: Flat) -> Result<Self, StoreError> {
        Ok(Self {
            id: column("agents", &flat.id, &flat.id)?,
            seen_at: Timestamp::from_millis(flat.seen_at),
            status: json("agents", &flat.id, &flat.status)?,
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
        name: &str,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<AgentId, StoreError> {
        let query = sql("INSERT INTO agents (id, name, token_hash, created_at, seen_at, status) \
             VALUES ($1, $2, $3, $4, $4, $5) \
             ON CONFLICT (name) DO UPDATE SET token_hash = $3, seen_at = $4 RETURNING id");
        let id = query
            .bind(id.to_string())
            .bind(name)
            .bind(token_hash)
            .bind(now.as_millis())
            .bind(to_json(&AgentStatus::default()))
            .fetch_only::<String>(&mut *tx)
            .await?;
        column("agents", &id, &id)
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

    /// Every agent, by name.
    pub async fn agents(&self) -> Result<Vec<AgentRow>, StoreError> {
        let query = sql("SELECT id, name, seen_at, status FROM agents ORDER BY name");
        query.fetch_all::<Flat>(self).await?.into_iter().map(AgentRow::try_from).collect()
    }

    /// The toolchains that agents heard of since `since` have.
    pub async fn toolchains_online(
        &self,
        since: Timestamp,
    ) -> Result<Vec<ToolchainName>, StoreError> {
        let agents = self.agents().await?;
        let online = agents.into_iter().filter(|agent| agent.seen_at >= since);
        Ok(online.flat_map(|agent| agent.status.toolchains).map(|have| have.name).collect())
    }
}
