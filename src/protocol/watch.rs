//! Watched projects: the rules, how looking at them goes, and what became of each ref.

use serde::{Deserialize, Serialize};

use crate::model::{BuildId, CommitId, ProjectName, Timestamp, ToolchainName, WatchRules};

/// How a project is watched.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WatchView {
    /// What is built by itself.
    pub rules: WatchRules,
    /// When the repository last said what it has; none before the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// When it is asked next.
    pub next_at: Timestamp,
    /// Why it could not be asked the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A ref of a watched project.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HeadView {
    /// Its full name.
    pub name: String,
    /// Where it was seen last; none once it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// When that was seen.
    pub seen_at: Timestamp,
    /// The build that was made of its commit, now or before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<BuildId>,
    /// Why none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// `POST /api/v1/rebuild`: what is built once more.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rebuild {
    /// The projects; default: all that are watched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub projects: Vec<ProjectName>,
    /// With this toolchain alone, where it was built with that; default: with all of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toolchain: Option<ToolchainName>,
}

/// A branch that is built once more, or why it is not.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RebuiltView {
    /// Its project.
    pub project: ProjectName,
    /// Its full name.
    pub name: String,
    /// Where it is.
    pub commit: CommitId,
    /// The build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<BuildId>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}
