//! Artifacts as the API shows them. The manifest itself is the object the archive module wrote.

use serde::{Deserialize, Serialize};

use crate::model::{BuildId, JobId, Revision, Timestamp, ToolchainName};

/// What one attempt kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ArtifactsSummary {
    /// Number of files.
    pub files: u64,
    /// Their size together, in bytes.
    pub bytes: u64,
    /// Size of the archive, in bytes.
    pub archive_bytes: u64,
    /// SHA-256 of the tar inside the archive: equal contents have equal digests.
    pub tar_sha256: String,
}

/// What there is for a revision.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CommitArtifacts {
    /// The revision: a commit, or an uploaded tree.
    pub commit: Revision,
    /// The successful jobs that built it, the newest first.
    pub jobs: Vec<CommitJob>,
}

/// A successful job of a commit.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CommitJob {
    /// The job.
    pub job: JobId,
    /// Its build.
    pub build: BuildId,
    /// Its toolchain.
    pub toolchain: ToolchainName,
    /// Whether it used the repository's own recipe, unchanged: only such a job answers
    /// `/artifacts/{commit}/{toolchain}/{path}`.
    pub own_recipe: bool,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What it kept.
    pub artifacts: ArtifactsSummary,
}
