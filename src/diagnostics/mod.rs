//! What a build's output says: errors, warnings, the first error, symptoms of a bound that was met.
//!
//! The text log is the only thing every compiler, linker and build tool has in common, so it is
//! what is read: one pass, line by line, over the raw bytes as they come. Pure; it never fails on
//! any input and keeps a bounded amount of memory.

mod ansi;
mod compiler;
mod linker;
mod missing;
mod parser;
mod record;
mod symptom;
mod tools;

pub use missing::{Missing, MissingKind};
pub use parser::Parser;
pub use record::{Diagnostic, DiagnosticKind, Diagnostics, FlagCount, QuotedLine};
pub use symptom::Symptom;

use crate::model::Severity;
