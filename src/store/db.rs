//! The database: a SQLite file, or PostgreSQL.
//!
//! SQLite runs in write-ahead mode with one writer and several readers: it has one writer anyway,
//! waiting for it here is faster than `SQLITE_BUSY`, and `BEGIN IMMEDIATE` means that a transaction
//! which has begun can commit. PostgreSQL runs at READ COMMITTED: whoever changes something locks
//! its rows first, the build before its jobs, the counter of events last.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    PgPool, Postgres, Sqlite, SqlitePool, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use tracing::Instrument as _;

use super::{StoreError, error::OpenError, sql::sql};
use crate::{config::Database, model::Timestamp};

/// Readers of SQLite at one time; the server has few cores to spare for more.
const READERS: u32 = 4;

/// How long a statement waits for SQLite's lock, which another process (a backup) may hold.
const BUSY: Duration = Duration::from_secs(10);

/// How long a request waits for a connection to PostgreSQL: a restart of it takes a few seconds,
/// and whoever asks should hear of an outage before its own deadline.
const ACQUIRE: Duration = Duration::from_secs(10);

/// What bounds every connection: a statement that hangs, a lock that somebody holds for too long,
/// and a server that was stopped in the middle of a transaction and would hold its locks for ever.
const BOUNDS: [(&str, &str); 3] = [
    ("statement_timeout", "60s"),
    ("lock_timeout", "15s"),
    ("idle_in_transaction_session_timeout", "15s"),
];

/// A transaction. Dropping it without `commit` undoes it.
#[derive(Debug)]
pub enum Tx {
    /// Of SQLite.
    Sqlite(Transaction<'static, Sqlite>),
    /// Of PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Makes what was written count.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub(super) enum Pools {
    Sqlite { writer: SqlitePool, reader: SqlitePool },
    Postgres(PgPool),
}

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) pools: Pools,
    /// Tells this server's notices from those of others.
    pub(super) sender: u64,
    /// Write transactions of this server so far.
    writes: Arc<AtomicU64>,
}

impl Store {
    /// Opens the database, makes a file that is not there, and brings the schema up to date.
    pub async fn open(database: &Database) -> Result<Self, OpenError> {
        let pools = match database {
            Database::Sqlite(path) => sqlite(path).await,
            Database::Postgres { url, connections } => {
                let options: PgConnectOptions = url
                    .reveal()
                    .parse()
                    .map_err(|error| OpenError::unreachable(database, &error))?;
                postgres(options, *connections).await
            }
        };
        let pools = pools.map_err(|error| OpenError::of(database, error))?;
        Ok(Self { pools, sender: rand::random(), writes: Arc::default() })
    }

    /// Begins a write transaction.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Ok(match &self.pools {
            Pools::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Pools::Postgres(pool) => begun(pool, None).await?,
        })
    }

    /// Write transactions of this server so far: whoever can wait sees whether others work.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Begins to read: everything in it is as it was at one moment.
    pub async fn snapshot(&self) -> Result<Tx, StoreError> {
        Ok(match &self.pools {
            Pools::Sqlite { reader, .. } => Tx::Sqlite(reader.begin().await?),
            Pools::Postgres(pool) => {
                begun(pool, Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")).await?
            }
        })
    }

    /// What the database's own clock says, which all servers share; none for SQLite, whose clock
    /// is that of its one server.
    pub async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        match &self.pools {
            Pools::Sqlite { .. } => Ok(None),
            Pools::Postgres(_) => Ok(clock().fetch_value(self).await?.map(Timestamp::from_millis)),
        }
    }

    /// The same inside a transaction.
    pub async fn clock_in(&self, tx: &mut Tx) -> Result<Option<Timestamp>, StoreError> {
        match tx {
            Tx::Sqlite(_) => Ok(None),
            Tx::Postgres(_) => Ok(clock().fetch_value(tx).await?.map(Timestamp::from_millis)),
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sql("SELECT TRUE").fetch_value::<bool>(self).await?;
        Ok(())
    }

    /// Writes everything out and closes every connection.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

/// Begins a transaction of PostgreSQL in a task of its own: the caller may be dropped at any moment,
/// and a connection whose `BEGIN` was sent and not yet answered would go back to the pool with a transaction that
/// nobody knows of. As a task it comes to its end, and the transaction is undone when nobody takes it.
async fn begun(pool: &PgPool, statement: Option<&'static str>) -> Result<Tx, StoreError> {
    let pool = pool.clone();
    let begin = async move {
        match statement {
            None => pool.begin().await,
            Some(statement) => pool.begin_with(statement).await,
        }
    };
    let begun = tokio::spawn(begin.in_current_span()).await;
    let begun = begun.map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
    Ok(Tx::Postgres(begun?))
}

/// Only ever asked of PostgreSQL.
fn clock() -> super::sql::Sql {
    sql("SELECT kiln_now()")
}

async fn sqlite(path: &Path) -> Result<Pools, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(BUSY);
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.clone())
        .await?;
    sqlx::migrate!("migrations/sqlite").run(&writer).await?;
    let reader = SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(options.read_only(true))
        .await?;
    Ok(Pools::Sqlite { writer, reader })
}

async fn postgres(options: PgConnectOptions, connections: u32) -> Result<Pools, StoreError> {
    let pool = PgPoolOptions::new()
        .max_connections(connections.max(2))
        .acquire_timeout(ACQUIRE)
        .connect_with(options.application_name("kiln").options(BOUNDS))
        .await?;
    // Takes a lock of the whole database: of servers that start together one migrates, the others
    // wait and find it done.
    sqlx::migrate!("migrations/postgres").run(&pool).await?;
    Ok(Pools::Postgres(pool))
}
