//! Backups of a SQLite installation, made while its server runs, and their way back.
//!
//! A backup is one SQLite file, whole and as of one moment (`VACUUM INTO`, which only reads). It is
//! checked before it replaces anything: a file that is none, is damaged, or comes from a newer release
//! changes nothing.

use std::{
    fs, io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use sqlx::{
    AssertSqlSafe, Connection as _, SqliteConnection, migrate::Migrator,
    sqlite::SqliteConnectOptions,
};

/// The schema that this release knows.
static KNOWN: Migrator = sqlx::migrate!("migrations/sqlite");

/// A backup was not made, or not brought back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something already.
    #[error("{} is there already: choose another name", .0.display())]
    Exists(PathBuf),
    /// The directory has a database.
    #[error("{} is there already: --replace puts the backup in its place, and keeps the old one beside it", .0.display())]
    Occupied(PathBuf),
    /// There is no database.
    #[error("there is no database {}: give the server's data directory with --data", .0.display())]
    Missing(PathBuf),
    /// The file is something else.
    #[error("{} is no backup of kiln: {problem}", .path.display())]
    None {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        problem: String,
    },
    /// The file was made by a newer release.
    #[error("{} was made by a newer release of kiln (migration {migration}): bring it back with that release", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The first migration that this release does not know.
        migration: i64,
    },
    /// A file cannot be read or written.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// SQLite failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
}

/// Writes a backup of `database` to `to`, which must not be there. It appears whole or not at all,
/// and only its owner can read it.
pub async fn back_up(database: &Path, to: &Path) -> Result<(), BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    if !database.is_file() {
        return Err(BackupError::Missing(database.to_owned()));
    }
    let unfinished = beside(to, "unfinished");
    let failed = |error| BackupError::Io { path: to.to_owned(), error };
    let made = async {
        // Made empty first, so that nobody else could read it at any moment.
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600);
        file.open(&unfinished).map_err(failed)?;
        let mut source = open(database).await?;
        let into = text_of(&unfinished)?;
        sqlx::query("VACUUM INTO $1").bind(into).execute(&mut source).await?;
        source.close().await?;
        sync(&unfinished).map_err(failed)?;
        // Fails where somebody was faster.
        fs::hard_link(&unfinished, to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists(to.to_owned()),
            _ => failed(error),
        })?;
        sync_folder(to).map_err(failed)
    };
    let made = made.await;
    let _ = fs::remove_file(&unfinished);
    made
}

/// Puts a backup in the place of `database`; the caller holds the lock of its directory. What was
/// there is kept beside it, if it may be replaced at all; answers where.
pub async fn bring_back(
    backup: &Path,
    database: &Path,
    may_replace: bool,
) -> Result<Option<PathBuf>, BackupError> {
    check(backup).await?;
    let is_there = database.symlink_metadata().is_ok();
    if is_there && !may_replace {
        return Err(BackupError::Occupied(database.to_owned()));
    }
    let failed = |error| BackupError::Io { path: database.to_owned(), error };
    let unfinished = beside(database, "unfinished");
    let copied = fs::copy(backup, &unfinished)
        .and_then(|_| fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o600)))
        .and_then(|()| sync(&unfinished));
    if let Err(error) = copied {
        let _ = fs::remove_file(&unfinished);
        return Err(failed(error));
    }
    let kept = is_there.then(|| old_name(database));
    if let Some(kept) = &kept {
        // What is only in the write-ahead log goes into the file that is kept.
        let mut old = open(database).await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut old).await?;
        old.close().await?;
        // A second name, so that at no moment there is no database: a server that starts would make one.
        fs::hard_link(database, kept).map_err(failed)?;
    }
    // A log of the old file would be taken for one of the new.
    for suffix in ["wal", "shm"] {
        match fs::remove_file(beside(database, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    fs::rename(&unfinished, database).map_err(failed)?;
    sync_folder(database).map_err(failed)?;
    Ok(kept)
}

/// Whether this release can go on with the file.
async fn check(backup: &Path) -> Result<(), BackupError> {
    let none = |problem: String| BackupError::None { path: backup.to_owned(), problem };
    if !backup.is_file() {
        return Err(none("there is no such file".to_owned()));
    }
    let options = SqliteConnectOptions::new().filename(backup).read_only(true).immutable(true);
    let no_database = |error: sqlx::Error| match error {
        sqlx::Error::Database(error) => none(error.message().to_owned()),
        error => none(error.to_string()),
    };
    let mut file = SqliteConnection::connect_with(&options).await.map_err(no_database)?;
    let versions = sqlx::query_scalar::<_, i64>("SELECT version FROM _sqlx_migrations ORDER BY 1")
        .fetch_all(&mut file)
        .await
        .map_err(no_database)?;
    if let Some(migration) = versions.iter().find(|version| !KNOWN.version_exists(**version)) {
        return Err(BackupError::Newer { path: backup.to_owned(), migration: *migration });
    }
    if versions.is_empty() {
        return Err(none("it has no tables of kiln".to_owned()));
    }
    let sound = sqlx::query_scalar::<_, String>("PRAGMA integrity_check(1)").fetch_one(&mut file);
    match &*sound.await.map_err(no_database)? {
        "ok" => Ok(file.close().await?),
        problem => Err(none(format!("it is damaged: {problem}"))),
    }
}

async fn open(database: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .busy_timeout(std::time::Duration::from_secs(30));
    let mut connection = SqliteConnection::connect_with(&options).await?;
    // Temporary files of a large database belong beside it, not where memory is.
    sqlx::query(AssertSqlSafe("PRAGMA temp_store = 1".to_owned())).execute(&mut connection).await?;
    Ok(connection)
}

fn text_of(path: &Path) -> Result<&str, BackupError> {
    path.to_str().ok_or_else(|| BackupError::Io {
        path: path.to_owned(),
        error: io::Error::new(io::ErrorKind::InvalidInput, "its name is not UTF-8"),
    })
}

/// A file beside another: `kiln.db-wal`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("-{suffix}"));
    name.into()
}

/// A name for what was there before that no file has.
fn old_name(database: &Path) -> PathBuf {
    let names = std::iter::once("before".to_owned()).chain((2..).map(|n| format!("before-{n}")));
    let mut names = names.map(|name| beside(database, &name));
    names.find(|name| name.symlink_metadata().is_err()).expect("numbers do not end")
}

fn sync(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync(folder.unwrap_or(Path::new(".")))
}
