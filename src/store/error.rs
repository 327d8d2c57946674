//! What can go wrong in the database.

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
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> String {
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
