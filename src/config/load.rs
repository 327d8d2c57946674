//! Reading all sections: the file, then the environment on top.
//!
//! A variable is text, the key it sets may not be: the value is tried as text, as a TOML value and
//! as a list, and the first form the section accepts is meant. So there is no second table of keys.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::{Table, Value};

use crate::model::RetentionRules;

use super::{
    AgentSettings, DatabaseSettings, Environment, LimitSettings, PackageSettings, SandboxSettings,
    ServerSettings, SourceSettings, ToolchainSettings, UploadSettings, WatchSettings, WebSettings,
    artifacts::ArtifactSettings,
};

/// All settings.
#[derive(Clone, Default, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The server.
    pub server: ServerSettings,
    /// Git sources.
    pub source: SourceSettings,
    /// Toolchains.
    pub toolchains: ToolchainSettings,
    /// Packages.
    pub packages: PackageSettings,
    /// The sandbox.
    pub sandbox: SandboxSettings,
    /// The database.
    pub database: DatabaseSettings,
    /// The artifact repository.
    pub artifacts: ArtifactSettings,
    /// The agent.
    pub agent: AgentSettings,
    /// Uploaded trees.
    pub uploads: UploadSettings,
    /// Watched repositories.
    pub watch: WatchSettings,
    /// The web page.
    pub web: WebSettings,
    /// Bounds of jobs.
    pub limits: LimitSettings,
    /// How long what was built is kept.
    pub retention: RetentionRules,
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// The file says something that is not a setting.
    #[error("{}: {problem}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong with it.
        problem: String,
    },
    /// A variable says something that is not a setting.
    #[error("environment variable {name}: {problem}")]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Variables with our prefix that are not settings of a section.
const OTHERS: &[&str] =
    &["KILN_SERVER", "KILN_TOKEN", "KILN_TOKEN_FILE", "KILN_DATA", "KILN_CONFIG", "KILN_IMAGE"];

/// Prefixes of variables that tests, the developer's script and `docker-compose.yml` use; the last
/// has its own in the same `.env`.
const OTHER_PREFIXES: &[&str] = &["KILN_TEST_", "KILN_DEV_", "KILN_BENCH_", "KILN_COMPOSE_"];

/// Where variables lead: the longest prefix first.
const SECTIONS: &[(&str, &[&str])] = &[
    ("LIMITS_DEFAULT_", &["limits", "default"]),
    ("LIMITS_MAXIMUM_", &["limits", "maximum"]),
    ("SERVER_", &["server"]),
    ("DATABASE_", &["database"]),
    ("SOURCE_", &["source"]),
    ("TOOLCHAINS_", &["toolchains"]),
    ("PACKAGES_", &["packages"]),
    ("SANDBOX_", &["sandbox"]),
    ("ARTIFACTS_", &["artifacts"]),
    ("RETENTION_", &["retention"]),
    ("AGENT_", &["agent"]),
    ("WATCH_", &["watch"]),
    ("WEB_", &["web"]),
];

/// Names that people have from elsewhere, and what they mean here.
const ALIASES: &[(&str, &[&str])] = &[
    ("KILN_LISTEN", &["server", "listen"]),
    ("KILN_LOG", &["server", "log"]),
    ("KILN_ADMIN_TOKEN_FILE", &["server", "admin_token_file"]),
    ("LOG_LEVEL", &["server", "log"]),
    ("TIMEOUT", &["limits", "default", "wall_seconds"]),
    ("DATABASE_HOSTNAME", &["database", "hostname"]),
    ("DATABASE_PORT", &["database", "port"]),
    ("DATABASE_USER", &["database", "user"]),
    ("DATABASE_PASSWORD", &["database", "password"]),
    ("DATABASE_NAME", &["database", "name"]),
    ("ARTIFACT_REPOSITORY_ROOT", &["artifacts", "root"]),
    ("SLEEP_FOR", &["watch", "poll_seconds"]),
    ("POSIX_BUILD_DIRECTORY", &["source", "mirror_directory"]),
];

impl Settings {
    /// The settings of `file`, if one is given, and of the environment.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let mut table = match file {
            None => Table::new(),
            Some(path) => read(path)?,
        };
        for (name, value) in environment.iter() {
            if let Some(path) = place_of(name)? {
                set(&mut table, &path, name, value)?;
            }
        }
        let mut settings: Self =
            table.try_into().map_err(|error: toml::de::Error| ConfigError::File {
                path: file.unwrap_or(Path::new("environment")).to_owned(),
                problem: error.to_string(),
            })?;
        settings.artifacts.take_credentials(environment.iter());
        Ok(settings)
    }
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
    let problem = |error: toml::de::Error| ConfigError::File {
        path: path.to_owned(),
        problem: error.to_string(),
    };
    // Once as settings, for errors that name the line; once as a table, to put variables on top.
    toml::from_str::<Settings>(&text).map_err(problem)?;
    toml::from_str(&text).map_err(problem)
}

/// The key a variable sets; none if it is not ours.
fn place_of(name: &str) -> Result<Option<Vec<String>>, ConfigError> {
    let owned = |path: &[&str]| path.iter().map(|&part| part.to_owned()).collect::<Vec<_>>();
    if let Some((_, path)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Ok(Some(owned(path)));
    }
    let Some(rest) = name.strip_prefix("KILN_") else { return Ok(None) };
    if OTHERS.contains(&name) || OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(None);
    }
    for (prefix, path) in SECTIONS {
        if let Some(key) = rest.strip_prefix(prefix) {
            let mut path = owned(path);
            path.push(key.to_ascii_lowercase());
            return Ok(Some(path));
        }
    }
    let prefixes: Vec<_> = SECTIONS.iter().map(|(prefix, _)| format!("KILN_{prefix}…")).collect();
    let problem = format!("no section has this name; settings begin with {}", prefixes.join(", "));
    Err(ConfigError::Variable { name: name.to_owned(), problem })
}

fn set(table: &mut Table, path: &[String], name: &str, text: &str) -> Result<(), ConfigError> {
    let list = text.split(',').map(|item| Value::String(item.trim().to_owned())).collect();
    let literal = toml::from_str::<Table>(&format!("v = {text}")).ok();
    let candidates = [
        Some(Value::String(text.to_owned())),
        literal.and_then(|mut t| t.remove("v")),
        Some(Value::Array(list)),
    ];
    let mut problem = None;
    for value in candidates.into_iter().flatten() {
        let mut alone = Table::new();
        insert(&mut alone, path, value.clone());
        match Settings::deserialize(alone) {
            Ok(_) => {
                insert(table, path, value);
                return Ok(());
            }
            Err(error) => problem = problem.or(Some(error.to_string())),
        }
    }
    let problem = problem.unwrap_or_default().trim().to_owned();
    Err(ConfigError::Variable { name: name.to_owned(), problem })
}

fn insert(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            table.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            let inner = table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &Environment) -> Result<Settings, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kiln.toml");
        std::fs::write(&file, text).unwrap();
        Settings::load(Some(&file), environment)
    }

    #[test]
    fn the_environment_wins_over_the_file_in_every_type() {
        let environment = Environment::of([
            ("KILN_SOURCE_SCHEMES", "https,file"),
            ("KILN_SOURCE_PRIVATE", "allow"),
            ("KILN_SANDBOX_SHM_BYTES", "1024"),
            ("KILN_LISTEN", "127.0.0.1:9"),
            ("KILN_TOOLCHAINS_DEFAULT", "gcc:12,gcc:14"),
            ("TIMEOUT", "60"),
            ("KILN_SERVER", "http://elsewhere"),
            ("EDITOR", "vi"),
        ]);
        let file = "[sandbox]\nshm_bytes = 1\nprofile = 'strict'\n";
        let settings = load(file, &environment).unwrap();
        assert_eq!(settings.sandbox.shm_bytes, 1024);
        assert_eq!(settings.sandbox.profile, super::super::SeccompProfile::Strict);
        assert_eq!(settings.server.listen.port(), 9);
        assert_eq!(settings.toolchains.default.len(), 2);
        assert_eq!(settings.source.private, super::super::PrivateAddresses::Allow);
        let (limits, _) = settings.limits.resolve().unwrap();
        assert_eq!(limits.wall_seconds, 60);
    }

    #[test]
    fn mistakes_name_their_place() {
        let none = Environment::default();
        for (text, environment, wanted) in [
            ("[server]\nport = 1\n", none.clone(), "port"),
            ("[limits.default]\nwall_seconds = 'x'\n", none.clone(), "wall_seconds"),
            ("[servers]\n", none.clone(), "servers"),
            ("", Environment::of([("KILN_SOURCE_PRIVAT", "allow")]), "KILN_SOURCE_PRIVAT"),
            ("", Environment::of([("KILN_LISTEN", "here")]), "KILN_LISTEN"),
            ("", Environment::of([("KILN_PAINT", "red")]), "KILN_PAINT"),
        ] {
            let error = load(text, &environment).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
