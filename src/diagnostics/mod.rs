//! What a build's output says: errors, warnings, the first error, symptoms of a bound that was met.
//!
//! The text log is the only thing every compiler, linker and build tool has in common, so it is
//! what is read: one pass, line by line, over the raw bytes as they come. Pure; it never fails on
//! any input and keeps a bounded amount of memory.

mod ansi;
mod around;
mod compiler;
mod interest;
mod kept;
mod linker;
mod missing;
mod parser;
mod places;
mod record;
mod symptom;
mod tools;

pub use kept::MAX_KEPT;
pub use missing::{Missing, MissingKind};
pub use parser::{Found, Parser};
pub use places::SourceTree;
pub use record::{Diagnostic, Diagnostics, Entry, FlagCount, QuotedLine, Related};
pub use symptom::Symptom;

pub use crate::model::{DiagnosticKind, Severity};
