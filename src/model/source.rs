//! What a commit is called: its id, the refs that lead to it, and what it says of itself.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Timestamp;

macro_rules! text_serde {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
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

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

/// The id of a commit: 40 (SHA-1) lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CommitId(String);

/// The text is not a commit id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a commit id: give all 40 hexadecimal digits, or a branch or tag as `ref`")]
pub struct CommitIdError(String);

impl FromStr for CommitId {
    type Err = CommitIdError;

    fn from_str(text: &str) -> Result<Self, CommitIdError> {
        let text_ok = text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if text_ok {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(CommitIdError(text.chars().take(60).collect()))
        }
    }
}

impl CommitId {
    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

text_serde!(CommitId);

/// A branch, tag or full ref name, or `HEAD`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RefName(String);

/// The text cannot name a ref.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} cannot be a branch or tag: it must follow git's rules for ref names and not begin with '-'"
)]
pub struct RefNameError(String);

impl FromStr for RefName {
    type Err = RefNameError;

    fn from_str(text: &str) -> Result<Self, RefNameError> {
        if is_ref_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(RefNameError(text.chars().take(60).collect()))
        }
    }
}

/// The rules of `git check-ref-format`, and stricter: no component begins with '-'.
fn is_ref_name(text: &str) -> bool {
    const FORBIDDEN: &[char] = &[' ', '~', '^', ':', '?', '*', '[', '\\'];
    !text.is_empty()
        && text.len() <= 255
        && text != "@"
        && !text.contains("..")
        && !text.contains("@{")
        && !text.ends_with('.')
        && !text.chars().any(|c| c.is_control() || FORBIDDEN.contains(&c))
        && text.split('/').all(|part| {
            !part.is_empty()
                && !part.starts_with(['.', '-'])
                && part.rsplit_once('.').is_none_or(|(_, end)| end != "lock")
        })
}

text_serde!(RefName);

/// What a commit says of itself, and what it changed against its first parent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CommitInfo {
    /// The author's name, as written; it is text, not markup.
    pub author: String,
    /// The author's address.
    pub email: String,
    /// The message, cut to 4 KiB.
    pub message: String,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// Paths it changed, at most 1 000; empty when the parent is not known (a shallow fetch).
    pub changed_paths: Vec<String>,
}

impl CommitInfo {
    /// The first line of the message.
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ref_names_follow_git_and_never_look_like_options() {
        for good in
            ["main", "v1.2.3", "feature/x", "refs/heads/main", "HEAD", "a@b", "<b>", "ünïcode"]
        {
            assert!(good.parse::<RefName>().is_ok(), "{good:?}");
        }
        for bad in [
            "",
            "-x",
            "refs/heads/--upload-pack=x",
            "a..b",
            "a b",
            "a:b",
            "a^",
            "a~1",
            "a.lock",
            "a/",
            "/a",
            "a//b",
            ".a",
            "a/.b",
            "a@{1}",
            "@",
            "a\\b",
            "a\nb",
            "a\0",
            "a.",
            "a?",
            "a*",
            "a[",
        ] {
            assert!(bad.parse::<RefName>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(256).parse::<RefName>().is_err());
    }

    #[test]
    fn commit_ids_are_forty_hex_digits() {
        let id = "0123456789ABCDEF0123456789abcdef01234567".parse::<CommitId>().unwrap();
        assert_eq!(id.short(), "0123456789ab");
        for bad in ["", "abc", "g123456789abcdef0123456789abcdef01234567"] {
            assert!(bad.parse::<CommitId>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_any_text_never_panics(text in "\\PC*") {
            let _ = text.parse::<RefName>();
            let _ = text.parse::<CommitId>();
        }
    }
}
