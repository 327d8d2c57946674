//! Giving jobs out, and for how long: what a claim looks for, and the leases of what runs.

use super::{
    JobRow, Store, StoreError, Tx,
    error::{column, int, json, to_json},
    jobs::{Flat, TABLE},
    sql::{Sql, dialects, sql},
};
use crate::model::{AgentId, ClaimId, JobId, Label, Timestamp, ToolchainName};

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

    /// Whether there is a job to be given out to such an agent.
    pub async fn is_claimable(&self, fit: &Fit, now: Timestamp) -> Result<bool, StoreError> {
        if claimable_plan(fit, now).fetch_value::<String>(self).await?.is_some() {
            return Ok(true);
        }
        Ok(claimable_leg(fit, now).fetch_value::<String>(self).await?.is_some())
    }

    /// The job that is to be given out next to such an agent, locked together with its build: plans
    /// first, since nothing of a build can begin before them, then by priority and age. What others
    /// are about to take is passed over.
    pub async fn lock_claimable(
        &self,
        tx: &mut Tx,
        fit: &Fit,
        now: Timestamp,
    ) -> Result<Option<JobId>, StoreError> {
        let mut id = claimable_plan(fit, now).fetch_value::<String>(&mut *tx).await?;
        if id.is_none() {
            id = claimable_leg(fit, now).fetch_value::<String>(tx).await?;
        }
        id.map(|id| column(TABLE, &id, &id)).transpose()
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

fn claimable_plan(fit: &Fit, now: Timestamp) -> Sql {
    dialects(
        "SELECT id FROM jobs WHERE state = 'queued' AND kind = 'plan' AND not_before <= $1 \
         AND (requires = '[]' OR requires IN (SELECT value FROM json_each($2))) \
         ORDER BY priority DESC, created_at, leg, id LIMIT 1",
        "SELECT jobs.id FROM jobs JOIN builds ON builds.id = jobs.build_id \
         WHERE jobs.state = 'queued' AND jobs.kind = 'plan' AND jobs.not_before <= $1 \
         AND (jobs.requires = '[]' \
         OR jobs.requires = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($2 AS JSONB))))) \
         ORDER BY jobs.priority DESC, jobs.created_at, jobs.leg, jobs.id LIMIT 1 \
         FOR UPDATE OF jobs, builds SKIP LOCKED",
    )
    .bind(now.as_millis())
    .bind(lists(fit))
}

fn claimable_leg(fit: &Fit, now: Timestamp) -> Sql {
    dialects(
        "SELECT id FROM jobs WHERE state = 'queued' AND kind = 'leg' AND not_before <= $1 \
         AND (requires = '[]' OR requires IN (SELECT value FROM json_each($2))) \
         AND toolchain IN (SELECT value FROM json_each($3)) AND memory_bytes <= $4 \
         ORDER BY priority DESC, created_at, leg, id LIMIT 1",
        "SELECT jobs.id FROM jobs JOIN builds ON builds.id = jobs.build_id \
         WHERE jobs.state = 'queued' AND jobs.kind = 'leg' AND jobs.not_before <= $1 \
         AND (jobs.requires = '[]' \
         OR jobs.requires = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($2 AS JSONB))))) \
         AND jobs.toolchain = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($3 AS JSONB)))) \
         AND jobs.memory_bytes <= $4 \
         ORDER BY jobs.priority DESC, jobs.created_at, jobs.leg, jobs.id LIMIT 1 \
         FOR UPDATE OF jobs, builds SKIP LOCKED",
    )
    .bind(now.as_millis())
    .bind(lists(fit))
    .bind(to_json(&fit.toolchains))
    .bind(int(fit.memory_bytes))
}

/// The lists as texts, as they stand in the column.
fn lists(fit: &Fit) -> String {
    to_json(&fit.requires.iter().map(to_json).collect::<Vec<_>>())
}
