//! What can be wrong with a `.kiln.toml`: each variant names the line and says what is allowed.

use crate::model::RecipeError;

/// A `.kiln.toml` cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecipeFileError {
    /// It is beyond the bound for its size.
    #[error(".kiln.toml has {bytes} bytes, at most {most} are accepted")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        most: usize,
    },
    /// It is not UTF-8.
    #[error(".kiln.toml, line {line}: this is not UTF-8 text; save the file as UTF-8")]
    NotUtf8 {
        /// The line of the first bad byte.
        line: usize,
    },
    /// It is not TOML.
    #[error(".kiln.toml, line {line}: {problem}")]
    Syntax {
        /// The line.
        line: usize,
        /// What the parser says.
        problem: String,
    },
    /// A key that nobody knows.
    #[error(".kiln.toml, line {line}: unknown key `{key}`; allowed here: {allowed}")]
    UnknownKey {
        /// The line.
        line: usize,
        /// The key with its table.
        key: String,
        /// The keys that are known there.
        allowed: String,
    },
    /// A value of the wrong type.
    #[error(".kiln.toml, line {line}: `{key}` must be {allowed}, this is {found}")]
    Type {
        /// The line.
        line: usize,
        /// The key with its table.
        key: String,
        /// What is allowed.
        allowed: &'static str,
        /// The type that is there.
        found: &'static str,
    },
    /// A value that is not accepted.
    #[error(".kiln.toml, line {line}: `{key}`: {problem}")]
    Value {
        /// The line.
        line: usize,
        /// The key with its table.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A key that must be there is not.
    #[error(".kiln.toml, line {line}: `{key}` is missing")]
    Missing {
        /// The line of the table it belongs in.
        line: usize,
        /// The key with its table.
        key: String,
    },
    /// Everything can be read, but the whole is not accepted.
    #[error(".kiln.toml: {0}")]
    Recipe(#[from] RecipeError),
}
