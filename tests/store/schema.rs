//! The migrations of both databases say the same.

use std::collections::BTreeSet;

use kiln::{
    config::Database,
    store::{OpenError, Store},
};

use crate::{database::Place, support::postgres::Postgres};

/// Every column as `table.column`, and whether it may be empty.
async fn sqlite_columns(place: &Place) -> BTreeSet<(String, bool)> {
    let Database::Sqlite(path) = &place.database else { panic!("it is SQLite") };
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let rows = sqlx::query_as::<_, (String, String, bool, i64)>(
        "SELECT t.name, c.name, c.\"notnull\", c.pk FROM sqlite_master t, pragma_table_info(t.name) c \
         WHERE t.type = 'table' AND t.name NOT LIKE '\\_%' ESCAPE '\\' AND t.name NOT LIKE 'sqlite%'",
    );
    let rows = rows.fetch_all(&pool).await.unwrap();
    pool.close().await;
    rows.into_iter()
        .map(|(t, c, not_null, key)| (format!("{t}.{c}"), !not_null && key == 0))
        .collect()
}

fn postgres_columns(postgres: &Postgres) -> BTreeSet<(String, bool)> {
    let text = postgres.psql(
        "SELECT table_name || '.' || column_name, is_nullable FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_%'",
    );
    let column = |line: &str| {
        let (name, nullable) = line.split_once('|').unwrap();
        (name.to_owned(), nullable == "YES")
    };
    text.lines().map(column).collect()
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let (sqlite, postgres) = (Place::sqlite().await, Place::postgres().await);
    let expected = sqlite_columns(&sqlite).await;
    assert!(expected.len() > 50 && expected.iter().any(|(name, _)| name == "jobs.lease_until"));
    assert_eq!(postgres_columns(postgres.postgres.as_ref().unwrap()), expected);
}

#[test]
fn every_migration_is_there_for_both() {
    let names = |folder: &str| -> BTreeSet<String> {
        let files = std::fs::read_dir(folder).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    };
    let sqlite = names("migrations/sqlite");
    assert!(sqlite.len() >= 3);
    assert_eq!(names("migrations/postgres"), sqlite);
}

#[tokio::test]
async fn servers_that_start_together_on_an_empty_database_migrate_it_once() {
    let postgres = Postgres::start();
    let database = Database::parse(&postgres.url()).unwrap();
    let opening = (0..6).map(|_| {
        let database = database.clone();
        tokio::spawn(async move {
            let store = Store::open(&database).await.unwrap();
            store.installation().await.unwrap()
        })
    });
    let mut ids = BTreeSet::new();
    for one in opening.collect::<Vec<_>>() {
        ids.insert(one.await.unwrap());
    }
    assert_eq!(ids.len(), 1, "all are of one installation");
    let migrations = std::fs::read_dir("migrations/postgres").unwrap().count();
    let applied = postgres.psql("SELECT COUNT(*), COUNT(DISTINCT version) FROM _sqlx_migrations");
    assert_eq!(applied, format!("{migrations}|{migrations}"));
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_refused() {
    let place = Place::postgres().await;
    place.postgres.as_ref().unwrap().psql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9000, 'from the future', TRUE, '\\x00', 0)",
    );
    let error = Store::open(&place.database).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { migration: 9000, .. }), "{error}");
    assert!(error.to_string().contains("newer release of kiln"), "{error}");
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_said_in_one_sentence() {
    let postgres = Postgres::start();
    let nobody =
        std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    for (url, problem) in [
        (Postgres::url_at(nobody), "did not answer in time"),
        (postgres.url().replace("/postgres", "/nowhere"), "database \"nowhere\" does not exist"),
        (postgres.url().replace("kiln@", "stranger:secret@"), "role \"stranger\" does not exist"),
        ("postgres://kiln@host.invalid/kiln".to_owned(), "check database.url"),
    ] {
        let error = Store::open(&Database::parse(&url).unwrap()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(problem) && text.contains("check database.url"), "{url}: {text}");
        assert!(!text.contains("secret") && !text.contains('\n'), "{text}");
    }
}
