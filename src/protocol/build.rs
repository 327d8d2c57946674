//! A build as the API shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{JobSummary, Pin, TreeBase};
use crate::model::{
    BuildId, Cause, Outcome, ProjectName, QueueName, RefName, Revision, Timestamp, ToolchainName,
    TreeDigest,
};

/// A build: one request to build one revision.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Build {
    /// Its id.
    pub id: BuildId,
    /// The project it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectName>,
    /// Where the source is.
    pub source: BuildSource,
    /// The revision, a commit or an uploaded tree: every job of the build has this one.
    pub commit: Revision,
    /// What the commit says of itself, once the plan has read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_info: Option<CommitView>,
    /// Where it is.
    pub state: BuildState,
    /// How it ended: the gravest outcome among the newest job of each leg.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it exists.
    pub trigger: Trigger,
    /// Who asked for it.
    pub created_by: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its last job ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Why it is kept whatever the retention rules say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pin>,
    /// The queue its jobs wait in.
    pub queue: QueueName,
    /// Higher is earlier.
    pub priority: i32,
    /// Free-form labels.
    pub labels: BTreeMap<String, String>,
    /// The plan: which jobs there are to be.
    pub plan: JobSummary,
    /// Its jobs, in order of their legs; retries after what they retry.
    pub jobs: Vec<JobSummary>,
}

/// Where the source of a build is.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum BuildSource {
    /// A git repository.
    Git(GitSource),
    /// A tree that was uploaded.
    Upload(UploadSource),
}

/// An uploaded tree as it was submitted.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UploadSource {
    /// Its digest.
    pub upload: TreeDigest,
    /// What it was made from, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<TreeBase>,
}

/// A git source as it was asked for.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GitSource {
    /// The repository's URL, normalized.
    pub url: String,
    /// The ref that was resolved, if one was given.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<RefName>,
}

/// What a commit says of itself. All of it is text that somebody wrote, never markup.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CommitView {
    /// The author's name.
    pub author: String,
    /// The first line of the message.
    pub subject: String,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// Where a build is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BuildState {
    /// The commit is being read; there are no jobs yet.
    Planning,
    /// No job has begun.
    Queued,
    /// Jobs run.
    Running,
    /// Every job has ended.
    Finished,
}

impl BuildState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Planning, Self::Queued, Self::Running, Self::Finished];

    /// The state as it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finished => "finished",
        }
    }
}

/// Why a build exists.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person or a program asked for it.
    Manual,
    /// A branch or tag of a watched project moved.
    Push,
    /// A pull or merge request of a watched project has a new commit.
    PullRequest,
    /// It was asked for again, such as after a toolchain's image changed.
    Rebuild,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Manual, Self::Push, Self::PullRequest, Self::Rebuild];

    /// The trigger as it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Push => "push",
            Self::PullRequest => "pull_request",
            Self::Rebuild => "rebuild",
        }
    }
}

/// Which builds to list; all that is given must match.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BuildFilter {
    /// Only of this project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub project: Option<ProjectName>,
    /// Only this revision: a commit, or `tree-` and an upload's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub commit: Option<Revision>,
    /// Only of this branch; `refs/tags/…` for a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Only in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub state: Option<BuildState>,
    /// Only with this outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub outcome: Option<Outcome>,
    /// Only with a job of this toolchain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub toolchain: Option<ToolchainName>,
    /// How many at most, 1 to 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the previous page ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What to run again of a build.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// The toolchains; default: every leg whose newest job ended other than in success.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub toolchains: Vec<ToolchainName>,
}

/// The cause a build shows: that of its gravest job.
impl Build {
    /// The cause of the first job that has the build's outcome.
    pub fn cause(&self) -> Option<Cause> {
        let jobs = std::iter::once(&self.plan).chain(&self.jobs);
        jobs.filter(|job| job.outcome == self.outcome).find_map(|job| job.cause)
    }
}
