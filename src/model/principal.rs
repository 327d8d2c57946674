//! Who acts, and what a route needs. Every handler takes a principal and names its permission, so
//! that accounts can come without touching the handlers again.

use serde::{Deserialize, Serialize};

use super::AgentId;

/// Who acts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "id")]
pub enum Principal {
    /// Whoever reaches the loopback address of a server without accounts, or has the token that a
    /// server asks for that can be reached from elsewhere.
    LocalAdministrator,
    /// An agent, by its own token.
    Agent(AgentId),
}

/// What an action needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    /// See builds, logs, artifacts, agents.
    Read,
    /// Submit, cancel and retry builds.
    Submit,
    /// Change the farm itself.
    Administer,
    /// Claim and run jobs.
    RunJobs,
}

impl Principal {
    /// Whether this principal may do what needs `permission`.
    pub const fn may(&self, permission: Permission) -> bool {
        match self {
            Self::LocalAdministrator => !matches!(permission, Permission::RunJobs),
            Self::Agent(_) => matches!(permission, Permission::RunJobs),
        }
    }

    /// The text that rows carry as `created_by` and that scopes idempotency keys.
    pub fn as_key(&self) -> String {
        match self {
            Self::LocalAdministrator => "local".to_owned(),
            Self::Agent(agent) => format!("agent:{agent}"),
        }
    }
}
