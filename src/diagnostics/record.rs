//! What is found in an output: one diagnostic, and the bounded summary of all of them.
//!
//! The summary is what a job's record holds; it is small however long the log was.

use super::{Missing, Symptom};
use crate::model::{Cause, DiagnosticKind, FileOrigin, Severity, StepKind};

/// The most different warning flags that are counted by name.
pub(super) const MAX_FLAGS: usize = 64;
/// The most flags a summary names.
const TOP_FLAGS: usize = 10;

/// One thing that a tool said.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Diagnostic {
    /// What said it.
    pub kind: DiagnosticKind,
    /// How grave it is.
    pub severity: Severity,
    /// The file as the repository names it, or as the tool wrote it where it is not there; it is
    /// text, not a path to open.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1, as the tool counts.
    pub column: Option<u32>,
    /// What is wrong; at most 1 KiB.
    pub message: String,
    /// The flag that rules it, such as `-Wunused-variable`.
    pub flag: Option<String>,
}

/// A place that belongs to a diagnostic.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Related {
    /// The file, as in [`Diagnostic`].
    pub file: Option<String>,
    /// Whose file it is.
    pub origin: Option<FileOrigin>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
    /// What is there.
    pub message: String,
}

/// A diagnostic with everything that belongs to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What was said.
    pub diagnostic: Diagnostic,
    /// Whose file it is in.
    pub origin: Option<FileOrigin>,
    /// The symbol that a linker is about.
    pub symbol: Option<String>,
    /// How often it was said: a header's message comes with every file that includes it.
    pub count: u64,
    /// The way to it, and its notes, in the order they were written.
    pub related: Vec<Related>,
}

/// How often a warning flag was the reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlagCount {
    /// The flag, such as `-Wunused-variable`.
    pub flag: String,
    /// How often.
    pub count: u64,
}

/// Everything found in the output of a step or a job.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Diagnostics {
    /// Errors of compilers, assemblers, linkers and configure tools; lines of make, ninja and
    /// compiler drivers that only sum up are not counted.
    pub errors: u64,
    /// Warnings.
    pub warnings: u64,
    /// The first error of the kind that explains most: a compiler's, linker's or configure's
    /// before that of make or ninja, which only repeat that something failed.
    pub first_error: Option<Diagnostic>,
    /// The flags of most warnings, the most frequent first; at most ten.
    pub top_flags: Vec<FlagCount>,
    /// The first sign of a bound that was met.
    pub symptom: Option<Symptom>,
    /// What the output says is not there, at most eight; empty if the first error has another reason.
    /// It explains a step that failed and says nothing of one that succeeded.
    pub missing: Vec<Missing>,
    /// The lines of source that the compiler quoted with the first error.
    pub quoted: Vec<QuotedLine>,
}

/// A line of source, as a compiler quoted it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuotedLine {
    /// Its number, from 1.
    pub line: u32,
    /// Its text; at most 1 KiB.
    pub text: String,
}

impl Diagnostics {
    /// The cause of a failed step of this kind: what the output says, where that is finer.
    ///
    /// A symptom of a bound is not taken into account: text can say anything, so the agent first
    /// compares `symptom` with what it observed itself.
    pub fn cause(&self, step: StepKind) -> Cause {
        match step {
            StepKind::Configure => Cause::Configure,
            StepKind::Test => Cause::Test,
            StepKind::Install => Cause::Install,
            StepKind::Compile => self.said().unwrap_or(Cause::Compile),
            // An explicit step with a name of its own, such as `all`, says only "command".
            StepKind::Command => self.said().unwrap_or(Cause::Command),
        }
    }

    /// The bound that the failure can be put down to: none if a compiler or linker gave another
    /// reason, because a sign can stand in any output that has nothing to do with the end.
    pub fn bound(&self) -> Option<Symptom> {
        let symptom = self.symptom?;
        let is_other = self.first_error.as_ref().is_some_and(|error| {
            matches!(error.kind, DiagnosticKind::Compile | DiagnosticKind::Link)
                && weight(error) > 1
                && Symptom::in_line(&error.message) != Some(symptom)
        });
        (!is_other).then_some(symptom)
    }

    /// What the tool that gave the first error does.
    fn said(&self) -> Option<Cause> {
        match self.first_error.as_ref()?.kind {
            DiagnosticKind::Compile => Some(Cause::Compile),
            DiagnosticKind::Link => Some(Cause::Link),
            DiagnosticKind::Configure => Some(Cause::Configure),
            DiagnosticKind::Build | DiagnosticKind::Command => None,
        }
    }

    /// The first error as one sentence: `main.c:3:5: expected ';'`.
    pub fn sentence(&self) -> Option<String> {
        let error = self.first_error.as_ref()?;
        let mut sentence = String::new();
        if let Some(file) = &error.file {
            sentence.push_str(file);
            for number in [error.line, error.column].into_iter().flatten() {
                sentence.push(':');
                sentence.push_str(&number.to_string());
            }
            sentence.push_str(": ");
        }
        sentence.push_str(&error.message);
        Some(sentence)
    }

    /// Counts one diagnostic; an error of a tool that only sums up is none of its own.
    pub(super) fn count(&mut self, found: &Diagnostic, flags: &mut Vec<FlagCount>) {
        if found.severity != Severity::Warning {
            self.errors += u64::from(weight(found) > 1);
            return;
        }
        self.warnings += 1;
        let Some(flag) = &found.flag else { return };
        if let Some(known) = flags.iter_mut().find(|known| known.flag == *flag) {
            known.count += 1;
        } else if flags.len() < MAX_FLAGS {
            flags.push(FlagCount { flag: flag.clone(), count: 1 });
        }
    }

    /// Takes the most frequent flags into the summary.
    pub(super) fn rank(&mut self, mut flags: Vec<FlagCount>) {
        flags.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.flag.cmp(&b.flag)));
        flags.truncate(TOP_FLAGS);
        self.top_flags = flags;
    }
}

/// Whether it counts: an error or a warning, not a summary of others.
pub(super) fn counts(found: &Diagnostic) -> bool {
    found.severity == Severity::Warning || weight(found) > 1
}

/// How much an error explains. Of two that weigh the same, the first one counts.
pub(super) fn weight(error: &Diagnostic) -> u8 {
    match error.kind {
        DiagnosticKind::Build => 0,
        // "compilation terminated", "ld returned 1 exit status": a tool that sums up.
        _ if error.file.is_none() && is_summary(&error.message) => 1,
        // A missing program ends a step only if nothing else did: scripts probe for programs.
        DiagnosticKind::Command => 2,
        _ => 3,
    }
}

fn is_summary(message: &str) -> bool {
    message.starts_with("ld returned ")
        || message.starts_with("linker command failed")
        || message.contains("errors generated")
        || message.starts_with("all warnings being treated as errors")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: DiagnosticKind) -> Diagnostics {
        Diagnostics {
            errors: 1,
            first_error: Some(Diagnostic {
                kind,
                severity: Severity::Error,
                file: Some("a.c".into()),
                line: Some(3),
                column: None,
                message: "no".into(),
                flag: None,
            }),
            ..Diagnostics::default()
        }
    }

    #[test]
    fn the_output_refines_the_step_that_failed() {
        use DiagnosticKind::{Build, Command, Compile, Configure, Link};
        for (step, kind, expected) in [
            (StepKind::Compile, Compile, Cause::Compile),
            (StepKind::Compile, Link, Cause::Link),
            (StepKind::Compile, Configure, Cause::Configure),
            (StepKind::Compile, Build, Cause::Compile),
            (StepKind::Configure, Compile, Cause::Configure),
            (StepKind::Configure, Command, Cause::Configure),
            (StepKind::Test, Compile, Cause::Test),
            (StepKind::Install, Link, Cause::Install),
            (StepKind::Command, Link, Cause::Link),
            (StepKind::Command, Compile, Cause::Compile),
            (StepKind::Command, Command, Cause::Command),
        ] {
            assert_eq!(failed(kind).cause(step), expected, "{step:?} {kind:?}");
        }
        assert_eq!(Diagnostics::default().cause(StepKind::Compile), Cause::Compile);
    }

    #[test]
    fn a_sign_does_not_outdo_a_compilers_own_reason() {
        use DiagnosticKind::{Command, Compile, Link};
        let full = "final link failed: No space left on device";
        for (kind, message, expected) in [
            (Compile, "expected ';'", false),
            (Link, "undefined reference to `f'", false),
            (Link, full, true),
            (Command, "make: not found", true),
        ] {
            let mut found = failed(kind);
            found.symptom = Some(Symptom::WorkspaceFull);
            found.first_error.as_mut().unwrap().message = message.to_owned();
            assert_eq!(found.bound().is_some(), expected, "{message}");
        }
        let symptom = Some(Symptom::FileTooLarge);
        assert_eq!(Diagnostics { symptom, ..Diagnostics::default() }.bound(), symptom);
        assert_eq!(failed(Compile).bound(), None);
    }

    #[test]
    fn the_sentence_has_place_and_message() {
        assert_eq!(failed(DiagnosticKind::Compile).sentence().unwrap(), "a.c:3: no");
        assert_eq!(Diagnostics::default().sentence(), None);
    }
}
