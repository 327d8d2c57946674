//! Toolchains as the API shows them.

use serde::{Deserialize, Serialize};

use super::PresentToolchain;
use crate::model::{AgentId, ToolchainName};

/// A toolchain that can be asked for.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ToolchainView {
    /// Its name.
    pub name: ToolchainName,
    /// What it produces programs for, such as `x86_64-linux-gnu`.
    pub target: String,
    /// Whether builds that name no toolchain use it.
    pub default: bool,
    /// The agents that have its image, with what they have.
    pub agents: Vec<AgentToolchain>,
}

/// A toolchain's image on one agent.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AgentToolchain {
    /// The agent.
    pub agent: AgentId,
    /// The agent's name.
    pub agent_name: String,
    /// What it has.
    #[serde(flatten)]
    pub image: PresentToolchain,
}
