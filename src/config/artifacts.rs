//! Where artifacts and sealed logs are kept.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, de};

/// The artifact repository's settings.
#[derive(Clone, Default, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArtifactSettings {
    /// Where objects are kept; by default the folder `artifacts` in the data directory.
    pub root: Option<ArtifactRoot>,
}

impl ArtifactSettings {
    /// The root that counts.
    pub fn root(&self, data: &Path) -> ArtifactRoot {
        self.root.clone().unwrap_or_else(|| ArtifactRoot::Local(data.join("artifacts")))
    }
}

/// Where objects are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ArtifactRoot {
    /// A folder of this machine, made when it is missing.
    Local(PathBuf),
}

/// The text does not name a place for artifacts.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArtifactRootError {
    /// It is empty.
    #[error("the artifact repository's root is empty: give a path such as /var/lib/kiln/artifacts")]
    Empty,
    /// It is a URL of a service that this version cannot use.
    #[error(
        "{0}:// is not in this version: artifacts can only be kept in a local folder, give a path"
    )]
    Scheme(String),
}

impl FromStr for ArtifactRoot {
    type Err = ArtifactRootError;

    fn from_str(text: &str) -> Result<Self, ArtifactRootError> {
        let path = match text.split_once("://") {
            Some(("file", path)) => path,
            Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                return Err(ArtifactRootError::Scheme(scheme.to_owned()));
            }
            _ => text,
        };
        if path.trim().is_empty() {
            return Err(ArtifactRootError::Empty);
        }
        Ok(Self::Local(PathBuf::from(path)))
    }
}

impl<'de> Deserialize<'de> for ArtifactRoot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_a_path_and_other_services_are_refused_by_name() {
        for (text, expected) in [
            ("/srv/a", Ok("/srv/a")),
            ("relative/dir", Ok("relative/dir")),
            ("file:///srv/a", Ok("/srv/a")),
            ("s3://bucket/x", Err(ArtifactRootError::Scheme("s3".to_owned()))),
            ("gs://bucket", Err(ArtifactRootError::Scheme("gs".to_owned()))),
            ("", Err(ArtifactRootError::Empty)),
            ("file://", Err(ArtifactRootError::Empty)),
        ] {
            let expected = expected.map(|path| ArtifactRoot::Local(PathBuf::from(path)));
            assert_eq!(text.parse::<ArtifactRoot>(), expected, "{text:?}");
        }
        let none = ArtifactSettings::default().root(Path::new("/data"));
        assert_eq!(none, ArtifactRoot::Local("/data/artifacts".into()));
    }
}
