//! What a build is of: a commit, or the digest of a tree that somebody uploaded.
//!
//! Both are text of a form that tells them apart, so that one column, one query parameter and one
//! part of a key can hold either.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::CommitId;

/// What a tree's revision begins with.
const PREFIX: &str = "tree-";

/// The digest of an uploaded tree: SHA-256 over its canonical entries, 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeDigest {
    /// The whole revision, `tree-` included: what is shown most often.
    revision: String,
}

/// The text is not the digest of a tree.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not the digest of an upload: give the 64 hexadecimal digits it was answered with"
)]
pub struct TreeDigestError(String);

impl TreeDigest {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.revision[PREFIX.len()..]
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.as_str()[..12]
    }
}

impl FromStr for TreeDigest {
    type Err = TreeDigestError;

    fn from_str(text: &str) -> Result<Self, TreeDigestError> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self { revision: format!("{PREFIX}{}", text.to_ascii_lowercase()) })
        } else {
            Err(TreeDigestError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for TreeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for TreeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeDigest({self})")
    }
}

/// What is built.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Revision {
    /// A commit of a git repository.
    Commit(CommitId),
    /// An uploaded tree; as text `tree-` and its digest.
    Tree(TreeDigest),
}

/// The text is not a revision.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a revision: give a commit's 40 hexadecimal digits, or `tree-` and the 64 of an \
     upload's digest"
)]
pub struct RevisionError(String);

impl Revision {
    /// The revision as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Commit(commit) => commit.as_str(),
            Self::Tree(digest) => &digest.revision,
        }
    }

    /// As much of it as people need to tell it from others.
    pub fn short(&self) -> &str {
        match self {
            Self::Commit(commit) => commit.short(),
            Self::Tree(digest) => &digest.revision[..PREFIX.len() + 12],
        }
    }
}

impl FromStr for Revision {
    type Err = RevisionError;

    fn from_str(text: &str) -> Result<Self, RevisionError> {
        let parsed = match text.strip_prefix(PREFIX) {
            Some(digest) => digest.parse().ok().map(Self::Tree),
            None => text.parse().ok().map(Self::Commit),
        };
        parsed.ok_or_else(|| RevisionError(text.chars().take(80).collect()))
    }
}

impl From<CommitId> for Revision {
    fn from(commit: CommitId) -> Self {
        Self::Commit(commit)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

as_text!(TreeDigest);
as_text!(Revision);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_told_apart_by_their_form() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let digest = "0123456789abcdef".repeat(4);
        let tree = format!("tree-{digest}");
        assert_eq!(commit.parse(), Ok(Revision::Commit(commit.parse().unwrap())));
        assert_eq!(tree.parse(), Ok(Revision::Tree(digest.parse().unwrap())));
        for (text, short) in [(commit, "0123456789ab"), (&tree, "tree-0123456789ab")] {
            let revision: Revision = text.parse().unwrap();
            assert_eq!((revision.to_string().as_str(), revision.short()), (text, short));
            assert_eq!(serde_json::to_value(&revision).unwrap(), text);
        }
        assert_eq!(digest.parse::<TreeDigest>().unwrap().as_str(), digest);
        let upper = format!("tree-{}", digest.to_uppercase());
        assert_eq!(upper.parse::<Revision>().unwrap().as_str(), tree);
        for bad in ["", "tree-", "main", &digest, &format!("tree-{commit}"), &tree.to_uppercase()] {
            assert!(bad.parse::<Revision>().is_err(), "{bad:?}");
        }
        for bad in ["", commit, &tree, &format!("g{}", &digest[1..])] {
            assert!(bad.parse::<TreeDigest>().is_err(), "{bad:?}");
        }
    }
}
