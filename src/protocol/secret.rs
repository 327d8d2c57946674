//! Secrets: what is written, what is shown of them (never a value), and what an agent gets.

use serde::{Deserialize, Serialize};

use crate::model::{RefPattern, SecretForm, SecretName, SecretValue, StepName, Timestamp};

/// `PUT /api/v1/projects/{project}/secrets/{secret}`: the value, and who gets it.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutSecret {
    /// The value in base 64; at most 64 KiB, with a line of at least 6 bytes. It is never shown again.
    #[schema(value_type = String, format = Byte, example = "aHVudGVyMg==")]
    pub value: SecretValue,
    /// How steps get it: as a variable, or as a file whose path is in that variable.
    #[serde(default)]
    pub form: SecretForm,
    /// The names of the steps that get it; none means every step.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub steps: Vec<StepName>,
}

/// A secret without its value.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SecretView {
    /// Its name: that of the variable.
    pub name: SecretName,
    /// How steps get it.
    pub form: SecretForm,
    /// The steps that get it; none means every step.
    pub steps: Vec<StepName>,
    /// Who wrote it last.
    pub updated_by: String,
    /// When.
    pub updated_at: Timestamp,
}

/// The refs of a project whose builds get its secrets.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustedRefs {
    /// Patterns of full names of branches and tags, such as `refs/heads/main` or `refs/tags/v*`; an empty
    /// list means none.
    #[schema(max_items = 64)]
    pub refs: Vec<RefPattern>,
}

/// A secret that a job gets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClaimedSecret {
    /// Its name.
    pub name: SecretName,
    /// How steps get it.
    pub form: SecretForm,
    /// Which steps get it; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepName>,
    /// The value.
    pub value: SecretValue,
}

/// What a job gets of its project's secrets.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimedSecrets {
    /// Those that it gets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<ClaimedSecret>,
    /// Why it gets none, where its project has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
}

impl ClaimedSecrets {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty() && self.withheld.is_none()
    }
}
