//! One statement, run on either database.
//!
//! Every statement of kiln passes through here: one text with `$1` for both databases, values of
//! four kinds, rows that decode from both. What differs is small and stands in one place: SQLite
//! has no row locks, because its one writer holds the whole file, so that `FOR UPDATE …` at a
//! statement's end is for PostgreSQL alone; and a statement may have two texts (`dialects`).

use std::borrow::Cow;

use sqlx::{
    Arguments, AssertSqlSafe, Encode, FromRow, PgConnection, PgPool, Postgres, Sqlite,
    SqliteConnection, SqlitePool, Type,
    postgres::{PgArguments, PgRow},
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{Store, StoreError, Tx, db::Pools};

/// A row that both databases give.
pub(super) trait Row:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{}

/// A value of a statement: the kinds that both databases store alike.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Bool(bool),
    Bytes(Option<Vec<u8>>),
}

macro_rules! values {
    ($($type:ty, $value:ident => $make:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $make
            }
        })*
    };
}

values! {
    &str, text => Self::Text(Some(text.to_owned()));
    &String, text => Self::Text(Some(text.clone()));
    String, text => Self::Text(Some(text));
    Option<&str>, text => Self::Text(text.map(str::to_owned));
    Option<String>, text => Self::Text(text);
    i64, number => Self::Int(Some(number));
    Option<i64>, number => Self::Int(number);
    i32, number => Self::Int(Some(number.into()));
    u32, number => Self::Int(Some(number.into()));
    bool, flag => Self::Bool(flag);
    Vec<u8>, bytes => Self::Bytes(Some(bytes));
    Option<Vec<u8>>, bytes => Self::Bytes(bytes);
}

/// A statement with its values.
#[derive(Debug)]
pub(super) struct Sql {
    sqlite: Cow<'static, str>,
    postgres: Cow<'static, str>,
    values: Vec<Value>,
}

/// A statement in one text.
pub(super) fn sql(text: &'static str) -> Sql {
    dialects(without_lock(text), text)
}

/// A statement for which the databases need different texts, with the same values.
pub(super) fn dialects(sqlite: &'static str, postgres: &'static str) -> Sql {
    Sql { sqlite: sqlite.into(), postgres: postgres.into(), values: Vec::new() }
}

/// A statement that was put together from constant parts.
pub(super) fn composed(text: String, values: Vec<Value>) -> Sql {
    Sql { sqlite: text.clone().into(), postgres: text.into(), values }
}

/// The text without the row lock at its end.
fn without_lock(text: &'static str) -> &'static str {
    text.rfind(" FOR UPDATE").map_or(text, |at| &text[..at])
}

/// Where a statement runs.
#[derive(Debug)]
pub(super) enum On<'a> {
    SqliteTx(&'a mut SqliteConnection),
    Sqlite(&'a SqlitePool),
    PostgresTx(&'a mut PgConnection),
    Postgres(&'a PgPool),
}

impl<'a> From<&'a mut Tx> for On<'a> {
    fn from(tx: &'a mut Tx) -> Self {
        match tx {
            Tx::Sqlite(tx) => Self::SqliteTx(tx),
            Tx::Postgres(tx) => Self::PostgresTx(tx),
        }
    }
}

/// To read, outside of a transaction.
impl<'a> From<&'a Store> for On<'a> {
    fn from(store: &'a Store) -> Self {
        match &store.pools {
            Pools::Sqlite { reader, .. } => Self::Sqlite(reader),
            Pools::Postgres(pool) => Self::Postgres(pool),
        }
    }
}

/// The same call on whichever database it is.
macro_rules! each {
    ($sql:expr, $on:expr, $query:ident::<$db:ident $(, $row:ty)?>, $how:ident) => {{
        debug_assert_eq!(places(&$sql.postgres), $sql.values.len(), "{}", $sql.postgres);
        // Counted also if it fails: a database that hangs is the one to hear of.
        let _timed = Timed::begin();
        match $on.into() {
            On::SqliteTx(one) => {
                let values: SqliteArguments = arguments($sql.values)?;
                sqlx::$query::<Sqlite $(, $row)?, _>(AssertSqlSafe($sql.sqlite), values).$how(one).await?.into()
            }
            On::Sqlite(pool) => {
                let values: SqliteArguments = arguments($sql.values)?;
                sqlx::$query::<Sqlite $(, $row)?, _>(AssertSqlSafe($sql.sqlite), values).$how(pool).await?.into()
            }
            On::PostgresTx(one) => {
                let values: PgArguments = arguments($sql.values)?;
                sqlx::$query::<Postgres $(, $row)?, _>(AssertSqlSafe($sql.postgres), values).$how(one).await?.into()
            }
            On::Postgres(pool) => {
                let values: PgArguments = arguments($sql.values)?;
                sqlx::$query::<Postgres $(, $row)?, _>(AssertSqlSafe($sql.postgres), values).$how(pool).await?.into()
            }
        }
    }};
}

/// Tells how long a statement took, however it ends.
struct Timed(std::time::Instant);

impl Timed {
    fn begin() -> Self {
        Self(std::time::Instant::now())
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        crate::meters::asked_database(self.0.elapsed());
    }
}

/// How many values a statement wants: a database passes over those that are too many.
fn places(text: &str) -> usize {
    let numbers = text.split('$').skip(1).filter_map(|after| {
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        after[..end].parse().ok()
    });
    numbers.max().unwrap_or(0)
}

impl Sql {
    /// The next value.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Every row.
    pub(super) async fn fetch_all<T: Row>(
        self,
        on: impl Into<On<'_>>,
    ) -> Result<Vec<T>, StoreError> {
        Ok(each!(self, on, query_as_with::<Db, T>, fetch_all))
    }

    /// The row, if there is one.
    pub(super) async fn fetch_optional<T: Row>(
        self,
        on: impl Into<On<'_>>,
    ) -> Result<Option<T>, StoreError> {
        Ok(each!(self, on, query_as_with::<Db, T>, fetch_optional))
    }

    /// The row, which there must be.
    pub(super) async fn fetch_one<T: Row>(self, on: impl Into<On<'_>>) -> Result<T, StoreError> {
        self.fetch_optional(on).await?.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }

    /// The first column of every row.
    pub(super) async fn fetch_column<T>(self, on: impl Into<On<'_>>) -> Result<Vec<T>, StoreError>
    where
        (T,): Row,
    {
        Ok(self.fetch_all::<(T,)>(on).await?.into_iter().map(|(value,)| value).collect())
    }

    /// The first column of the row, if there is one.
    pub(super) async fn fetch_value<T>(self, on: impl Into<On<'_>>) -> Result<Option<T>, StoreError>
    where
        (T,): Row,
    {
        Ok(self.fetch_optional::<(T,)>(on).await?.map(|(value,)| value))
    }

    /// The first column of the row, which there must be.
    pub(super) async fn fetch_only<T>(self, on: impl Into<On<'_>>) -> Result<T, StoreError>
    where
        (T,): Row,
    {
        Ok(self.fetch_one::<(T,)>(on).await?.0)
    }

    /// Changes rows; answers how many.
    pub(super) async fn execute(self, on: impl Into<On<'_>>) -> Result<u64, StoreError> {
        let changed: Changed = each!(self, on, query_with::<Db>, execute);
        Ok(changed.0)
    }
}

/// How many rows a statement changed.
struct Changed(u64);

impl From<sqlx::sqlite::SqliteQueryResult> for Changed {
    fn from(result: sqlx::sqlite::SqliteQueryResult) -> Self {
        Self(result.rows_affected())
    }
}

impl From<sqlx::postgres::PgQueryResult> for Changed {
    fn from(result: sqlx::postgres::PgQueryResult) -> Self {
        Self(result.rows_affected())
    }
}

/// The values as a database takes them.
fn arguments<A: Arguments>(values: Vec<Value>) -> Result<A, sqlx::Error>
where
    Option<String>: for<'q> Encode<'q, A::Database> + Type<A::Database>,
    Option<i64>: for<'q> Encode<'q, A::Database> + Type<A::Database>,
    bool: for<'q> Encode<'q, A::Database> + Type<A::Database>,
    Option<Vec<u8>>: for<'q> Encode<'q, A::Database> + Type<A::Database>,
{
    let mut arguments = A::default();
    for value in values {
        match value {
            Value::Text(text) => arguments.add(text),
            Value::Int(number) => arguments.add(number),
            Value::Bool(flag) => arguments.add(flag),
            Value::Bytes(bytes) => arguments.add(bytes),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_locks_are_for_postgresql_alone() {
        for (text, sqlite) in [
            ("SELECT 1 FOR UPDATE", "SELECT 1"),
            ("SELECT 1 LIMIT 1 FOR UPDATE OF jobs, builds SKIP LOCKED", "SELECT 1 LIMIT 1"),
            ("SELECT 1", "SELECT 1"),
        ] {
            let statement = sql(text);
            assert_eq!((&*statement.sqlite, &*statement.postgres), (sqlite, text));
        }
    }
}
