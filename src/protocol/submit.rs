//! What a submission says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::UploadSubmission;
use crate::model::{
    ArtifactRules, CommitId, Environment, Label, LimitsRequest, PackageName, ProjectName,
    QueueName, Recipe, RefName, Step, StepKind, StepName, ToolchainName,
};

/// A request to build one revision.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitBuild {
    /// What to build.
    pub source: SourceSubmission,
    /// The project that the build belongs to; default: the one whose repository it builds, if there
    /// is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectName>,
    /// Toolchains; default: the repository's `.kiln.toml`, then the server's default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub toolchains: Vec<ToolchainName>,
    /// Debian packages that the build needs beside what its toolchains have; they take the place of
    /// the repository's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<PackageName>,
    /// Labels that an agent must have to take a job of this build.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Label>,
    /// Steps that take the place of the repository's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepSubmission>,
    /// Whether the project's own tests run after the compile step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<bool>,
    /// Whether recorded submodules are fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submodules: Option<bool>,
    /// Whether the project's compiler cache is used; default: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<bool>,
    /// What to keep.
    #[serde(default)]
    pub artifacts: ArtifactRules,
    /// Environment of every step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Bounds other than the default ones.
    #[serde(default)]
    pub limits: LimitsRequest,
    /// The queue to wait in.
    #[serde(default)]
    #[schema(value_type = String)]
    pub queue: QueueName,
    /// Higher is earlier, -100 to 100.
    #[serde(default)]
    pub priority: i32,
    /// Free-form labels, shown with the build.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Where the source is.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SourceSubmission {
    /// A git repository.
    Git(GitSubmission),
    /// A tree that was uploaded.
    Upload(UploadSubmission),
}

/// A git repository and what of it; the default branch if neither ref nor commit is given.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GitSubmission {
    /// The repository's URL, without a password.
    pub url: String,
    /// A branch, a tag or a full ref name.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<RefName>,
    /// A commit; excludes `ref`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
}

/// A step of a submission.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepSubmission {
    /// Its name; `configure`, `compile`, `test` and `install` say what kind it is.
    pub name: StepName,
    /// What `sh -c` runs in the source folder.
    pub run: String,
}

impl SubmitBuild {
    /// A build of this source, of which nothing else is said.
    pub fn of(source: SourceSubmission) -> Self {
        Self {
            source,
            project: None,
            toolchains: Vec::new(),
            packages: Vec::new(),
            requires: Vec::new(),
            steps: Vec::new(),
            test: None,
            submodules: None,
            cache: None,
            artifacts: ArtifactRules::default(),
            env: BTreeMap::new(),
            limits: LimitsRequest::default(),
            queue: QueueName::default(),
            priority: 0,
            labels: BTreeMap::new(),
        }
    }

    /// The submission's part of the recipe.
    pub fn recipe(&self) -> Recipe {
        let step = |step: &StepSubmission| Step {
            name: step.name.clone(),
            kind: StepKind::of_name(&step.name),
            run: step.run.clone(),
        };
        Recipe {
            toolchains: self.toolchains.clone(),
            packages: self.packages.clone(),
            requires: self.requires.clone(),
            steps: self.steps.iter().map(step).collect(),
            env: Environment(self.env.clone()),
            artifacts: self.artifacts.clone(),
            test: self.test,
            submodules: self.submodules,
            cache: self.cache,
            limits: self.limits.clone(),
        }
    }
}
