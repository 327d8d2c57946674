//! Where artifacts and sealed logs are kept: `[artifacts]`.
//!
//! A folder, or a bucket of S3 (or of what speaks like it), Google Cloud Storage or Azure. Secrets
//! are no settings: they come from the variables that each service's own tools read.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, de};
use url::Url;

use super::Secret;

/// Variables that hold what a service has to know of whoever asks.
const CREDENTIAL_PREFIXES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// The artifact repository's settings.
#[derive(Clone, Default, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArtifactSettings {
    /// Where objects are kept; by default the folder `artifacts` in the data directory.
    pub root: Option<ArtifactRoot>,
    /// Where the service is, if it is not the provider's own: for a service of your own.
    pub endpoint: Option<Url>,
    /// Whether the bucket stands in the path of a URL instead of the host's name; S3 only. Most
    /// services of one's own want it, so it is the default where there is an endpoint.
    pub path_style: Option<bool>,
    /// The region; S3 only. `us-east-1` if nobody says, which services of one's own ignore.
    pub region: Option<String>,
    /// The storage account; Azure only.
    pub account: Option<String>,
    /// Whether archives are downloaded from the service itself, by URLs that are good for minutes.
    pub presigned_downloads: bool,
    /// The variables of the services' own tools.
    #[serde(skip)]
    pub credentials: Vec<(String, Secret)>,
}

impl ArtifactSettings {
    /// The root that counts.
    pub fn root(&self, data: &Path) -> ArtifactRoot {
        self.root.clone().unwrap_or_else(|| ArtifactRoot::Local(data.join("artifacts")))
    }

    /// Takes what the environment says to the services' own tools.
    pub(super) fn take_credentials<'a>(
        &mut self,
        variables: impl Iterator<Item = (&'a str, &'a str)>,
    ) {
        let ours = |name: &str| CREDENTIAL_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        self.credentials = variables
            .filter(|(name, _)| ours(name))
            .map(|(name, value)| (name.to_owned(), Secret::from(value.to_owned())))
            .collect();
    }

    /// What does not go with the root, as a sentence.
    pub fn contradiction(&self, data: &Path) -> Option<String> {
        let root = self.root(data);
        let scheme = root.scheme();
        let is = |wanted: &[&str]| wanted.contains(&scheme);
        [
            ("endpoint", self.endpoint.is_some(), &["s3", "gs", "az"][..]),
            ("path_style", self.path_style.is_some(), &["s3"]),
            ("region", self.region.is_some(), &["s3"]),
            ("account", self.account.is_some(), &["az"]),
            ("presigned_downloads", self.presigned_downloads, &["s3", "gs", "az"]),
        ]
        .into_iter()
        .find(|(_, given, schemes)| *given && !is(schemes))
        .map(|(key, _, schemes)| {
            format!("artifacts.{key} is for a root that begins with {}://", schemes.join(":// or "))
        })
    }
}

/// Where objects are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ArtifactRoot {
    /// A folder of this machine, made when it is missing.
    Local(PathBuf),
    /// A bucket of S3, and the prefix of every key in it.
    S3(Bucket),
    /// A bucket of Google Cloud Storage.
    Google(Bucket),
    /// A container of Azure Blob Storage.
    Azure(Bucket),
}

/// A bucket or container, and where in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What every key begins with; may be empty.
    pub prefix: String,
}

/// The text does not name a place for artifacts.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArtifactRootError {
    /// It is empty.
    #[error(
        "the artifact repository's root is empty: give a path such as /var/lib/kiln/artifacts, or s3://BUCKET/PREFIX"
    )]
    Empty,
    /// It is a URL of a service that kiln cannot use.
    #[error(
        "{0}:// is no place for artifacts: give a path, or a URL that begins with s3://, gs:// or az://"
    )]
    Scheme(String),
    /// The bucket is missing or cannot be one.
    #[error("{0:?} names no bucket: write it as s3://BUCKET/PREFIX")]
    Bucket(String),
}

impl ArtifactRoot {
    /// The scheme of its URL.
    pub const fn scheme(&self) -> &'static str {
        match self {
            Self::Local(_) => "file",
            Self::S3(_) => "s3",
            Self::Google(_) => "gs",
            Self::Azure(_) => "az",
        }
    }
}

impl std::fmt::Display for ArtifactRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::S3(bucket) | Self::Google(bucket) | Self::Azure(bucket) => {
                write!(f, "{}://{}", self.scheme(), bucket.name)?;
                if bucket.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", bucket.prefix) }
            }
        }
    }
}

impl FromStr for ArtifactRoot {
    type Err = ArtifactRootError;

    fn from_str(text: &str) -> Result<Self, ArtifactRootError> {
        let path = match text.split_once("://") {
            Some(("file", path)) => path,
            Some(("s3", rest)) => return bucket(text, rest).map(Self::S3),
            Some(("gs", rest)) => return bucket(text, rest).map(Self::Google),
            Some(("az", rest)) => return bucket(text, rest).map(Self::Azure),
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

fn bucket(text: &str, rest: &str) -> Result<Bucket, ArtifactRootError> {
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    // What all three services allow in a name, roughly; they know better themselves.
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if name.is_empty() || !name.chars().all(fits) || prefix.contains("//") {
        return Err(ArtifactRootError::Bucket(text.to_owned()));
    }
    Ok(Bucket { name: name.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
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
    fn a_root_is_a_path_or_a_bucket_and_others_are_refused_by_name() {
        for (text, expected) in [
            ("/srv/a", Ok("/srv/a")),
            ("relative/dir", Ok("relative/dir")),
            ("file:///srv/a", Ok("/srv/a")),
            ("s3://bucket/x/y/", Ok("s3://bucket/x/y")),
            ("gs://bucket", Ok("gs://bucket")),
            ("az://container/", Ok("az://container")),
            ("s3://", Err(ArtifactRootError::Bucket("s3://".to_owned()))),
            ("s3://a b", Err(ArtifactRootError::Bucket("s3://a b".to_owned()))),
            ("ftp://host/x", Err(ArtifactRootError::Scheme("ftp".to_owned()))),
            ("", Err(ArtifactRootError::Empty)),
            ("file://", Err(ArtifactRootError::Empty)),
        ] {
            let root = text.parse::<ArtifactRoot>().map(|root| root.to_string());
            assert_eq!(root, expected.map(str::to_owned), "{text:?}");
        }
        let none = ArtifactSettings::default().root(Path::new("/data"));
        assert_eq!(none, ArtifactRoot::Local("/data/artifacts".into()));
    }

    #[test]
    fn settings_of_another_service_are_refused() {
        for (text, problem) in [
            ("root = 's3://b'\nendpoint = 'http://h:9000'\npath_style = true", None),
            ("root = 'az://c'\naccount = 'a'\npresigned_downloads = true", None),
            ("endpoint = 'http://h:9000'", Some("artifacts.endpoint is for")),
            ("root = 'gs://b'\nregion = 'x'", Some("begins with s3://")),
            ("presigned_downloads = true", Some("s3:// or gs:// or az://")),
        ] {
            let settings: ArtifactSettings = toml::from_str(text).unwrap();
            let said = settings.contradiction(Path::new("/data"));
            match problem {
                None => assert_eq!(said, None, "{text}"),
                Some(problem) => assert!(said.unwrap().contains(problem), "{text}"),
            }
        }
    }
}
