//! What is kept, what would go, and what it takes.

use serde::{Deserialize, Serialize};

use crate::model::{BuildId, ProjectName, RetentionRules, Timestamp};

/// Why a build is kept whatever the rules say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Pin {
    /// Why, for people.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Who said so.
    pub by: String,
}

/// `PUT /api/v1/builds/{build}/pin`.
#[derive(Clone, Default, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PinRequest {
    /// Why, for people.
    pub reason: String,
}

/// What the rules would remove now, or have removed.
#[derive(Clone, Default, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RetentionReport {
    /// Builds that go with everything.
    pub builds: u64,
    /// Builds that stay without their artifacts.
    pub artifacts: u64,
    /// Builds that stay without their logs.
    pub logs: u64,
    /// Builds that stay without the tree that was uploaded for them; the tree goes when no build needs it.
    #[serde(default)]
    pub uploads: u64,
    /// Bytes of objects that go.
    pub bytes: u64,
    /// The first of them, up to a hundred.
    pub first: Vec<RetentionEntry>,
}

/// A build that the rules are about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RetentionEntry {
    /// The build.
    pub build: BuildId,
    /// What goes: `build`, or one or more of `artifacts`, `logs` and `upload`.
    pub what: String,
    /// The rule.
    pub rule: String,
    /// Bytes of objects that go.
    pub bytes: u64,
}

/// The rules of a project.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ProjectRetention {
    /// What the project says.
    pub own: RetentionRules,
    /// What counts: that over the server's.
    pub counts: RetentionRules,
}

/// What is used, by project.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Usage {
    /// Each project, and what belongs to none.
    pub projects: Vec<ProjectUsage>,
}

/// What a project uses.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ProjectUsage {
    /// Its name; none for what belongs to no project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectName>,
    /// Its builds.
    pub builds: u64,
    /// Bytes of archives of artifacts.
    pub artifact_bytes: u64,
    /// Bytes of logs, before compression.
    pub log_bytes: u64,
}
