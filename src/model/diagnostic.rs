//! Words for what compilers, linkers and build tools say: how grave, who said it, whose file.

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

/// What said it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiagnosticKind {
    /// A compiler or an assembler.
    Compile,
    /// A linker.
    Link,
    /// CMake, Meson or a configure script.
    Configure,
    /// make or ninja: something else failed before, and usually said why.
    Build,
    /// A program that is not there.
    Command,
}

/// Whose file it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileOrigin {
    /// The repository's: the path is relative to its root.
    Repository,
    /// The build made it.
    Generated,
    /// The image's: a header of the system or of a package.
    System,
}
