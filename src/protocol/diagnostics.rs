//! What compilers and linkers said of a job, as the API shows it.

use serde::{Deserialize, Serialize};

use crate::model::{
    DiagnosticKind, FileOrigin, JobId, Revision, Severity, StepName, ToolchainName,
};

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

/// Everything that was said in an attempt: what an agent stores, gzipped, before it finishes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DiagnosticsReport {
    /// Errors, each as often as it was said.
    pub errors: u64,
    /// Warnings, each as often as it was said.
    pub warnings: u64,
    /// How many of them are not listed, because there were too many different ones.
    pub omitted: u64,
    /// What was said, each once, in the order it was said first.
    pub diagnostics: Vec<DiagnosticEntry>,
}

/// One thing that was said, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DiagnosticEntry {
    /// How grave it is.
    pub severity: Severity,
    /// What said it.
    pub kind: DiagnosticKind,
    /// The step it was said in.
    pub step: StepName,
    /// Where, if a file was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<DiagnosticPlace>,
    /// What was said; at most 1 KiB.
    pub message: String,
    /// The flag that rules it, such as `-Wunused-variable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag: Option<String>,
    /// The symbol that a linker is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// How often it was said: a header's message comes with every file that includes it.
    pub count: u64,
    /// The way to it (includes, functions, templates) and its notes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<RelatedPlace>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DiagnosticPlace {
    /// The path in the repository, or as the tool wrote it.
    pub file: String,
    /// Whose file it is; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<FileOrigin>,
    /// The line, from 1; absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column, from 1, as the tool counts; absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

/// A place that belongs to something that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RelatedPlace {
    /// Where, if a file was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<DiagnosticPlace>,
    /// What is there.
    pub message: String,
}

/// Everything that was said in an attempt at a job, as the API shows it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobDiagnostics {
    /// The job.
    pub job: JobId,
    /// The attempt's number.
    pub attempt: u32,
    /// The revision that was built.
    pub commit: Revision,
    /// The toolchain it was built with.
    pub toolchain: ToolchainName,
    /// The compiler's full version, if it is known.
    pub compiler: String,
    /// Errors, each as often as it was said, whatever is listed.
    pub errors: u64,
    /// Warnings, each as often as it was said, whatever is listed.
    pub warnings: u64,
    /// How many of them were not kept, because there were too many different ones.
    pub omitted: u64,
    /// What was said, each once, in the order it was said first.
    pub diagnostics: Vec<DiagnosticEntry>,
}

/// What of the diagnostics is asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DiagnosticsQuery {
    /// Of this attempt; the newest if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Only errors (fatal ones too), or only warnings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub severity: Option<SeverityFilter>,
    /// `sarif` for SARIF 2.1.0, whatever the Accept header says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub format: Option<DiagnosticsFormat>,
}

/// Which diagnostics are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeverityFilter {
    /// Errors, fatal ones included.
    Error,
    /// Warnings.
    Warning,
}

impl SeverityFilter {
    /// Whether one of this severity is wanted.
    pub fn takes(self, severity: Severity) -> bool {
        (self == Self::Warning) == (severity == Severity::Warning)
    }
}

/// How diagnostics are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiagnosticsFormat {
    /// kiln's own JSON.
    Json,
    /// SARIF 2.1.0.
    Sarif,
}
