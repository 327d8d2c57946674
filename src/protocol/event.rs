//! State changes as `/api/v1/events` streams them.

use serde::{Deserialize, Serialize};

use crate::model::{
    AgentId, BuildId, JobId, Outcome, ProjectId, QueueName, StateName, Timestamp, ToolchainName,
};

use super::BuildState;

/// One state change. Its number is a counter that changes in the same transaction as the state.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Event {
    /// The event's number; pass it as `Last-Event-ID` to go on after it.
    pub id: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum EventKind {
    /// A build changed.
    Build {
        /// Which.
        build: BuildId,
        /// Its state now.
        state: BuildState,
        /// Its outcome, if it has ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        outcome: Option<Outcome>,
    },
    /// A job changed.
    Job {
        /// Which.
        job: JobId,
        /// Its build.
        build: BuildId,
        /// Its toolchain; a plan has none.
        #[serde(skip_serializing_if = "Option::is_none")]
        toolchain: Option<ToolchainName>,
        /// Its state now.
        state: StateName,
        /// The newest attempt.
        attempt: u32,
        /// Its outcome, if it has ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        outcome: Option<Outcome>,
    },
    /// An agent came, went silent, was held or let go, has other toolchains, or is no more.
    Agent {
        /// Which.
        agent: AgentId,
    },
    /// A queue was made, changed, paused, resumed or removed.
    Queue {
        /// Which.
        queue: QueueName,
    },
    /// A project was added, changed or removed, or something of its watched refs is otherwise.
    Project {
        /// Which.
        project: ProjectId,
    },
}

impl EventKind {
    /// The name of the event on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Build { .. } => "build",
            Self::Job { .. } => "job",
            Self::Agent { .. } => "agent",
            Self::Queue { .. } => "queue",
            Self::Project { .. } => "project",
        }
    }

    /// The build that it is about, if it is about one.
    pub const fn build(&self) -> Option<BuildId> {
        match self {
            Self::Build { build, .. } | Self::Job { build, .. } => Some(*build),
            Self::Agent { .. } | Self::Queue { .. } | Self::Project { .. } => None,
        }
    }
}
