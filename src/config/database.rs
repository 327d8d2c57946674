//! Where queue and metadata are kept: `[database]`.
//!
//! A SQLite file in the data directory unless something is said; PostgreSQL by its URL, or by the
//! parts that people have in their environment from elsewhere (`DATABASE_HOSTNAME` …).

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use url::Url;

/// Connections to PostgreSQL that one server holds at the most: enough for hundreds of agents,
/// whose polls hold none, and few enough that several servers stay below the hundred that a
/// PostgreSQL allows unless told otherwise.
const CONNECTIONS: u32 = 20;

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Secret {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The section `[database]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `sqlite:PATH` or `postgres://USER@HOST:PORT/NAME`.
    pub url: Option<Secret>,
    /// PostgreSQL's host, instead of a URL.
    pub hostname: Option<String>,
    /// PostgreSQL's port; 5432 if not given.
    pub port: Option<u16>,
    /// PostgreSQL's user; `kiln` if not given.
    pub user: Option<String>,
    /// PostgreSQL's password. Better in a file.
    pub password: Option<Secret>,
    /// File with PostgreSQL's password; counts before every other.
    pub password_file: Option<PathBuf>,
    /// PostgreSQL's database; `kiln` if not given.
    pub name: Option<String>,
    /// Connections to PostgreSQL at one time.
    pub connections: u32,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            url: None,
            hostname: None,
            port: None,
            user: None,
            password: None,
            password_file: None,
            name: None,
            connections: CONNECTIONS,
        }
    }
}

/// A database that can be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Database {
    /// A file of this machine, made when it is missing.
    Sqlite(PathBuf),
    /// A PostgreSQL server's database.
    Postgres {
        /// Its URL, with the password.
        url: Secret,
        /// Connections at one time.
        connections: u32,
    },
}

/// The settings name no database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The URL is none, or of something else.
    #[error(
        "database.url: {0}; give postgres://USER@HOST:PORT/NAME, or sqlite:PATH for a file of this machine"
    )]
    Url(String),
    /// Two places are named.
    #[error("database: give either a url or a hostname with port, user and name, not both")]
    Both,
    /// Parts of a PostgreSQL without its host.
    #[error("database.{0} is given without database.hostname (or DATABASE_HOSTNAME)")]
    NoHost(&'static str),
    /// The password file cannot be read.
    #[error("database.password_file {}: {error}", .path.display())]
    Password {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
}

impl DatabaseSettings {
    /// The database that counts. Reads the password file.
    pub fn resolve(&self, data: &Path) -> Result<Database, DatabaseError> {
        match (&self.url, &self.hostname) {
            (Some(_), Some(_)) => Err(DatabaseError::Both),
            (None, None) => match self.stray() {
                Some(key) => Err(DatabaseError::NoHost(key)),
                None => Ok(Database::Sqlite(data.join("kiln.db"))),
            },
            (Some(url), None) => self.of_url(&Database::parse(url.reveal())?),
            (None, Some(host)) => {
                let url = format!("postgres://{host}/");
                let mut url = Url::parse(&url).map_err(|e| DatabaseError::Url(e.to_string()))?;
                let refused = |()| DatabaseError::Url(format!("{host:?} is no host name"));
                url.set_port(Some(self.port.unwrap_or(5432))).map_err(refused)?;
                url.set_username(self.user.as_deref().unwrap_or("kiln")).map_err(refused)?;
                url.set_path(self.name.as_deref().unwrap_or("kiln"));
                let url = Secret(url.into());
                self.of_url(&Database::Postgres { url, connections: self.connections })
            }
        }
    }

    fn stray(&self) -> Option<&'static str> {
        [
            ("port", self.port.is_some()),
            ("user", self.user.is_some()),
            ("password", self.password.is_some()),
            ("password_file", self.password_file.is_some()),
            ("name", self.name.is_some()),
        ]
        .into_iter()
        .find_map(|(key, given)| given.then_some(key))
    }

    /// Puts the password in, where one is given apart.
    fn of_url(&self, database: &Database) -> Result<Database, DatabaseError> {
        let Database::Postgres { url, .. } = database else { return Ok(database.clone()) };
        let password = match &self.password_file {
            Some(path) => Some(
                fs::read_to_string(path)
                    .map(|text| text.trim().to_owned())
                    .map_err(|error| DatabaseError::Password { path: path.clone(), error })?,
            ),
            None => self.password.as_ref().map(|password| password.reveal().to_owned()),
        };
        let mut url = Url::parse(url.reveal()).map_err(|e| DatabaseError::Url(e.to_string()))?;
        if let Some(password) = password {
            let refused = |()| DatabaseError::Url("it has no host".to_owned());
            url.set_password(Some(&password)).map_err(refused)?;
        }
        Ok(Database::Postgres { url: Secret(url.into()), connections: self.connections })
    }
}

impl Database {
    /// The database that a URL names, as it stands.
    pub fn parse(text: &str) -> Result<Self, DatabaseError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(DatabaseError::Url("sqlite: names no file".to_owned()));
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        // What the parser says never has the text in it, which may hold a password.
        let url = Url::parse(text).map_err(|error| DatabaseError::Url(error.to_string()))?;
        match url.scheme() {
            "postgres" | "postgresql" if url.has_host() => {
                Ok(Self::Postgres { url: Secret(text.to_owned()), connections: CONNECTIONS })
            }
            "postgres" | "postgresql" => Err(DatabaseError::Url("it has no host".to_owned())),
            other => Err(DatabaseError::Url(format!("{other}:// is no database kiln can use"))),
        }
    }
}

impl fmt::Display for Database {
    /// The database without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres { url, .. } => match Url::parse(url.reveal()) {
                Ok(mut url) => {
                    // Where there is no password there is none to hide.
                    let _ = url.set_password(None);
                    url.set_query(None);
                    f.write_str(url.as_str())
                }
                Err(_) => f.write_str("postgres://…"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<String, String> {
        let settings: DatabaseSettings = toml::from_str(text).unwrap();
        let database = settings.resolve(Path::new("/data")).map_err(|error| error.to_string())?;
        Ok(match &database {
            Database::Sqlite(_) => database.to_string(),
            Database::Postgres { url, .. } => url.reveal().to_owned(),
        })
    }

    #[test]
    fn a_database_is_a_file_a_url_or_its_parts() {
        for (text, expected) in [
            ("", "sqlite:/data/kiln.db"),
            ("url = 'sqlite:/x/y.db'", "sqlite:/x/y.db"),
            ("url = 'postgres://a:b@h/n?sslmode=require'", "postgres://a:b@h/n?sslmode=require"),
            ("hostname = 'db'", "postgres://kiln@db:5432/kiln"),
            (
                "hostname = 'db'\nport = 1\nuser = 'u'\npassword = 'p@/'\nname = 'n'",
                "postgres://u:p%40%2F@db:1/n",
            ),
            ("url = 'postgres://a@h/n'\npassword = 's'", "postgres://a:s@h/n"),
        ] {
            assert_eq!(resolved(text).unwrap(), expected, "{text}");
        }
        for (text, problem) in [
            ("url = 'mysql://h/n'", "mysql:// is no database kiln can use"),
            ("url = 'postgres:///n'", "no host"),
            ("url = 'sqlite:'", "names no file"),
            ("url = 'nonsense'", "give postgres://"),
            ("url = 'sqlite:x'\nhostname = 'h'", "not both"),
            ("user = 'u'", "database.user is given without database.hostname"),
            ("hostname = 'h'\npassword_file = '/nowhere/x'", "/nowhere/x"),
        ] {
            let error = resolved(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let database = Database::parse("postgres://u:secret@h/n?x=secret").unwrap();
        assert_eq!(database.to_string(), "postgres://u@h/n");
        assert!(!format!("{database:?}").contains("secret"));
    }
}
