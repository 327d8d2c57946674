//! Names that people write: toolchains, queues, steps. Parsed once, strict, safe in paths and labels.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest name that is accepted, in bytes: it becomes part of keys, labels and image tags.
const MAX_NAME: usize = 64;

/// The text is not a name of this kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{given:?} is not a {what} name: {rule}")]
pub struct NameError {
    given: String,
    what: &'static str,
    rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if text.len() <= MAX_NAME && check(text) {
                    return Ok(Self(text.to_owned()));
                }
                let given = text.chars().take(MAX_NAME).collect();
                Err(NameError { given, what: $what, rule: $rule })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

/// Lower-case letters, digits and `extra`, beginning and ending with a letter or digit.
fn plain(text: &str, extra: &[u8]) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || extra.contains(&b);
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    text.bytes().all(inner) && edge(text.as_bytes().first()) && edge(text.as_bytes().last())
}

name!(
    /// A toolchain's name, such as `gcc:14` or `mingw64`.
    ToolchainName,
    "toolchain",
    "lower-case letters, digits, '.', '_', '-', with at most one ':' before the version, as in gcc:14",
    |text| match text.split_once(':') {
        Some((family, version)) => plain(family, b"._-") && plain(version, b"._-"),
        None => plain(text, b"._-"),
    }
);
name!(
    /// A queue's name.
    QueueName,
    "queue",
    "lower-case letters, digits, '_' and '-'",
    |text| plain(text, b"_-")
);
name!(
    /// A project's name, such as `zlib`.
    ProjectName,
    "project",
    "lower-case letters, digits, '.', '_' and '-', beginning and ending with a letter or digit",
    |text| plain(text, b"._-")
);
name!(
    /// The name of somebody who has tokens, or of a token.
    AccountName,
    "account",
    "lower-case letters, digits, '.', '_', '-' and '@', beginning and ending with a letter or digit",
    |text| plain(text, b"._-@")
);
name!(
    /// A step's name, such as `configure` or `unit tests`.
    StepName,
    "step",
    "1 to 64 printable characters without a leading or trailing space",
    |text| !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control)
);

impl ProjectName {
    /// A name for the project of a repository: the last part of its URL, made to fit.
    pub fn of_url(url: &str) -> Self {
        let path = url.trim_end_matches('/');
        let last = path.rsplit(['/', ':']).next().unwrap_or_default();
        let last = last.strip_suffix(".git").unwrap_or(last).to_ascii_lowercase();
        let fits = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        let made: String = last.chars().map(fits).take(48).collect();
        let made = made.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        made.parse().unwrap_or_else(|_| Self("project".to_owned()))
    }

    /// The name itself for 1, then with a number behind it.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        if number < 2 { self.clone() } else { Self(format!("{}-{number}", self.0)) }
    }
}

impl ToolchainName {
    /// The name with `:` replaced, for object keys, container names and image tags.
    pub fn as_key(&self) -> String {
        self.0.replace(':', "-")
    }

    /// The part before the colon: `gcc` of `gcc:14`.
    pub fn family(&self) -> &str {
        self.0.split(':').next().unwrap_or(&self.0)
    }
}

impl Default for QueueName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toolchain_names_are_strict() {
        for good in ["gcc:14", "clang:19", "mingw64", "gcc:14-musl", "my.gcc:15.1"] {
            assert!(good.parse::<ToolchainName>().is_ok(), "{good}");
        }
        for bad in
            ["", ":", "gcc:", ":14", "GCC:14", "gcc:14:1", "../x", "gcc:14/x", "a b", "gcc:-"]
        {
            assert!(bad.parse::<ToolchainName>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(65).parse::<ToolchainName>().is_err());
    }

    #[test]
    fn step_names_have_no_control_characters() {
        assert!("unit tests".parse::<StepName>().is_ok());
        for bad in ["", " a", "a\n", "\u{1b}[0m"] {
            assert!(bad.parse::<StepName>().is_err(), "{bad:?}");
        }
    }
}
