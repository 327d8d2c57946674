//! Names of Debian packages, strict enough to stand in a command line.
//!
//! The rule is Debian's own, and shuts out what apt reads as something else than a name: versions
//! (`a=1`), releases (`a/sid`), patterns, options, and `a-`, which would remove a package.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest name that is accepted, in bytes; Debian's longest are about a hundred.
const MAX_NAME: usize = 128;
/// The longest architecture, such as `amd64`.
const MAX_ARCHITECTURE: usize = 16;

/// A Debian package: `libevent-dev`, or `libevent-dev:arm64` where the architecture is to be another
/// than what the toolchain would take.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);

/// The text is not the name of a package.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not the name of a Debian package: lower-case letters, digits, '+', '-' and '.', as in libevent-dev, perhaps with an architecture, as in libevent-dev:arm64"
)]
pub struct PackageNameError(String);

impl PackageName {
    /// The whole name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without an architecture.
    pub fn name(&self) -> &str {
        self.0.split(':').next().unwrap_or(&self.0)
    }

    /// The architecture that is asked for, if one is.
    pub fn architecture(&self) -> Option<&str> {
        self.0.split_once(':').map(|(_, architecture)| architecture)
    }
}

impl FromStr for PackageName {
    type Err = PackageNameError;

    fn from_str(text: &str) -> Result<Self, PackageNameError> {
        let good = match text.split_once(':') {
            None => is_name(text),
            Some((name, architecture)) => is_name(name) && is_architecture(architecture),
        };
        if good {
            return Ok(Self(text.to_owned()));
        }
        Err(PackageNameError(text.chars().take(MAX_NAME).collect()))
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_name(text: &str) -> bool {
    (2..=MAX_NAME).contains(&text.len())
        && text.bytes().all(|byte| is_plain(byte) || b"+-.".contains(&byte))
        && text.bytes().next().is_some_and(is_plain)
        && !text.ends_with(['-', '.'])
}

fn is_architecture(text: &str) -> bool {
    (1..=MAX_ARCHITECTURE).contains(&text.len())
        && text.split('-').all(|part| !part.is_empty() && part.bytes().all(is_plain))
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Serialize for PackageName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PackageName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_debians() {
        for good in ["g++", "libevent-dev", "libstdc++-14-dev", "libglib2.0-dev", "0ad", "7zip"] {
            let name: PackageName = good.parse().unwrap();
            assert_eq!((name.name(), name.architecture()), (good, None));
        }
        let name: PackageName = "zlib1g-dev:arm64".parse().unwrap();
        assert_eq!((name.name(), name.architecture()), ("zlib1g-dev", Some("arm64")));
        assert!("a".repeat(MAX_NAME).parse::<PackageName>().is_ok());
    }

    #[test]
    fn nothing_that_apt_or_a_shell_reads_otherwise_is_a_name() {
        for bad in [
            "",
            "a",
            "-dev",
            "--reinstall",
            "gcc-",
            "lib.*",
            "^lib",
            "a/sid",
            "a=1.0",
            "a b",
            "a;b",
            "$(id)",
            "a\nb",
            "./a.deb",
            "../a",
            "Libevent-dev",
            "libé",
            "a_b",
            "lib?",
            "~nlib",
            "libevent-dev:",
            "libevent-dev:a:b",
            ":arm64",
            "ab:-",
            "ab:arm64-",
            "ab:ARM",
            "+ab",
            ".ab",
        ] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(MAX_NAME + 1).parse::<PackageName>().is_err());
    }
}
