//! `kiln db backup` and `restore`: made while somebody writes, whole, and nothing is lost by mistake.
#![expect(clippy::disallowed_methods, reason = "the rule is for the product; tests start programs")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use kiln::{
    config::Database,
    model::SystemClock,
    store::{BackupError, Store, back_up, bring_back},
};

use crate::database::{Place, request};

fn file_of(place: &Place) -> PathBuf {
    match &place.database {
        Database::Sqlite(path) => path.clone(),
        Database::Postgres { .. } => unreachable!("the test is for SQLite"),
    }
}

/// The ids of all builds in a database file.
async fn builds_in(file: &Path) -> Vec<String> {
    let store = Store::open(&Database::Sqlite(file.to_owned())).await.unwrap();
    let queue =
        crate::database::queue(store.clone(), Arc::new(SystemClock), Duration::from_secs(9)).await;
    let mut filter =
        kiln::protocol::BuildFilter { limit: Some(200), ..kiln::protocol::BuildFilter::default() };
    let mut ids = Vec::new();
    loop {
        let page = queue.builds(&kiln::model::Scope::All, &filter).await.unwrap();
        ids.extend(page.items.iter().map(|build| build.id.to_string()));
        match page.next {
            Some(next) => filter.cursor = Some(next),
            None => break,
        }
    }
    store.close().await;
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_under_load_has_everything_up_to_one_moment() {
    let place = Place::sqlite().await;
    let queue = place.queue().await;
    let folder = tempfile::tempdir().unwrap();
    let writing = tokio::spawn(async move {
        let mut ids = Vec::new();
        for _ in 0..300 {
            ids.push(queue.submit(request(None)).await.unwrap().to_string());
        }
        ids
    });
    let mut backups = Vec::new();
    for number in 0..3 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let file = folder.path().join(format!("{number}.db"));
        back_up(&file_of(&place), &file).await.unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        backups.push(file);
    }
    let mut written = writing.await.unwrap();
    let mut sizes = Vec::new();
    for file in &backups {
        let database = folder.path().join("data").join("kiln.db");
        fs::create_dir_all(database.parent().unwrap()).unwrap();
        let kept = bring_back(file, &database, !sizes.is_empty()).await.unwrap();
        assert_eq!(kept.is_some(), !sizes.is_empty());
        let mut there = builds_in(&database).await;
        there.sort();
        // Builds were made one after the other: what is there is a beginning of that.
        let mut first = written[..there.len()].to_vec();
        first.sort();
        assert_eq!(there, first);
        sizes.push(there.len());
    }
    assert!(sizes.is_sorted(), "{sizes:?}");
    let file = folder.path().join("all.db");
    back_up(&file_of(&place), &file).await.unwrap();
    let mut there = builds_in(&file).await;
    there.sort();
    written.sort();
    assert_eq!(there, written);
    let names = |folder: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let left = names(folder.path());
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("unfinished")), "{left:?}");
}

#[tokio::test]
async fn what_is_no_backup_or_has_no_place_changes_nothing() {
    let place = Place::sqlite().await;
    place.queue().await.submit(request(None)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let good = at("good.db");
    back_up(&file_of(&place), &good).await.unwrap();
    let again = back_up(&file_of(&place), &good).await.unwrap_err();
    assert!(matches!(again, BackupError::Exists(_)), "{again}");
    let missing = back_up(&at("none.db"), &at("x.db")).await.unwrap_err();
    assert!(matches!(missing, BackupError::Missing(_)), "{missing}");

    let database = at("kiln.db");
    fs::copy(&good, &database).unwrap();
    let before = fs::read(&database).unwrap();
    let occupied = bring_back(&good, &database, false).await.unwrap_err();
    assert!(matches!(occupied, BackupError::Occupied(_)), "{occupied}");

    fs::write(at("text.db"), "this is no database, however long it is".repeat(99)).unwrap();
    fs::write(at("empty.db"), "").unwrap();
    let mut damaged = fs::read(&good).unwrap();
    let middle = damaged.len() / 2;
    damaged.truncate(middle);
    fs::write(at("cut.db"), &damaged).unwrap();
    for name in ["text.db", "empty.db", "cut.db", "missing.db"] {
        let refused = bring_back(&at(name), &database, true).await.unwrap_err();
        assert!(matches!(refused, BackupError::None { .. }), "{name}: {refused}");
    }
    let newer = at("newer.db");
    fs::copy(&good, &newer).unwrap();
    let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
               execution_time) VALUES (9999, 'to come', TRUE, x'00', 0)";
    let changed = sqlx_execute(&newer, sql).await;
    assert_eq!(changed, 1);
    let refused = bring_back(&newer, &database, true).await.unwrap_err();
    assert!(matches!(refused, BackupError::Newer { migration: 9999, .. }), "{refused}");
    assert_eq!(fs::read(&database).unwrap(), before);
}

async fn sqlx_execute(file: &Path, sql: &'static str) -> u64 {
    use sqlx::Connection as _;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let done = sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    done.rows_affected()
}

fn kiln(words: &[&str], data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.args(["db"]).args(words).arg("--data").arg(data).env_clear();
    command.current_dir(data).output().unwrap()
}

#[tokio::test]
async fn on_the_command_line_a_server_that_runs_is_not_written_into() {
    let folder = tempfile::tempdir().unwrap();
    let (data, backup) = (folder.path().join("data"), folder.path().join("b.db"));
    fs::create_dir(&data).unwrap();
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let output = kiln(&["backup", backup.to_str().unwrap()], &data);
    assert!(
        !output.status.success() && said(&output).contains("there is no database"),
        "{output:?}"
    );
    let store = Store::open(&Database::Sqlite(data.join("kiln.db"))).await.unwrap();
    let queue = crate::database::queue(store, Arc::new(SystemClock), Duration::from_secs(9)).await;
    let id = queue.submit(request(None)).await.unwrap();
    let lock = kiln::server::lock(&data).unwrap();
    let output = kiln(&["backup", backup.to_str().unwrap()], &data);
    assert!(output.status.success(), "{output:?}");
    let output = kiln(&["restore", backup.to_str().unwrap(), "--replace"], &data);
    assert!(
        !output.status.success() && said(&output).contains("another kiln server"),
        "{output:?}"
    );
    drop(lock);
    let output = kiln(&["restore", backup.to_str().unwrap()], &data);
    assert!(!output.status.success() && said(&output).contains("--replace"), "{output:?}");
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    let output = kiln(&["restore", backup.to_str().unwrap()], &other);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(builds_in(&other.join("kiln.db")).await, [id.to_string()]);
}
