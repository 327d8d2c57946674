//! How grave a message of a compiler, linker or build tool is.

use serde::{Deserialize, Serialize};

/// How grave it is.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A warning.
    Warning,
    /// An error.
    #[default]
    Error,
    /// An error after which the tool stopped.
    Fatal,
}
