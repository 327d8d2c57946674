//! The connection: SQLite in write-ahead mode, one writer and several readers.
//!
//! One write connection, because SQLite has one writer anyway: waiting for it here is faster than
//! `SQLITE_BUSY`, and `BEGIN IMMEDIATE` means that a transaction which has begun can commit.

use std::{path::Path, time::Duration};

use sqlx::{
    Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::StoreError;

/// Readers at one time; the server has few cores to spare for more.
const READERS: u32 = 4;

/// How long a statement waits for the file's lock, which another process (a backup) may hold.
const BUSY: Duration = Duration::from_secs(10);

/// A write transaction.
pub type Tx = Transaction<'static, Sqlite>;

/// The database.
#[derive(Clone, Debug)]
pub struct Store {
    writer: SqlitePool,
    pub(super) reader: SqlitePool,
}

impl Store {
    /// Opens the database file, makes it if it is not there, and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
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
        Ok(Self { writer, reader })
    }

    /// Begins a write transaction; dropping it without `commit` undoes it.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Begins to read: everything in it is as it was at one moment.
    pub async fn snapshot(&self) -> Result<Tx, StoreError> {
        Ok(self.reader.begin().await?)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.reader).await?;
        Ok(())
    }

    /// Writes everything out and closes the file.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}
