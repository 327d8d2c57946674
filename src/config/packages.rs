//! Settings of packages: `[packages]`. The server goes by what is allowed, the agent by how many
//! images with packages it keeps.

use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Deserializer, de};

use crate::model::PackageName;

/// The section `[packages]` of a settings file.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PackageSettings {
    /// What builds may ask for: `"all"`, `"none"`, or a list of names and patterns such as
    /// `"lib*-dev"`.
    pub allow: AllowedPackages,
    /// The most images with packages that an agent's machine keeps; the least recently used go
    /// first. 32 are some projects with all their toolchains.
    pub images: u32,
    /// The most bytes of those images, beside the toolchains they are made from. 20 GiB are as much
    /// as the mirrors of sources may have.
    pub image_bytes: u64,
}

/// The packages that builds may ask for.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub enum AllowedPackages {
    /// All of the distribution.
    #[default]
    All,
    /// None.
    None,
    /// Those that one of these patterns fits.
    Only(Vec<String>),
}

impl Default for PackageSettings {
    fn default() -> Self {
        Self { allow: AllowedPackages::All, images: 32, image_bytes: 20 << 30 }
    }
}

impl AllowedPackages {
    /// Why these packages are refused, as a sentence; none if they are allowed.
    pub fn refusal(&self, packages: &[PackageName]) -> Option<String> {
        let first = packages.first()?;
        match self {
            Self::All => None,
            Self::None => Some(format!(
                "packages: {first} is refused, as this server allows no packages: leave the key \
                 out, and take a toolchain whose image has what is needed"
            )),
            Self::Only(patterns) => {
                let matchers: Vec<GlobMatcher> =
                    patterns.iter().filter_map(|pattern| matcher(pattern).ok()).collect();
                let refused = packages
                    .iter()
                    .find(|package| !matchers.iter().any(|it| it.is_match(package.name())))?;
                let allowed = patterns.join(", ");
                Some(format!(
                    "packages: {refused} is not allowed on this server; allowed: {allowed}"
                ))
            }
        }
    }
}

fn matcher(pattern: &str) -> Result<GlobMatcher, globset::Error> {
    Ok(Glob::new(pattern)?.compile_matcher())
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected \"all\", \"none\" or a list of package names and patterns")]
enum Raw {
    Word(Word),
    Only(Vec<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    All,
    None,
}

impl<'de> Deserialize<'de> for AllowedPackages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Raw::deserialize(deserializer)? {
            Raw::Word(Word::All) => Ok(Self::All),
            Raw::Word(Word::None) => Ok(Self::None),
            Raw::Only(patterns) => {
                for pattern in &patterns {
                    matcher(pattern).map_err(de::Error::custom)?;
                }
                Ok(Self::Only(patterns))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, packages: &[&str], refusal: Option<&str>) {
        let settings: PackageSettings = toml::from_str(text).unwrap();
        let packages: Vec<PackageName> =
            packages.iter().map(|name| name.parse().unwrap()).collect();
        let got = settings.allow.refusal(&packages);
        match refusal {
            None => assert_eq!(got, None, "{text}"),
            Some(words) => assert!(got.as_ref().unwrap().contains(words), "{text}: {got:?}"),
        }
    }

    #[test]
    fn all_some_or_none_are_allowed() {
        check("", &["gcc-13"], None);
        check("allow = 'none'", &[], None);
        check("allow = 'none'", &["zlib1g-dev"], Some("zlib1g-dev is refused"));
        let some = "allow = ['lib*-dev', 'g++']";
        check(some, &["libevent-dev", "g++", "libevent-dev:arm64"], None);
        check(
            some,
            &["libevent-dev", "gcc"],
            Some("gcc is not allowed on this server; allowed: lib*-dev, g++"),
        );
        check("allow = []", &["gcc"], Some("gcc is not allowed"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["allow = 'some'", "allow = ['[']", "allow = true", "allowed = 'all'"] {
            assert!(toml::from_str::<PackageSettings>(text).is_err(), "{text}");
        }
    }
}
