//! Signs in the output that the build met one of its bounds.
//!
//! They are text that anyone can print, so they only explain an end that the agent observed; they
//! never decide an outcome by themselves.

use serde::{Deserialize, Serialize};

use crate::model::Cause;

/// A bound that the output says was met.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Symptom {
    /// No space or no inodes left.
    WorkspaceFull,
    /// A file grew beyond the bound (`EFBIG`, `SIGXFSZ`).
    FileTooLarge,
    /// No further process or thread could be started.
    ProcessesExhausted,
    /// A system call was refused with a signal (`SIGSYS`).
    BlockedSyscall,
    /// Memory ran out.
    MemoryLimit,
}

/// What the C library, shells, compilers and linkers write, by what it is a sign of.
const PHRASES: &[(&str, Symptom)] = &[
    ("No space left on device", Symptom::WorkspaceFull),
    ("Disk quota exceeded", Symptom::WorkspaceFull),
    ("File too large", Symptom::FileTooLarge),
    ("File size limit exceeded", Symptom::FileTooLarge),
    ("fork: retry", Symptom::ProcessesExhausted),
    ("Cannot fork", Symptom::ProcessesExhausted),
    ("Bad system call", Symptom::BlockedSyscall),
    ("Killed signal terminated program cc1", Symptom::MemoryLimit),
    ("virtual memory exhausted", Symptom::MemoryLimit),
    ("Cannot allocate memory", Symptom::MemoryLimit),
    ("out of memory allocating", Symptom::MemoryLimit),
];

/// `EAGAIN`. Alone it says nothing: sockets and locks fail with the same words.
const AGAIN: &str = "Resource temporarily unavailable";
/// What makes a process or a thread; named before `EAGAIN`, it is what failed.
const MAKERS: &[&str] = &["fork", "clone", "spawn", "pthread_create"];

/// What a line has that can be a sign.
pub(super) fn phrases() -> impl Iterator<Item = &'static str> {
    PHRASES.iter().map(|(phrase, _)| *phrase).chain([AGAIN])
}

impl Symptom {
    /// The sign on this line, if there is one.
    pub(super) fn in_line(line: &str) -> Option<Self> {
        if let Some((before, _)) = line.split_once(AGAIN)
            && MAKERS.iter().any(|maker| before.contains(maker))
        {
            return Some(Self::ProcessesExhausted);
        }
        PHRASES.iter().find(|(phrase, _)| line.contains(phrase)).map(|&(_, symptom)| symptom)
    }

    /// The cause a job has if it failed for this.
    pub const fn cause(self) -> Cause {
        match self {
            Self::WorkspaceFull => Cause::WorkspaceFull,
            Self::FileTooLarge => Cause::FileTooLarge,
            Self::ProcessesExhausted => Cause::ProcessesExhausted,
            Self::BlockedSyscall => Cause::BlockedSyscall,
            Self::MemoryLimit => Cause::MemoryLimit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_taken_from_messages() {
        for (line, expected) in [
            (
                "/usr/bin/ld: final link failed: No space left on device",
                Some(Symptom::WorkspaceFull),
            ),
            (
                "cc1: error: closing output file: No space left on device",
                Some(Symptom::WorkspaceFull),
            ),
            ("dd: writing to 'x': File too large", Some(Symptom::FileTooLarge)),
            ("File size limit exceeded (core dumped)", Some(Symptom::FileTooLarge)),
            ("sh: 0: Cannot fork", Some(Symptom::ProcessesExhausted)),
            (
                "bash: fork: retry: Resource temporarily unavailable",
                Some(Symptom::ProcessesExhausted),
            ),
            ("make: fork: Resource temporarily unavailable", Some(Symptom::ProcessesExhausted)),
            (
                "g++: fatal error: cannot execute 'cc1plus': vfork: Resource temporarily unavailable",
                Some(Symptom::ProcessesExhausted),
            ),
            ("fork 58: Resource temporarily unavailable", Some(Symptom::ProcessesExhausted)),
            (
                "pthread_create failed: Resource temporarily unavailable",
                Some(Symptom::ProcessesExhausted),
            ),
            ("connect: Resource temporarily unavailable", None),
            ("Bad system call (core dumped)", Some(Symptom::BlockedSyscall)),
            ("gcc: fatal error: Killed signal terminated program cc1", Some(Symptom::MemoryLimit)),
            ("checking for space... yes", None),
        ] {
            assert_eq!(Symptom::in_line(line), expected, "{line}");
        }
    }
}
