//! What became of a project's builds over time, for charts.

use serde::{Deserialize, Serialize};

use crate::model::{BuildId, Cause, JobId, Outcome, Revision, Timestamp, ToolchainName};

/// Of which builds the history is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Only of this branch; `refs/tags/…` for a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// How many builds at most, 1 to 200; default: 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `GET /api/v1/projects/{project}/history`.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HistoryView {
    /// Finished builds, the oldest first.
    pub builds: Vec<PastBuild>,
}

/// A build that has ended.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PastBuild {
    /// Its id.
    pub build: BuildId,
    /// The revision it built.
    pub commit: Revision,
    /// The first line of the commit's message, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The newest job of each leg.
    pub jobs: Vec<PastJob>,
}

/// A job that has ended, in figures.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PastJob {
    /// Its id.
    pub job: JobId,
    /// Its toolchain.
    pub toolchain: ToolchainName,
    /// Its variant, `default` unless said otherwise.
    pub variant: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it ended so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Run time of its steps in milliseconds, if it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_millis: Option<u64>,
    /// Errors that the compiler told, if that was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<u32>,
    /// Warnings that the compiler told, if that was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warnings: Option<u32>,
    /// Size of the files that it kept together in bytes, if it kept any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_bytes: Option<u64>,
    /// Size of the archive of them in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_bytes: Option<u64>,
}
