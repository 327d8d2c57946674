//! A job as the API shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ArtifactsSummary, DiagnosticsView};
use crate::model::{
    AgentId, BuildId, Cause, JobId, Limits, Outcome, Revision, StateName, StepKind, StepName,
    Timestamp, ToolchainName,
};

/// What a job does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Reads the commit and says which legs there are.
    Plan,
    /// Builds the commit with one toolchain.
    Leg,
}

impl JobKind {
    /// The kind as it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Leg => "leg",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Plan, Self::Leg].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A job in short, as it is listed with its build.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobSummary {
    /// Its id.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Its toolchain; a plan has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toolchain: Option<ToolchainName>,
    /// Its variant, `default` unless said otherwise.
    pub variant: String,
    /// The job that this one tries again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<JobId>,
    /// Whether a later job tries this one again: it no longer counts for the build's outcome.
    pub retried: bool,
    /// Where it is.
    pub state: StateName,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it ended so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// One sentence for people: how it ended, or why it waits.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub message: String,
    /// Whether somebody asked for it to end.
    pub cancel_requested: bool,
    /// The number of the newest attempt; 0 before the first.
    pub attempt: u32,
    /// The step that runs, or the last that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
    /// Which step that is, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_number: Option<u32>,
    /// How many steps the newest attempt has, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_count: Option<u32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the newest attempt began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// A job with everything there is to know of it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Job {
    /// What is listed with the build, too.
    #[serde(flatten)]
    pub summary: JobSummary,
    /// Its build.
    pub build: BuildId,
    /// The revision it builds.
    pub commit: Revision,
    /// Its bounds.
    pub limits: Limits,
    /// Its attempts, the newest last.
    pub attempts: Vec<AttemptView>,
}

/// One try at a job.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AttemptView {
    /// Counted from 1.
    pub number: u32,
    /// The agent that made it.
    pub agent: AgentId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it ended so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// One sentence for people.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub message: String,
    /// What it ran in, once that was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxView>,
    /// Its steps; from the log's marks, which the build could forge.
    pub steps: Vec<StepView>,
    /// What it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageView>,
    /// What the compiler said, counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<DiagnosticsView>,
    /// What was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<ArtifactsSummary>,
    /// When that was removed, by the retention rules or by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts_expired_at: Option<Timestamp>,
    /// Bytes of log so far, what fell out included.
    pub log_bytes: u64,
    /// When the log was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_expired_at: Option<Timestamp>,
}

/// What an attempt ran in.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SandboxView {
    /// The image's id.
    pub image: String,
    /// Digest of what the image was made from; empty for an image kiln did not make.
    pub recipe_digest: String,
    /// The compiler's full version.
    pub compiler: String,
    /// The isolation profile, such as `docker/standard`.
    pub profile: String,
    /// What `docker run` takes to make a container like it by hand, one word each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// The environment of every step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// How many steps there are to run; 0 before that is known.
    #[serde(default)]
    pub step_count: u32,
}

/// One step of an attempt.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepView {
    /// Its name.
    pub name: StepName,
    /// What kind of step it is.
    pub kind: StepKind,
    /// Its command.
    pub run: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Its exit status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

/// What an attempt used, as far as it could be measured.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UsageView {
    /// Highest memory use of the container in bytes, page cache and tmpfs included; 0: not measured.
    pub peak_memory_bytes: u64,
    /// Processor time in milliseconds; 0: not measured.
    pub cpu_millis: u64,
    /// Time from the claim until the source was there, in milliseconds.
    pub source_millis: u64,
    /// Time to make the sandbox ready, in milliseconds.
    pub sandbox_millis: u64,
    /// Run time of the steps, in milliseconds.
    pub run_millis: u64,
    /// Time to collect and store the artifacts, in milliseconds.
    pub collect_millis: u64,
    /// Compilations that came from the compiler cache.
    #[serde(default, skip_serializing_if = "is_none")]
    pub cache_hits: u64,
    /// Compilations that did not.
    #[serde(default, skip_serializing_if = "is_none")]
    pub cache_misses: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}
