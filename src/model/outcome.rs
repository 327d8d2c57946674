//! How a job ended: its outcome, and the finer cause that says what kind of end it was.
//!
//! A cause belongs to exactly one outcome, so the pair cannot contradict itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a finished job ended, in five words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It built.
    Success,
    /// The build said no: the code, its recipe or its appetite is the reason.
    Failure,
    /// kiln or a machine broke: not the code's fault, tried again by itself.
    Error,
    /// It ran, or waited, for too long.
    Timeout,
    /// A person, or a newer commit, stopped it.
    Cancelled,
}

macro_rules! causes {
    ($($(#[$doc:meta])* $variant:ident $text:literal => $outcome:ident,)*) => {
        /// Why a job ended other than in success.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Cause {
            $($(#[$doc])* $variant,)*
        }

        impl Cause {
            /// Every cause there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The outcome this cause belongs to.
            pub const fn outcome(self) -> Outcome {
                match self { $(Self::$variant => Outcome::$outcome,)* }
            }

            /// The cause as it is written in JSON and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

causes! {
    /// The configure step failed.
    Configure "configure" => Failure,
    /// A compiler reported an error.
    Compile "compile" => Failure,
    /// The linker failed.
    Link "link" => Failure,
    /// The test step failed.
    Test "test" => Failure,
    /// The install step failed.
    Install "install" => Failure,
    /// Another step failed.
    Command "command" => Failure,
    /// The build needed more memory than it may have.
    MemoryLimit "memory_limit" => Failure,
    /// The workspace was full, in bytes or files.
    WorkspaceFull "workspace_full" => Failure,
    /// One file grew beyond the bound for a file.
    FileTooLarge "file_too_large" => Failure,
    /// The build had as many processes as it may have.
    ProcessesExhausted "processes_exhausted" => Failure,
    /// The build wrote more output than the raw bound.
    OutputLimit "output_limit" => Failure,
    /// A process was killed for a system call outside the profile.
    BlockedSyscall "blocked_syscall" => Failure,
    /// A required artifact was not there.
    ArtifactMissing "artifact_missing" => Failure,
    /// The artifacts were too many or too large.
    ArtifactLimit "artifact_limit" => Failure,
    /// The source is larger than the bounds allow.
    SourceTooLarge "source_too_large" => Failure,
    /// The source has names or a structure that is not accepted.
    SourceRefused "source_refused" => Failure,
    /// The recipe is wrong, or nothing in the tree says how to build it.
    RecipeInvalid "recipe_invalid" => Failure,
    /// It ran longer than it may.
    WallTime "wall_time" => Timeout,
    /// It wrote nothing for longer than it may.
    NoOutput "no_output" => Timeout,
    /// It waited in the queue for longer than it may.
    QueueTime "queue_time" => Timeout,
    /// A person stopped it.
    Cancelled "cancelled" => Cancelled,
    /// A newer commit replaced it.
    Superseded "superseded" => Cancelled,
    /// The source could not be fetched.
    SourceUnreachable "source_unreachable" => Error,
    /// The toolchain's image is missing or not usable.
    Image "image" => Error,
    /// The container engine failed.
    Engine "engine" => Error,
    /// The artifact store failed.
    Store "store" => Error,
    /// The agent disappeared.
    AgentLost "agent_lost" => Error,
    /// The isolation self-test failed on this machine.
    SelfTest "self_test" => Error,
}

impl Cause {
    /// Whether kiln tries again by itself: only what broke on our side is.
    pub const fn is_retried(self) -> bool {
        matches!(self.outcome(), Outcome::Error)
    }

    /// The cause that is written `text`.
    pub fn from_name(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.as_str() == text)
    }
}

impl Outcome {
    /// The outcome as it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }

    /// The outcome that is written `text`.
    pub fn from_name(text: &str) -> Option<Self> {
        [Self::Success, Self::Failure, Self::Error, Self::Timeout, Self::Cancelled]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }

    /// The outcome of a build from those of its newest jobs, the gravest first: a build that was
    /// cancelled says so only when nothing else went wrong.
    pub fn of_build(jobs: impl IntoIterator<Item = Self>) -> Self {
        let grave = |outcome: &Self| match outcome {
            Self::Success => 0,
            Self::Cancelled => 1,
            Self::Timeout => 2,
            Self::Error => 3,
            Self::Failure => 4,
        };
        jobs.into_iter().max_by_key(grave).unwrap_or(Self::Success)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_agree_with_serde() {
        for &cause in Cause::ALL {
            assert_eq!(Cause::from_name(cause.as_str()), Some(cause));
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
            assert_ne!(cause.outcome(), Outcome::Success);
        }
    }

    #[test]
    fn only_our_own_faults_are_tried_again() {
        for &cause in Cause::ALL {
            assert_eq!(cause.is_retried(), cause.outcome() == Outcome::Error, "{cause}");
        }
    }

    #[test]
    fn a_build_is_as_good_as_its_worst_job() {
        use Outcome::{Cancelled, Error, Failure, Success, Timeout};
        for (jobs, expected) in [
            (vec![], Success),
            (vec![Success, Success], Success),
            (vec![Success, Cancelled], Cancelled),
            (vec![Failure, Error, Timeout], Failure),
            (vec![Timeout, Error], Error),
        ] {
            assert_eq!(Outcome::of_build(jobs.clone()), expected, "{jobs:?}");
        }
    }
}
