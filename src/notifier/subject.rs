//! What something that is told is about.

use std::{fmt, str::FromStr};

use crate::model::{BuildId, CommitId, ToolchainName};

/// It, as it is written in the database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Subject {
    /// How a commit builds with a toolchain, or without one, that it could not be planned.
    Commit(CommitId, Option<ToolchainName>),
    /// How a build went.
    Build(BuildId),
}

/// The text is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoSubject;

impl Subject {
    /// What is called what happened to it.
    pub(super) const fn event(&self) -> &'static str {
        match self {
            Self::Commit(..) => "status",
            Self::Build(_) => "build.finished",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(commit, Some(toolchain)) => write!(f, "{commit}/{toolchain}"),
            Self::Commit(commit, None) => write!(f, "{commit}"),
            Self::Build(build) => write!(f, "{build}"),
        }
    }
}

impl FromStr for Subject {
    type Err = NoSubject;

    fn from_str(text: &str) -> Result<Self, NoSubject> {
        if let Ok(build) = text.parse() {
            return Ok(Self::Build(build));
        }
        let (commit, toolchain) = match text.split_once('/') {
            Some((commit, toolchain)) => (commit, Some(toolchain.parse().map_err(|_| NoSubject)?)),
            None => (text, None),
        };
        Ok(Self::Commit(commit.parse().map_err(|_| NoSubject)?, toolchain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn subjects_read_back_and_nothing_else_is_one() {
        let commit: CommitId = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        for subject in [
            Subject::Commit(commit.clone(), Some("gcc:14".parse().unwrap())),
            Subject::Commit(commit, None),
            Subject::Build(BuildId::new(Timestamp::from_millis(1))),
        ] {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        for bad in ["", "/", "main", "main/gcc:14", "0123456789abcdef0123456789abcdef01234567/"] {
            assert_eq!(bad.parse::<Subject>(), Err(NoSubject), "{bad}");
        }
    }
}
