//! Giving jobs out, and for how long: what a claim looks for, and the leases of what runs.

use super::{
    JobRow, Store, StoreError, Tx,
    error::{column, int, json, to_json},
    jobs::{Flat, TABLE},
    sql::{Sql, sql},
};
use crate::{
    model::{AgentId, ClaimId, JobId, Label, Timestamp, ToolchainName},
    protocol::JobKind,
};

/// A running attempt's lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u32,
    /// When it ends.
    pub until: Timestamp,
}

impl Store {
    /// The running job that came from this claim: a repeated claim gets it again.
    pub async fn job_of_claim(
        &self,
        tx: &mut Tx,
        agent: AgentId,
        claim: ClaimId,
    ) -> Result<Option<JobRow>, StoreError> {
        let query =
            sql("SELECT * FROM jobs WHERE claim_id = $1 AND agent_id = $2 AND state = 'running'");
        let flat = query
            .bind(claim.to_string())
            .bind(agent.to_string())
            .fetch_optional::<Flat>(&mut *tx)
            .await?;
        flat.map(JobRow::try_from).transpose()
    }

    /// Whether a running job came from this claim.
    pub async fn is_claimed(&self, agent: AgentId, claim: ClaimId) -> Result<bool, StoreError> {
        let query = sql(
            "SELECT COUNT(*) FROM jobs WHERE claim_id = $1 AND agent_id = $2 AND state = 'running'",
        );
        let query = query.bind(claim.to_string()).bind(agent.to_string());
        Ok(query.fetch_only::<i64>(self).await? > 0)
    }

    /// Every list of labels that a queued job requires.
    pub async fn required_labels(&self) -> Result<Vec<Vec<Label>>, StoreError> {
        let lists =
            sql("SELECT DISTINCT requires FROM jobs WHERE state = 'queued' AND requires <> '[]'");
        let lists = lists.fetch_column::<String>(self).await?;
        lists.iter().map(|list| json(TABLE, "requires", list)).collect()
    }

    /// The attempts that run, with the end of their leases.
    pub async fn leases(&self) -> Result<Vec<Lease>, StoreError> {
        let rows = sql("SELECT id, attempts, lease_until FROM jobs WHERE lease_until IS NOT NULL")
            .fetch_all::<(String, i64, i64)>(self)
            .await?;
        rows.iter()
            .map(|(id, attempt, until)| {
                let attempt = u32::try_from(*attempt)
                    .map_err(|error| StoreError::inconsistent(TABLE, id, error))?;
                let until = Timestamp::from_millis(*until);
                Ok(Lease { job: column(TABLE, id, id)?, attempt, until })
            })
            .collect()
    }
}

/// What an agent can take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fit {
    /// The toolchains it has.
    pub toolchains: Vec<ToolchainName>,
    /// The lists of required labels that it has all of; that of nothing is always one.
    pub requires: Vec<Vec<Label>>,
    /// The memory it has.
    pub memory_bytes: u64,
}

/// Binds what an agent can take of this kind: labels, and for a leg toolchains and memory.
pub(super) fn fitting(query: Sql, kind: JobKind, fit: &Fit) -> Sql {
    let query = query.bind(lists(fit));
    match kind {
        JobKind::Plan => query,
        JobKind::Leg => query.bind(to_json(&fit.toolchains)).bind(int(fit.memory_bytes)),
    }
}

/// The lists as texts, as they stand in the column.
fn lists(fit: &Fit) -> String {
    to_json(&fit.requires.iter().map(to_json).collect::<Vec<_>>())
}
