//! The catalogue: which toolchains there are, and which are meant when nobody says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{ImageSource, Recipe, Toolchain, files::file};
use crate::model::{ToolchainName, nearest};

/// All toolchains that may be asked for.
#[derive(Clone, Debug)]
pub struct Catalogue {
    toolchains: BTreeMap<ToolchainName, Toolchain>,
    defaults: Vec<ToolchainName>,
    holder_release: String,
}

/// The catalogue, or what the configuration adds to it, makes no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CatalogueError {
    /// The text is not a catalogue.
    #[error("toolchains.toml: {0}")]
    Syntax(String),
    /// A row names something that is not there.
    #[error("toolchains.toml: {row}: there is no {what}")]
    Missing {
        /// The row.
        row: String,
        /// What is not there.
        what: String,
    },
    /// Two rows have one name.
    #[error("toolchains.toml: {0} is there twice")]
    Twice(ToolchainName),
}

/// The name stands for nothing here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no toolchain {name}{}; there are {known}", .meant.as_ref().map_or_else(String::new, |meant| format!(" (did you mean {meant}?)")))]
pub struct UnknownToolchain {
    /// What was asked for.
    pub name: ToolchainName,
    /// What may have been meant.
    pub meant: Option<String>,
    /// What there is, separated by commas.
    pub known: String,
}

impl Catalogue {
    /// The catalogue that comes with kiln.
    pub fn builtin() -> Self {
        let text = file("toolchains.toml").expect("the catalogue is in the table of files");
        Self::parse(text).expect("a test reads the catalogue that comes with kiln")
    }

    fn parse(text: &str) -> Result<Self, CatalogueError> {
        let raw: RawCatalogue =
            toml::from_str(text).map_err(|error| CatalogueError::Syntax(error.to_string()))?;
        let mut toolchains = BTreeMap::new();
        for row in &raw.toolchain {
            if toolchains.insert(row.name.clone(), row.resolve(&raw.family)?).is_some() {
                return Err(CatalogueError::Twice(row.name.clone()));
            }
        }
        for name in &raw.default {
            if !toolchains.contains_key(name) {
                return Err(missing("default", format!("toolchain {name}")));
            }
        }
        Ok(Self { toolchains, defaults: raw.default, holder_release: raw.holder })
    }

    /// With the toolchains that the operator's configuration defines: name and image reference. A
    /// name of the catalogue is then the operator's image.
    #[must_use]
    pub fn with_custom(
        mut self,
        custom: impl IntoIterator<Item = (ToolchainName, String)>,
    ) -> Self {
        for (name, reference) in custom {
            self.toolchains.insert(name.clone(), Toolchain::custom(name, reference));
        }
        self
    }

    /// With other defaults; an empty list leaves them as they are.
    pub fn with_defaults(mut self, names: Vec<ToolchainName>) -> Result<Self, UnknownToolchain> {
        for name in &names {
            self.require(name)?;
        }
        if !names.is_empty() {
            self.defaults = names;
        }
        Ok(self)
    }

    /// The toolchain of this name.
    pub fn get(&self, name: &ToolchainName) -> Option<&Toolchain> {
        self.toolchains.get(name)
    }

    /// The toolchain of this name, or an error that says which there are.
    pub fn require(&self, name: &ToolchainName) -> Result<&Toolchain, UnknownToolchain> {
        self.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.names().map(ToolchainName::as_str).collect();
            let meant = nearest(name.as_str(), known.iter().copied()).map(str::to_owned);
            UnknownToolchain { name: name.clone(), meant, known: known.join(", ") }
        })
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &ToolchainName> {
        self.toolchains.keys()
    }

    /// All toolchains, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Toolchain> {
        self.toolchains.values()
    }

    /// The toolchains that are meant when nobody says.
    pub fn defaults(&self) -> &[ToolchainName] {
        &self.defaults
    }

    /// The Debian release whose base is the holder's image.
    pub fn holder_release(&self) -> &str {
        &self.holder_release
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCatalogue {
    default: Vec<ToolchainName>,
    holder: String,
    family: BTreeMap<String, RawFamily>,
    toolchain: Vec<RawRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFamily {
    dockerfile: String,
    #[serde(default)]
    files: BTreeSet<String>,
    target: String,
    platform: String,
    #[serde(default)]
    cross: bool,
    configure_host: Option<String>,
    #[serde(default)]
    cmake_args: Vec<String>,
    #[serde(default)]
    meson_args: Vec<String>,
    env: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRow {
    name: ToolchainName,
    family: String,
    version: String,
    release: String,
}

impl RawRow {
    fn resolve(&self, families: &BTreeMap<String, RawFamily>) -> Result<Toolchain, CatalogueError> {
        let row = self.name.as_str();
        let family = families
            .get(&self.family)
            .ok_or_else(|| missing(row, format!("family {}", self.family)))?;
        for name in family.files.iter().chain([&family.dockerfile]) {
            file(name).ok_or_else(|| missing(row, format!("file {name}")))?;
        }
        let args = [("VERSION", &self.version), ("TRIPLE", &family.target)];
        Ok(Toolchain {
            name: self.name.clone(),
            family: self.family.clone(),
            version: self.version.clone(),
            source: ImageSource::Recipe(Recipe {
                release: self.release.clone(),
                dockerfile: family.dockerfile.clone(),
                files: family.files.iter().cloned().collect(),
                args: args.map(|(name, value)| (name.to_owned(), value.clone())).into(),
            }),
            target: family.target.clone(),
            platform: family.platform.clone(),
            cross: family.cross,
            env: family.env.clone(),
            configure_host: family.configure_host.clone(),
            cmake_args: family.cmake_args.clone(),
            meson_args: family.meson_args.clone(),
        })
    }
}

fn missing(row: &str, what: String) -> CatalogueError {
    CatalogueError::Missing { row: row.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ToolchainName {
        text.parse().unwrap()
    }

    #[test]
    fn the_builtin_catalogue_has_every_version_that_debian_12_and_13_carry() {
        let catalogue = Catalogue::builtin();
        let names: Vec<&str> = catalogue.names().map(ToolchainName::as_str).collect();
        assert_eq!(
            names.join(" "),
            "clang:13 clang:14 clang:15 clang:16 clang:17 clang:18 clang:19 clang:22 \
             gcc-aarch64:14 gcc:11 gcc:12 gcc:13 gcc:14 mingw64 musl"
        );
        let defaults: Vec<&str> = catalogue.defaults().iter().map(ToolchainName::as_str).collect();
        assert_eq!(defaults, ["gcc:12", "gcc:14", "clang:19"]);
    }

    #[test]
    fn every_row_says_how_it_is_built_and_what_its_compiler_is() {
        for toolchain in Catalogue::builtin().iter() {
            let name = &toolchain.name;
            let ImageSource::Recipe(recipe) = &toolchain.source else { panic!("{name}") };
            assert!(["bookworm", "trixie"].contains(&recipe.release.as_str()), "{name}");
            for variable in ["CC", "AR", "NM", "RANLIB", "LD", "STRIP"] {
                assert!(toolchain.env.contains_key(variable), "{name}: {variable}");
            }
            if toolchain.cross {
                assert_eq!(toolchain.configure_host.as_ref(), Some(&toolchain.target), "{name}");
                assert!(toolchain.env["CC"].starts_with(&toolchain.target), "{name}");
            }
            assert!(toolchain.image().starts_with("kiln/toolchain:"), "{name}");
        }
    }

    #[test]
    fn the_operator_may_add_and_replace() {
        let catalogue = Catalogue::builtin().with_custom([
            (name("gcc:15"), "example/gcc@sha256:aa".to_owned()),
            (name("gcc:14"), "mine:1".to_owned()),
        ]);
        let added = catalogue.get(&name("gcc:15")).unwrap();
        assert_eq!((added.family.as_str(), added.version.as_str()), ("gcc", "15"));
        assert_eq!(added.image(), "example/gcc@sha256:aa");
        assert_eq!(added.env["CC"], "gcc");
        assert_eq!(catalogue.get(&name("gcc:14")).unwrap().image(), "mine:1");
        let other = catalogue.clone().with_defaults(vec![name("gcc:15")]).unwrap();
        assert_eq!(other.defaults(), [name("gcc:15")]);
        assert_eq!(catalogue.clone().with_defaults(Vec::new()).unwrap().defaults().len(), 3);
        assert!(catalogue.with_defaults(vec![name("gcc:3")]).is_err());
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = Catalogue::builtin().require(&name("gcc:99")).unwrap_err().to_string();
        assert!(error.starts_with("there is no toolchain gcc:99; there are clang:13, "), "{error}");
    }

    #[test]
    fn nonsense_in_a_catalogue_is_named() {
        let check = |text: &str, expected: &str| {
            let error = Catalogue::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        let head = "default = []\nholder = 'trixie'\n";
        let family = "[family.a]\ndockerfile='gcc.Dockerfile'\ntarget='t'\nplatform='p'\nenv={}\n";
        let row = "[[toolchain]]\nname='a:1'\nfamily='a'\nversion='1'\nrelease='trixie'\n";
        assert!(Catalogue::parse(&format!("{head}{family}{row}")).is_ok());
        check(&format!("{head}{family}{row}{row}"), "a:1 is there twice");
        check(&format!("{head}[family]\n{row}"), "there is no family a");
        check(&format!("{head}{}{row}", family.replace("gcc.D", "x.D")), "no file x.Dockerfile");
        check(&format!("{head}{family}{row}size=1\n"), "unknown field `size`");
        check("default = ['b']\nholder=''\nfamily={}\ntoolchain=[]", "no toolchain b");
    }
}
