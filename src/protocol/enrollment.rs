//! Enrollment tokens, and agents that are held: what an administrator says of the farm's machines.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{EnrollmentId, Label, Timestamp};

/// `POST /api/v1/enrollments`: a token that lets agents in.
#[derive(Clone, Default, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewEnrollment {
    /// How many agents it lets in; one, unless something else is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// Whether it lets in any number of agents; then it needs an end.
    pub unlimited: bool,
    /// After how many seconds it ends; an hour, unless something else is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
    /// Labels that its agents get and cannot drop.
    pub labels: BTreeSet<Label>,
    /// What the names of its agents have to begin with.
    pub name_prefix: String,
    /// What it is for.
    pub note: String,
}

/// An enrollment token, without the token.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EnrollmentView {
    /// Its id.
    pub id: EnrollmentId,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// How many agents it lets in; any number if not said.
    pub uses_allowed: Option<u32>,
    /// How many it has let in.
    pub uses: u32,
    /// Labels that its agents get.
    pub labels: BTreeSet<Label>,
    /// What the names of its agents begin with.
    pub name_prefix: String,
    /// What it is for.
    pub note: String,
    /// Whether it was taken back.
    pub revoked: bool,
}

/// A new enrollment token, shown once.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MadeEnrollment {
    /// The token.
    pub token: String,
    /// What it is.
    pub enrollment: EnrollmentView,
}

/// `POST /api/v1/agents/{agent}/hold` and `/drain`: the agent is to take no more jobs.
#[derive(Clone, Default, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HoldRequest {
    /// Why, for people.
    pub reason: String,
}

/// Why an agent takes no jobs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AgentHold {
    /// What is wanted of it.
    pub kind: HoldKind,
    /// Why, for people.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Who said so.
    pub by: String,
}

/// What is wanted of an agent that takes no jobs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// It stays as it is until somebody resumes it.
    Held,
    /// It is to become empty, to be stopped or changed.
    Draining,
}
