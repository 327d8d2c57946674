//! How a command ends: its exit code, and what is said when it could not do its work.

use std::io;

use super::{
    Console, sanitize,
    style::{Style, paint},
};
use crate::{
    client::{ClientError, DownloadError},
    model::Outcome,
};

/// The exit codes: scripts depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Success,
    /// The build said no, took too long, or was cancelled.
    BuildFailed,
    /// The command line, or what it asks for, is wrong.
    Usage,
    /// kiln or a machine failed.
    Fault,
    /// Ctrl-C: the build goes on.
    Interrupted,
    /// The reader of the output went away before the build had ended.
    ClosedPipe,
    /// What a command that was run exited with.
    Status(u8),
}

impl Exit {
    /// The code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::BuildFailed => 1,
            Self::Usage => 2,
            Self::Fault => 3,
            Self::Interrupted => 130,
            Self::ClosedPipe => 141,
            Self::Status(code) => code,
        }
    }

    /// How a command ends that waited for a build.
    pub(super) const fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => Self::Success,
            Outcome::Failure | Outcome::Timeout | Outcome::Cancelled => Self::BuildFailed,
            Outcome::Error => Self::Fault,
        }
    }
}

/// A command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The server could not be asked, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The server sent what it must not send.
    #[error("{0}")]
    Answer(String),
    /// A file or folder of this machine.
    #[error("{what}: {problem}")]
    File {
        /// What was done to which file.
        what: String,
        /// What went wrong.
        problem: io::Error,
    },
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl From<DownloadError> for CliError {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::Client(error) => Self::Client(error),
            DownloadError::Write(error) => Self::Output(error),
        }
    }
}

impl CliError {
    /// The exit code this error means.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Client(ClientError::Refused { status: 429, .. }) => Exit::Fault,
            Self::Client(
                ClientError::Refused { status: 400..=499, .. } | ClientError::Address(_),
            )
            | Self::Usage(_)
            | Self::File { .. } => Exit::Usage,
            Self::Client(_) | Self::Answer(_) | Self::Output(_) => Exit::Fault,
        }
    }

    /// Says it, with what to do.
    pub(super) fn tell(&self, console: &mut Console) {
        let error = paint(Style::Red, "error:");
        console.note(&format!("{error} {}\n", sanitize::text(&self.to_string())));
        if let Some(hint) = self.hint() {
            console.note(&format!("  {hint}\n"));
        }
    }

    /// Whether the reader of the output went away, which is no reason to complain.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What to do about it, where the error itself does not say.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Client(ClientError::Unreachable { .. }) => Some(
                "is `kiln serve` running? Name another server with --server or KILN_SERVER"
                    .to_owned(),
            ),
            Self::Client(ClientError::Answer(_)) => {
                Some("is it a kiln server, and of the same version?".to_owned())
            }
            Self::Client(ClientError::Refused { status: 500.., .. }) => {
                Some("the server's log says more".to_owned())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ErrorBody;

    #[test]
    fn exit_codes_say_whose_fault_it_was() {
        let refused = |status| {
            let (code, message) = ("x".to_owned(), "no".to_owned());
            let body = ErrorBody { code, message, details: None };
            CliError::Client(ClientError::Refused { status, body })
        };
        let (server, problem) = (String::new(), String::new());
        for (error, code) in [
            (refused(400), 2),
            (refused(404), 2),
            (refused(409), 2),
            (refused(422), 2),
            (refused(429), 3),
            (refused(500), 3),
            (refused(503), 3),
            (CliError::Client(ClientError::Address(String::new())), 2),
            (CliError::Client(ClientError::Answer(String::new())), 3),
            (CliError::Client(ClientError::Unreachable { server, problem }), 3),
            (CliError::Usage(String::new()), 2),
        ] {
            assert_eq!(error.exit().code(), code, "{error:?}");
        }
        for (outcome, code) in [
            (Outcome::Success, 0),
            (Outcome::Failure, 1),
            (Outcome::Timeout, 1),
            (Outcome::Cancelled, 1),
            (Outcome::Error, 3),
        ] {
            assert_eq!(Exit::of_outcome(outcome).code(), code, "{outcome}");
        }
    }
}
