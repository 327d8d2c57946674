//! What compilers and linkers said of a job, as the API shows it.

use serde::{Deserialize, Serialize};

use crate::model::Severity;

/// What the compiler said, counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DiagnosticsView {
    /// Errors seen.
    pub errors: u32,
    /// Warnings seen.
    pub warnings: u32,
    /// The first error, which is usually the one that matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_error: Option<DiagnosticView>,
}

/// One message of a compiler.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DiagnosticView {
    /// The file: its path in the repository, or as the compiler named it if it is not there; empty
    /// if none was named.
    pub file: String,
    /// The line, from 1; 0: unknown.
    pub line: u32,
    /// The column, from 1; 0: unknown.
    pub column: u32,
    /// How grave it is.
    #[serde(default)]
    pub severity: Severity,
    /// What it said.
    pub message: String,
    /// The flag that rules it, such as `-Wunused-variable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag: Option<String>,
    /// The source around it: its line, and the ones before and after; empty if it is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excerpt: Vec<SourceLine>,
}

/// A line of a source file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SourceLine {
    /// Its number, from 1.
    pub line: u32,
    /// Its text without the line's end; at most 1 KiB, and what is not UTF-8 is replaced.
    pub text: String,
}
