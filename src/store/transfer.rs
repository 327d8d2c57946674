//! Moving an installation from SQLite into PostgreSQL: every row of every table, in one transaction
//! of the target, counted on both sides before it counts.

use sqlx::{Row as _, SqlitePool, sqlite::SqliteRow};

use super::{
    Store, StoreError, Tx,
    db::Pools,
    sql::{Value, composed, sql},
};

/// The tables, each after those that its rows refer to.
const TABLES: [&str; 24] = [
    "projects",
    "tokens",
    "audit",
    "builds",
    "jobs",
    "attempts",
    "log_frames",
    "agents",
    "enrollments",
    "idempotency_keys",
    "events",
    "counters",
    "installation",
    "uploads",
    "queues",
    "lanes",
    "secrets",
    "watches",
    "heads",
    "hooks",
    "deliveries",
    "logins",
    "targets",
    "outbox",
];

/// Rows that are read at a time; frames of logs are the largest, up to 64 KiB each.
const ROWS: i64 = 200;

/// A move that was not made.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The two are not what they have to be.
    #[error("kiln db move goes from a SQLite file to a PostgreSQL database")]
    Kinds,
    /// Somebody else's data is there.
    #[error("the target database has {0} already: move into an empty one")]
    NotEmpty(String),
    /// Not every row arrived; nothing was written.
    #[error("{table}: {read} rows were read and {written} arrived; nothing was written")]
    Incomplete {
        /// The table.
        table: &'static str,
        /// Rows in the source.
        read: i64,
        /// Rows in the target.
        written: i64,
    },
    /// A database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was moved: a table and its rows.
pub type Moved = Vec<(&'static str, i64)>;

impl Store {
    /// Copies everything into `target`, which has to be empty. The source stays as it is.
    pub async fn move_into(&self, target: &Self) -> Result<Moved, MoveError> {
        let (Pools::Sqlite { reader, .. }, Pools::Postgres(_)) = (&self.pools, &target.pools)
        else {
            return Err(MoveError::Kinds);
        };
        let mut tx = target.begin().await?;
        for (what, table) in [("builds", "builds"), ("agents", "agents"), ("uploads", "uploads")] {
            let count = count(&mut tx, table).await?;
            if count > 0 {
                return Err(MoveError::NotEmpty(format!("{count} {what}")));
            }
        }
        // What migrations and a first start have put there.
        for statement in [
            sql("DELETE FROM counters"),
            sql("DELETE FROM installation"),
            sql("DELETE FROM enrollments"),
            sql("DELETE FROM events"),
            sql("DELETE FROM queues"),
        ] {
            statement.execute(&mut tx).await?;
        }
        let mut moved = Vec::new();
        for table in TABLES {
            let read = copy(reader, &mut tx, table).await?;
            let written = count(&mut tx, table).await?;
            if read != written {
                return Err(MoveError::Incomplete { table, read, written });
            }
            moved.push((table, read));
        }
        tx.commit().await?;
        Ok(moved)
    }
}

async fn count(tx: &mut Tx, table: &'static str) -> Result<i64, StoreError> {
    composed(format!("SELECT COUNT(*) FROM {table}"), Vec::new()).fetch_only(tx).await
}

/// A column, and how its values are read.
struct Column {
    name: String,
    read: fn(&SqliteRow, usize) -> Result<Value, sqlx::Error>,
}

/// Copies a table; answers how many rows the source has.
async fn copy(source: &SqlitePool, tx: &mut Tx, table: &'static str) -> Result<i64, StoreError> {
    let columns = columns(source, table).await?;
    let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
    let names = names.join(", ");
    let places: Vec<String> = (1..=columns.len()).map(|number| format!("${number}")).collect();
    let insert = format!("INSERT INTO {table} ({names}) VALUES ({})", places.join(", "));
    let select =
        format!("SELECT rowid, {names} FROM {table} WHERE rowid > $1 ORDER BY rowid LIMIT {ROWS}");
    let (mut after, mut rows) = (0_i64, 0);
    loop {
        let query = sqlx::query(sqlx::AssertSqlSafe(select.clone())).bind(after);
        let page = query.fetch_all(source).await?;
        for row in &page {
            let values = columns.iter().enumerate().map(|(at, column)| (column.read)(row, at + 1));
            let values = values.collect::<Result<Vec<Value>, sqlx::Error>>()?;
            composed(insert.clone(), values).execute(&mut *tx).await?;
            after = row.try_get(0)?;
            rows += 1;
        }
        if page.is_empty() {
            return Ok(rows);
        }
    }
}

async fn columns(source: &SqlitePool, table: &str) -> Result<Vec<Column>, StoreError> {
    let query =
        sqlx::query_as::<_, (String, String)>("SELECT name, type FROM pragma_table_info($1)");
    let columns = query.bind(table).fetch_all(source).await?;
    let column = |(name, kind): (String, String)| {
        let read: fn(&SqliteRow, usize) -> Result<Value, sqlx::Error> = match &*kind {
            "BIGINT" => |row, at| Ok(row.try_get::<Option<i64>, _>(at)?.into()),
            "BOOLEAN" => |row, at| Ok(row.try_get::<bool, _>(at)?.into()),
            "BLOB" => |row, at| Ok(row.try_get::<Vec<u8>, _>(at)?.into()),
            _ => |row, at| Ok(row.try_get::<Option<String>, _>(at)?.into()),
        };
        Column { name, read }
    };
    Ok(columns.into_iter().map(column).collect())
}
