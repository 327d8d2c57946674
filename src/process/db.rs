//! `kiln db move`: from the SQLite file of one server to a PostgreSQL that several share.

use anyhow::Context as _;

use super::setup;
use crate::{
    cli::{DbArgs, DbCommand},
    config::Database,
    server,
    store::Store,
};

/// Moves an installation's database.
pub async fn db(args: DbArgs) -> anyhow::Result<()> {
    let DbCommand::Move { from, to, data, config } = args.command;
    let setup = setup::read(config.as_deref(), data.as_deref())?;
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
        #[expect(clippy::print_stdout, reason = "the command's output")]
        {
            println!("{rows:>10}  {table}");
        }
    }
    source.close().await;
    target.close().await;
    tracing::info!(
        "everything is in {to}; {from} stays as it is. Artifacts stay where they are: servers on other \
         machines need artifacts.root to be a bucket"
    );
    Ok(())
}
