//! Giving jobs out, and for how long: what a claim looks for, and the leases of what runs.

use super::{
    JobRow, Store, StoreError, Tx,
    error::{column, to_json},
    jobs::{Flat, TABLE},
    sql::{Sql, dialects, sql},
};
use crate::model::{AgentId, ClaimId, JobId, Timestamp, ToolchainName};

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

    /// Whether there is a job to be given out to an agent that has these toolchains.
    pub async fn is_claimable(
        &self,
        toolchains: &[ToolchainName],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if claimable_plan(now).fetch_value::<String>(self).await?.is_some() {
            return Ok(true);
        }
        Ok(claimable_leg(toolchains, now).fetch_value::<String>(self).await?.is_some())
    }

    /// The job that is to be given out next to an agent that has these toolchains, locked together
    /// with its build: plans first, since nothing of a build can begin before them, then by
    /// priority and age. What others are about to take is passed over.
    pub async fn lock_claimable(
        &self,
        tx: &mut Tx,
        toolchains: &[ToolchainName],
        now: Timestamp,
    ) -> Result<Option<JobId>, StoreError> {
        let mut id = claimable_plan(now).fetch_value::<String>(&mut *tx).await?;
        if id.is_none() {
            id = claimable_leg(toolchains, now).fetch_value::<String>(tx).await?;
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

fn claimable_plan(now: Timestamp) -> Sql {
    sql("SELECT jobs.id FROM jobs JOIN builds ON builds.id = jobs.build_id \
         WHERE jobs.state = 'queued' AND jobs.kind = 'plan' AND jobs.not_before <= $1 \
         ORDER BY jobs.priority DESC, jobs.created_at, jobs.leg, jobs.id LIMIT 1 \
         FOR UPDATE OF jobs, builds SKIP LOCKED")
    .bind(now.as_millis())
}

fn claimable_leg(toolchains: &[ToolchainName], now: Timestamp) -> Sql {
    dialects(
        "SELECT jobs.id FROM jobs \
         WHERE jobs.state = 'queued' AND jobs.kind = 'leg' AND jobs.not_before <= $1 \
         AND jobs.toolchain IN (SELECT value FROM json_each($2)) \
         ORDER BY jobs.priority DESC, jobs.created_at, jobs.leg, jobs.id LIMIT 1",
        "SELECT jobs.id FROM jobs JOIN builds ON builds.id = jobs.build_id \
         WHERE jobs.state = 'queued' AND jobs.kind = 'leg' AND jobs.not_before <= $1 \
         AND jobs.toolchain = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($2 AS JSONB)))) \
         ORDER BY jobs.priority DESC, jobs.created_at, jobs.leg, jobs.id LIMIT 1 \
         FOR UPDATE OF jobs, builds SKIP LOCKED",
    )
    .bind(now.as_millis())
    .bind(to_json(toolchains))
}
