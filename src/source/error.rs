//! What can go wrong with a source, by who has to do something about it.
//!
//! The texts are for people and reach them: they never hold a credential, and what a remote server
//! says in them is cut and cleaned.

use crate::model::Cause;

/// A source could not be had.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SourceError {
    /// Policy does not allow it: a scheme, an address, a redirect, a URL that is not plain.
    #[error("{0}")]
    Refused(String),
    /// The repository has no such branch, tag or commit.
    #[error("{0}")]
    UnknownRef(String),
    /// The server cannot be reached, or what it says makes no sense.
    #[error("{0}")]
    Unreachable(String),
    /// It is more than the bounds allow.
    #[error("{0}")]
    TooLarge(String),
    /// The tree has names or a structure that is not accepted.
    #[error("{0}")]
    RefusedTree(String),
    /// The server wants credentials that kiln does not have, or the credentials file is not usable.
    #[error("{0}")]
    Credentials(String),
    /// It took longer than it may.
    #[error("{0}")]
    Timeout(String),
    /// The helper process or this machine failed.
    #[error("{0}")]
    Helper(String),
    /// It was told to stop.
    #[error("stopped")]
    Stopped,
}

impl SourceError {
    /// The cause an attempt ends with when this happens to it; none if it was stopped on purpose.
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            Self::Refused(_) | Self::UnknownRef(_) | Self::RefusedTree(_) => {
                Some(Cause::SourceRefused)
            }
            Self::TooLarge(_) => Some(Cause::SourceTooLarge),
            Self::Unreachable(_) | Self::Credentials(_) | Self::Timeout(_) | Self::Helper(_) => {
                Some(Cause::SourceUnreachable)
            }
            Self::Stopped => None,
        }
    }

    /// A stable word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "source_refused",
            Self::UnknownRef(_) => "unknown_ref",
            Self::Unreachable(_) | Self::Helper(_) | Self::Stopped => "source_unreachable",
            Self::TooLarge(_) => "source_too_large",
            Self::RefusedTree(_) => "source_tree_refused",
            Self::Credentials(_) => "source_credentials",
            Self::Timeout(_) => "source_timeout",
        }
    }

    /// An input or output error of this machine, with what was tried.
    pub(super) fn io(what: &str, error: &std::io::Error) -> Self {
        Self::Helper(format!("{what}: {error}"))
    }
}

/// The longest text of a foreign program or server that is passed on, in characters.
const MAX_FOREIGN: usize = 300;

/// Text from a server or a library, fit to be shown: one line, no control or direction characters.
pub(super) fn foreign(text: &str) -> String {
    let is_direction = |c: char| matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain = |c: char| if c.is_control() || is_direction(c) { ' ' } else { c };
    text.trim().chars().take(MAX_FOREIGN).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_say_whose_turn_it_is() {
        for (error, cause) in [
            (SourceError::Refused(String::new()), Some(Cause::SourceRefused)),
            (SourceError::UnknownRef(String::new()), Some(Cause::SourceRefused)),
            (SourceError::RefusedTree(String::new()), Some(Cause::SourceRefused)),
            (SourceError::TooLarge(String::new()), Some(Cause::SourceTooLarge)),
            (SourceError::Unreachable(String::new()), Some(Cause::SourceUnreachable)),
            (SourceError::Timeout(String::new()), Some(Cause::SourceUnreachable)),
            (SourceError::Helper(String::new()), Some(Cause::SourceUnreachable)),
            (SourceError::Stopped, None),
        ] {
            assert_eq!(error.cause(), cause, "{error:?}");
        }
    }

    #[test]
    fn foreign_text_is_one_short_line() {
        assert_eq!(foreign("a\nb\u{1b}[31m\u{202e}c "), "a b [31m c");
        assert_eq!(foreign(&"x".repeat(1_000)).len(), MAX_FOREIGN);
    }
}
