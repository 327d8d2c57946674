//! What can go wrong in the database.

use crate::config::Database;

/// The database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database's schema could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row contradicts itself.
    #[error("inconsistent row in {table}, id {id}: {problem}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The row.
        id: String,
        /// What contradicts what.
        problem: String,
    },
}

impl StoreError {
    /// For rows that cannot be read.
    pub(crate) fn inconsistent(
        table: &'static str,
        id: &str,
        problem: impl std::fmt::Display,
    ) -> Self {
        Self::Inconsistent { table, id: id.to_owned(), problem: problem.to_string() }
    }

    /// Whether the same may work in a moment: the database restarts, is full, or two transactions
    /// were in each other's way. Nothing was written.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => {
                // Classes of PostgreSQL: 08 connection, 40 rollback, 53 resources, 55 lock not
                // available, 57 operator intervention, 25P03 idle for too long. SQLite: 5 busy,
                // 13 full.
                error.code().is_some_and(|code| match &*code {
                    "25P03" | "5" | "13" => true,
                    code => {
                        code.len() == 5
                            && ["08", "40", "53", "55", "57"].iter().any(|c| code.starts_with(c))
                    }
                })
            }
            Self::Database(
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::BeginFailed,
            ) => true,
            _ => false,
        }
    }

    /// Whether a row of this kind is there already.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }
}

/// The database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It does not answer, or does not let kiln in.
    #[error("the database {database} cannot be used: {problem}; check database.url")]
    Unreachable {
        /// The database.
        database: String,
        /// What went wrong.
        problem: String,
    },
    /// A newer release has changed its schema.
    #[error(
        "the database {database} was changed by a newer release of kiln (migration {migration}): run that release, or go back to a backup"
    )]
    Newer {
        /// The database.
        database: String,
        /// The first migration that this release does not know.
        migration: i64,
    },
    /// Something else.
    #[error("the database {database}: {error}")]
    Failed {
        /// The database.
        database: String,
        /// What went wrong.
        error: StoreError,
    },
}

impl OpenError {
    pub(super) fn unreachable(database: &Database, error: &sqlx::Error) -> Self {
        let problem = match error {
            sqlx::Error::PoolTimedOut => "it did not answer in time".to_owned(),
            // The server's own sentence, without the driver's words around it.
            sqlx::Error::Database(error) => error.message().to_owned(),
            sqlx::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        };
        Self::Unreachable { database: database.to_string(), problem }
    }

    pub(super) fn of(database: &Database, error: StoreError) -> Self {
        use sqlx::migrate::MigrateError;
        match error {
            StoreError::Migration(MigrateError::VersionMissing(migration)) => {
                Self::Newer { database: database.to_string(), migration }
            }
            StoreError::Database(error) => Self::unreachable(database, &error),
            error => Self::Failed { database: database.to_string(), error },
        }
    }
}

/// Parses a column of a row; a value that cannot be read makes the row inconsistent.
pub(super) fn column<T>(table: &'static str, id: &str, text: &str) -> Result<T, StoreError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|error| StoreError::inconsistent(table, id, error))
}

/// Parses a JSON column of a row.
pub(super) fn json<T: serde::de::DeserializeOwned>(
    table: &'static str,
    id: &str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::inconsistent(table, id, error))
}

/// Writes a JSON column.
pub(super) fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("kiln's own types serialize: their keys are strings")
}

/// A count or size as a database integer.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A database integer as a count or size.
pub(super) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
