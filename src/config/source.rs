//! Settings of the source: what kiln may fetch, from where, and how much of it.
//!
//! The defaults are for people that nobody vouches for: https only, public addresses only.

use std::{collections::BTreeSet, fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A way to reach a repository.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Smart HTTP over TLS.
    Https,
    /// Smart HTTP in the clear.
    Http,
    /// The git protocol: in the clear, nobody is authenticated.
    Git,
    /// SSH; the host's key must be pinned in the credentials file.
    Ssh,
    /// A repository on this machine's own disk.
    File,
}

impl Scheme {
    const ALL: [Self; 5] = [Self::Https, Self::Http, Self::Git, Self::Ssh, Self::File];

    /// The scheme as it stands in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Git => "git",
            Self::Ssh => "ssh",
            Self::File => "file",
        }
    }

    /// The port that need not be written; none for files.
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Self::Https => Some(443),
            Self::Http => Some(80),
            Self::Git => Some(9418),
            Self::Ssh => Some(22),
            Self::File => None,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Scheme {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a scheme: use https, http, git, ssh or file"))
    }
}

/// The schemes that may be used. Written as a list, or with commas as `https,ssh`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schemes(pub BTreeSet<Scheme>);

impl Schemes {
    /// Whether `scheme` may be used.
    pub fn allows(&self, scheme: Scheme) -> bool {
        self.0.contains(&scheme)
    }
}

impl Default for Schemes {
    fn default() -> Self {
        Self(BTreeSet::from([Scheme::Https]))
    }
}

impl FromStr for Schemes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let schemes: BTreeSet<_> =
            text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>()?;
        Ok(Self(schemes))
    }
}

impl fmt::Display for Schemes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|scheme| scheme.as_str()).collect();
        f.pad(&names.join(","))
    }
}

impl Serialize for Schemes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Schemes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            List(Vec<String>),
        }
        let text = match Either::deserialize(deserializer)? {
            Either::Text(text) => text,
            Either::List(list) => list.join(","),
        };
        text.parse().map_err(de::Error::custom)
    }
}

/// What is done with addresses that are not on the public internet.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrivateAddresses {
    /// Refused: nobody may use kiln to reach into the network it stands in.
    #[default]
    Deny,
    /// Allowed: for git servers inside the house, when submitters are trusted.
    Allow,
}

/// Settings of the source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceSettings {
    /// Schemes that a URL may have.
    pub schemes: Schemes,
    /// Whether loopback, private and link-local addresses may be reached.
    pub private: PrivateAddresses,
    /// File with credentials by host, mode 0600. Settings name the file, never a secret.
    pub credentials_file: Option<PathBuf>,
    /// File with more certificate authorities (PEM), for https servers inside the house.
    pub ca_file: Option<PathBuf>,
    /// Where the mirrors are; `mirrors` in the data directory if not given.
    pub mirror_directory: Option<PathBuf>,
    /// All mirrors together, in bytes; beyond it the least recently used go.
    pub mirrors_bytes: u64,
    /// What one fetch may receive, in bytes.
    pub pack_bytes: u64,
    /// The files of one source together, in bytes.
    pub source_bytes: u64,
    /// Files, directories and symlinks of one source.
    pub source_entries: u32,
    /// Directories inside directories.
    pub source_depth: u32,
    /// Submodules inside submodules.
    pub submodule_depth: u32,
    /// Submodules of one source, at all depths.
    pub submodules: u32,
    /// Refs that a repository may advertise.
    pub refs: u32,
    /// Address space of a helper process, in bytes: a blob and its delta base are held in memory.
    pub helper_memory_bytes: u64,
    /// The longest a ref may take to resolve, in seconds: somebody waits for the answer.
    pub resolve_seconds: u32,
    /// The longest a fetch, or the streaming of a tar, may take, in seconds.
    pub fetch_seconds: u32,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            schemes: Schemes::default(),
            private: PrivateAddresses::default(),
            credentials_file: None,
            ca_file: None,
            mirror_directory: None,
            mirrors_bytes: 20 * GIB,
            pack_bytes: GIB,
            source_bytes: 512 * MIB,
            source_entries: 50_000,
            source_depth: 64,
            submodule_depth: 3,
            submodules: 100,
            refs: 500_000,
            helper_memory_bytes: 1536 * MIB,
            resolve_seconds: 20,
            fetch_seconds: 600,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_a_list_or_a_text_with_commas_and_https_by_default() {
        let default: SourceSettings = toml::from_str("").unwrap();
        assert_eq!(default, SourceSettings::default());
        assert_eq!(default.schemes.to_string(), "https");
        for text in ["schemes = \"https, file\"", "schemes = [\"file\", \"https\"]"] {
            let settings: SourceSettings = toml::from_str(text).unwrap();
            assert_eq!(settings.schemes.to_string(), "https,file", "{text}");
        }
    }

    #[test]
    fn unknown_keys_and_values_are_refused_by_name() {
        for (text, named) in [
            ("schemes = \"https,ext\"", "ext"),
            ("schemes = \"\"", "scheme"),
            ("private = \"maybe\"", "maybe"),
            ("verify_tls = false", "verify_tls"),
        ] {
            let error = toml::from_str::<SourceSettings>(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
