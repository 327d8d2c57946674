//! `kiln db`: from the SQLite file of one server to a PostgreSQL that several share; backups of the
//! file and their way back.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::setup::{self, Setup};
use crate::{
    auth::given_secret,
    cli::{DbArgs, DbCommand},
    config::Database,
    secrets::{SealingKey, Secrets},
    server,
    store::{Store, back_up, bring_back},
};

/// Does with an installation's database what the command line says.
pub async fn db(args: DbArgs) -> anyhow::Result<()> {
    match args.command {
        DbCommand::Backup { file, data, config } => {
            let database = sqlite_file(config.as_deref(), data.as_deref())?;
            back_up(&database, &file).await?;
            say(&format!("{} has everything of {}", file.display(), database.display()));
            Ok(())
        }
        DbCommand::Restore { file, replace, data, config } => {
            let database = sqlite_file(config.as_deref(), data.as_deref())?;
            let folder = database.parent().context("the database's folder")?;
            let _lock = server::lock(folder)
                .with_context(|| format!("the data directory {}", folder.display()))?;
            if let Some(kept) = bring_back(&file, &database, replace).await? {
                say(&format!("what was there is now {}", kept.display()));
            }
            say(&format!("{} is what the backup has; start the server", database.display()));
            Ok(())
        }
        DbCommand::Rekey { new, old, data, config } => {
            let setup = setup::read(config.as_deref(), data.as_deref())?;
            rekey(&new, old, &setup).await
        }
        DbCommand::Move { from, to, data, config } => {
            let setup = setup::read(config.as_deref(), data.as_deref())?;
            move_database(from, to, &setup).await
        }
    }
}

/// The file of the SQLite database that the settings name.
fn sqlite_file(config: Option<&Path>, data: Option<&Path>) -> anyhow::Result<PathBuf> {
    let setup = setup::read(config, data)?;
    match setup.settings.database.resolve(&setup.data)? {
        Database::Sqlite(path) => Ok(path),
        other @ Database::Postgres { .. } => anyhow::bail!(
            "the database is {other}: back it up with pg_dump, as docs/OPERATIONS.md describes"
        ),
    }
}

#[expect(clippy::print_stdout, reason = "the command's output")]
fn say(line: &str) {
    println!("{line}");
}

async fn rekey(new: &Path, old: Option<PathBuf>, setup: &Setup) -> anyhow::Result<()> {
    let new = SealingKey::from_text(&given_secret(new)?);
    let old = old.or_else(|| setup.settings.server.secret_key_file.clone());
    let old = given_secret(&old.unwrap_or_else(|| setup.data.join("secret-key")))?;
    let database = setup.settings.database.resolve(&setup.data)?;
    let _lock = match &database {
        Database::Sqlite(path) => {
            let folder = path.parent().context("the database's folder")?;
            Some(
                server::lock(folder)
                    .with_context(|| format!("the data of {}", folder.display()))?,
            )
        }
        Database::Postgres { .. } => None,
    };
    let store = Store::open(&database).await?;
    let count =
        Secrets::open(store.clone(), SealingKey::from_text(&old)).await?.rekey(&new).await?;
    store.close().await;
    say(&format!(
        "{count} values are sealed with the key {} now: give every server its file (server.secret_key_file, or \
         secret-key in the data directory)",
        new.id()
    ));
    Ok(())
}

async fn move_database(
    from: Option<String>,
    to: Option<String>,
    setup: &Setup,
) -> anyhow::Result<()> {
    let from = match from {
        Some(url) => Database::parse(&url)?,
        None => Database::Sqlite(setup.data.join("kiln.db")),
    };
    let to = match to {
        Some(url) => Database::parse(&url)?,
        None => setup.settings.database.resolve(&setup.data)?,
    };
    if let Database::Sqlite(path) = &from {
        anyhow::ensure!(path.is_file(), "there is no database {}", path.display());
        // A server that writes meanwhile would be left behind.
        let folder = path.parent().context("the database's folder")?;
        if folder.join("lock").exists() {
            server::lock(folder).with_context(|| format!("the data of {}", folder.display()))?;
        }
    }
    let source = Store::open(&from).await?;
    let target = Store::open(&to).await?;
    let moved = source.move_into(&target).await?;
    for (table, rows) in &moved {
        say(&format!("{rows:>10}  {table}"));
    }
    source.close().await;
    target.close().await;
    tracing::info!(
        "everything is in {to}; {from} stays as it is. Artifacts stay where they are: servers on other \
         machines need artifacts.root to be a bucket"
    );
    Ok(())
}
