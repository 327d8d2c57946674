//! The keys of objects: `<revision>/<toolchain>/<job>/<attempt>/<object>`, and where uploads lie.
//!
//! Every part is a parsed value, so no name that a user chose ever becomes a path, and the attempt
//! is in the key, so a late attempt cannot overwrite another's objects.

use std::{fmt, str::FromStr};

use object_store::path::Path;

use crate::model::{JobId, Revision, ToolchainName, TreeDigest};

/// Where uploaded trees lie; no revision is called so.
const UPLOADS: &str = "uploads";
const UPLOAD_END: &str = ".tar.gz";

/// The text is not a key that kiln made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a key of the artifact repository")]
pub struct KeyError(String);

/// Where the objects of one attempt lie.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AttemptKey {
    /// The revision that was built.
    pub revision: Revision,
    /// The toolchain's name in its form for keys; see `ToolchainName::as_key`.
    toolchain: String,
    /// The job.
    pub job: JobId,
    /// The attempt's number.
    pub attempt: u32,
}

impl AttemptKey {
    /// The place of an attempt's objects.
    pub fn new(revision: Revision, toolchain: &ToolchainName, job: JobId, attempt: u32) -> Self {
        Self { revision, toolchain: toolchain.as_key(), job, attempt }
    }

    /// The key of one of its objects.
    pub fn object(&self, name: ObjectName) -> Key {
        Key::Attempt(self.clone(), name)
    }
}

/// The objects an attempt has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ObjectName {
    /// What it made.
    Archive,
    /// What is in the archive, and where.
    Manifest,
    /// Its sealed log.
    Log,
    /// What compilers, linkers and build tools said.
    Diagnostics,
}

impl ObjectName {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Archive, Self::Manifest, Self::Log, Self::Diagnostics];

    /// The last part of the key.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Archive => "artifacts.tar.gz",
            Self::Manifest => "manifest.json",
            Self::Log => "log",
            Self::Diagnostics => "diagnostics.json.gz",
        }
    }
}

/// Where an uploaded tree lies: `uploads/<digest>/<object>.tar.gz`. The last part is random, so that
/// a sweep that removes one object never removes another of the same tree.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct UploadKey {
    /// The tree's digest.
    pub digest: TreeDigest,
    /// 32 hexadecimal digits.
    pub object: String,
}

/// The key of an object.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    /// Of an attempt.
    Attempt(AttemptKey, ObjectName),
    /// An uploaded tree.
    Upload(UploadKey),
}

impl Key {
    pub(super) fn path(&self) -> Path {
        Path::from(self.to_string())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attempt(AttemptKey { revision, toolchain, job, attempt }, name) => {
                write!(f, "{revision}/{toolchain}/{job}/{attempt}/{}", name.as_str())
            }
            Self::Upload(UploadKey { digest, object }) => {
                write!(f, "{UPLOADS}/{digest}/{object}{UPLOAD_END}")
            }
        }
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let parsed = match text.split_once('/') {
            Some((UPLOADS, rest)) => upload(rest),
            _ => attempt(text),
        };
        // One object has one key: parsing takes upper case, a key does not.
        parsed.filter(|key| key.to_string() == text).ok_or_else(|| error(text))
    }
}

fn attempt(text: &str) -> Option<Key> {
    let mut parts = text.split('/');
    let mut next = || parts.next();
    let revision = next()?.parse().ok()?;
    let toolchain = next()?.parse::<ToolchainName>().ok()?;
    let (job, attempt) = (next()?.parse().ok()?, next()?.parse().ok()?);
    let last = next()?;
    let name = ObjectName::ALL.into_iter().find(|name| name.as_str() == last)?;
    Some(AttemptKey::new(revision, &toolchain, job, attempt).object(name))
}

fn upload(text: &str) -> Option<Key> {
    let (digest, object) = text.split_once('/')?;
    let object = object.strip_suffix(UPLOAD_END)?;
    let is_object = object.len() == 32 && object.bytes().all(|b| b.is_ascii_hexdigit());
    let digest = digest.parse().ok()?;
    is_object.then(|| Key::Upload(UploadKey { digest, object: object.to_owned() }))
}

fn error(text: &str) -> KeyError {
    KeyError(text.chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn keys_read_back_and_nothing_else_is_a_key() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let job = JobId::new(Timestamp::from_millis(5));
        let toolchain = "gcc:14".parse().unwrap();
        let tree = format!("tree-{}", "0123456789abcdef".repeat(4));
        for revision in [commit, &tree] {
            let revision: Revision = revision.parse().unwrap();
            for name in ObjectName::ALL {
                let key = AttemptKey::new(revision.clone(), &toolchain, job, 2).object(name);
                assert_eq!(key.to_string().parse(), Ok(key.clone()));
                assert_eq!(key.path().as_ref(), key.to_string());
            }
        }
        let digest = "0123456789abcdef".repeat(4);
        let object = "0123456789abcdef".repeat(2);
        let key =
            Key::Upload(UploadKey { digest: digest.parse().unwrap(), object: object.clone() });
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        assert_eq!(key.path().as_ref(), key.to_string());
        for bad in [
            format!("uploads/{digest}/{object}"),
            format!("uploads/{digest}/x/{object}.tar.gz"),
            format!("uploads/{digest}/{}.tar.gz", &object[1..]),
            format!("uploads/{}/{object}.tar.gz", digest.to_uppercase()),
            format!("uploads/../{object}.tar.gz"),
            String::new(),
            format!("{commit}/gcc-14/{job}/2"),
            format!("{commit}/gcc-14/{job}/2/other"),
            format!("{commit}/gcc-14/{job}/2/log/x"),
            format!("{commit}/gcc-14/{job}/02/log"),
            format!("{commit}/gcc-14/{job}/+2/log"),
            format!("{commit}/gcc:14/{job}/2/log"),
            format!("{commit}/../{job}/2/log"),
            format!("{}/gcc-14/{job}/2/log", commit.to_uppercase()),
            format!("/{commit}/gcc-14/{job}/2/log"),
        ] {
            assert!(bad.parse::<Key>().is_err(), "{bad}");
        }
    }
}
