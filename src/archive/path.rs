//! The path of an artifact: relative, normal, and whatever bytes a file system allows.
//!
//! Names come from builds nobody trusts, so they are parsed once, here. A path never leaves the
//! folder it is taken relative to. As text, bytes that are not UTF-8 are written `\xNN` and a
//! backslash `\\`: every path has exactly one text and every text at most one path.

use std::{
    fmt::{self, Write},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest path in bytes: Linux's `PATH_MAX`.
const MAX_PATH: usize = 4096;
/// The longest component in bytes: Linux's `NAME_MAX`.
const MAX_COMPONENT: usize = 255;

/// A relative path without `.`, `..`, empty components or NUL. Ordered by bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactPath(Vec<u8>);

/// The bytes are not a path that can be kept.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the path {path:?} {problem}")]
pub struct PathError {
    /// The path as text, cut to a length people can read.
    pub path: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl ArtifactPath {
    /// From the bytes of a name.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PathError> {
        match problem(bytes) {
            None => Ok(Self(bytes.to_vec())),
            Some(problem) => {
                let path = escape(&bytes[..bytes.len().min(200)]);
                Err(PathError { path, problem })
            }
        }
    }

    /// From a name in a tar, which may begin with `./`.
    pub fn from_tar_name(mut name: &[u8]) -> Result<Self, PathError> {
        while let Some(rest) = name.strip_prefix(b"./") {
            name = rest;
        }
        Self::from_bytes(name)
    }

    /// The path's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The last component.
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|&b| b == b'/').next().unwrap_or(&self.0)
    }

    /// The folders this path lies in, the nearest first.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        let slashes = self.0.iter().enumerate().rev().filter(|(_, b)| **b == b'/');
        slashes.map(|(at, _)| Self(self.0[..at].to_vec()))
    }

    /// Where a symlink at this path leads, by its text alone; none if it is absolute or leads out
    /// of the folder or to the folder itself.
    pub fn resolve_link(&self, target: &[u8]) -> Option<Self> {
        if target.is_empty() || target.starts_with(b"/") {
            return None;
        }
        let mut parts: Vec<&[u8]> = self.0.split(|&b| b == b'/').collect();
        parts.pop();
        for part in target.split(|&b| b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => drop(parts.pop()?),
                part => parts.push(part),
            }
        }
        Self::from_bytes(&parts.join(&b'/')).ok()
    }
}

fn problem(bytes: &[u8]) -> Option<&'static str> {
    if bytes.is_empty() {
        return Some("is empty");
    }
    if bytes.len() > MAX_PATH {
        return Some("is longer than 4096 bytes");
    }
    if bytes.contains(&0) {
        return Some("contains a NUL");
    }
    if bytes.starts_with(b"/") {
        return Some("is absolute");
    }
    bytes.split(|&b| b == b'/').find_map(|part| match part {
        b"" => Some("has an empty component"),
        b"." | b".." => Some("has a component that is not a name"),
        part if part.len() > MAX_COMPONENT => Some("has a component longer than 255 bytes"),
        _ => None,
    })
}

/// Bytes as text: what is not UTF-8 becomes `\xNN`, and a backslash `\\`.
pub(super) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for (i, piece) in chunk.valid().split('\\').enumerate() {
            if i > 0 {
                text.push_str("\\\\");
            }
            text.push_str(piece);
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("writing to a string cannot fail");
        }
    }
    text
}

/// The bytes whose text this is; none if it is nobody's.
pub(super) fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('\\') {
            bytes.push(b'\\');
            rest = after;
        } else {
            let digits = rest.strip_prefix('x')?.get(..2)?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[3..];
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    (escape(&bytes) == text).then_some(bytes)
}

impl fmt::Display for ArtifactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&escape(&self.0))
    }
}

impl fmt::Debug for ArtifactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", escape(&self.0))
    }
}

impl FromStr for ArtifactPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let bytes = unescape(text).ok_or_else(|| PathError {
            path: text.chars().take(200).collect(),
            problem: "has a backslash that is not part of \\\\ or of the \\xNN of a stray byte",
        })?;
        Self::from_bytes(&bytes)
    }
}

impl Serialize for ArtifactPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ArtifactPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn only_relative_normal_paths_are_paths() {
        let long_name = [b'a'; 255];
        for good in [&b"a"[..], b"a/b", b"-x", b"...", b"a\nb", b"\xff", b"C:", b"a\\b", &long_name]
        {
            assert!(ArtifactPath::from_bytes(good).is_ok(), "{}", escape(good));
        }
        let long_path = b"a/".repeat(2048);
        for bad in [
            &b""[..],
            b".",
            b"..",
            b"/",
            b"/etc/passwd",
            b"a/",
            b"a//b",
            b"a/./b",
            b"a/../b",
            b"../a",
            b"./a",
            b"a\0b",
            &[b'a'; 256],
            &long_path,
        ] {
            assert!(ArtifactPath::from_bytes(bad).is_err(), "{}", escape(bad));
        }
        assert_eq!(ArtifactPath::from_tar_name(b"././a/b").unwrap().as_bytes(), b"a/b");
        for bad in [&b"./"[..], b".//a", b"./../a"] {
            assert!(ArtifactPath::from_tar_name(bad).is_err());
        }
    }

    #[test]
    fn links_resolve_by_text_and_never_lead_out() {
        for (at, target, expected) in [
            ("lib/a.so", "a.so.1", Some("lib/a.so.1")),
            ("lib/a.so", "./x//a.so.1", Some("lib/x/a.so.1")),
            ("lib/a.so", "../bin/a", Some("bin/a")),
            ("a", "b/../c", Some("c")),
            ("lib/a", "../../x", None),
            ("a", "..", None),
            ("a", ".", None),
            ("a", "/etc/shadow", None),
            ("a", "", None),
        ] {
            let at: ArtifactPath = at.parse().unwrap();
            let expected = expected.map(|path| path.parse().unwrap());
            assert_eq!(at.resolve_link(target.as_bytes()), expected, "{at} -> {target}");
        }
    }

    #[test]
    fn ancestors_are_the_folders_nearest_first() {
        let path: ArtifactPath = "a/b/c".parse().unwrap();
        let folders: Vec<_> = path.ancestors().map(|folder| folder.to_string()).collect();
        assert_eq!(folders, ["a/b", "a"]);
        assert_eq!(path.file_name(), b"c");
    }

    proptest! {
        #[test]
        fn every_path_has_one_text(bytes in vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(unescape(&escape(&bytes)), Some(bytes.clone()));
            if let Ok(path) = ArtifactPath::from_bytes(&bytes) {
                prop_assert_eq!(path.to_string().parse(), Ok(path));
            }
        }

        #[test]
        fn every_text_has_at_most_one_path(text in "[a\\\\x0-9é/]{0,20}|\\PC{0,20}") {
            if let Ok(path) = text.parse::<ArtifactPath>() {
                prop_assert_eq!(path.to_string(), text);
            }
        }
    }
}
