//! What an attempt has to say in the end, filled in as it goes: also a broken attempt reports what
//! it knows.

use std::time::Duration;

use crate::{
    diagnostics::{Diagnostics, Found},
    images::ImageInUse,
    protocol::{
        ArtifactsSummary, DiagnosticView, DiagnosticsView, FinishReport, LogEnd, PlanReport,
        SourceLine, UsageView,
    },
};

use crate::agent::verdict::Judged;

/// The parts of the report that come before the verdict.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// What it used.
    pub usage: UsageView,
    /// What the compiler said.
    pub diagnostics: Option<DiagnosticsView>,
    /// What was kept.
    pub artifacts: Option<ArtifactsSummary>,
    /// What a plan found out.
    pub plan: Option<Box<PlanReport>>,
    /// Keeps the image it runs in from being removed; not part of what is said.
    pub in_use: Option<ImageInUse>,
}

impl Parts {
    /// The whole report.
    pub(super) fn into_report(self, judged: &Judged, log_end: LogEnd) -> FinishReport {
        FinishReport {
            verdict: judged.verdict,
            message: judged.message.clone(),
            log_end,
            usage: self.usage,
            diagnostics: self.diagnostics,
            artifacts: self.artifacts,
            plan: self.plan,
        }
    }
}

/// Milliseconds, for the wire.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The counts of all steps, and the first error of the step that failed.
pub(super) fn diagnostics_view(steps: &[Found], failed: Option<u16>) -> DiagnosticsView {
    let count = |of: fn(&Diagnostics) -> u64| {
        let sum: u64 = steps.iter().map(|step| of(&step.summary)).fold(0, u64::saturating_add);
        u32::try_from(sum).unwrap_or(u32::MAX)
    };
    let telling = failed.and_then(|index| steps.get(usize::from(index)));
    let telling = telling.map(|step| &step.summary);
    let first = telling.and_then(|step| step.first_error.as_ref());
    DiagnosticsView {
        errors: count(|step| step.errors),
        warnings: count(|step| step.warnings),
        first_error: first.map(|error| DiagnosticView {
            file: error.file.clone().unwrap_or_default(),
            line: error.line.unwrap_or(0),
            column: error.column.unwrap_or(0),
            severity: error.severity,
            message: error.message.clone(),
            flag: error.flag.clone(),
            excerpt: telling.map(quoted).unwrap_or_default(),
        }),
    }
}

/// The source that the compiler itself quoted with the first error.
fn quoted(step: &Diagnostics) -> Vec<SourceLine> {
    let lines = step.quoted.iter();
    lines.map(|quoted| SourceLine { line: quoted.line, text: quoted.text.clone() }).collect()
}
