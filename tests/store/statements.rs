//! Every statement of the store is prepared on both databases, so that a mistake in one that is
//! rarely run, or wrong in one dialect only, is found here.
//!
//! The statements are read out of the source: a literal after `sql(` or two after `dialects(`.

use std::{fs, path::PathBuf};

use sqlx::{Executor as _, SqlSafeStr as _};

use kiln::model::{ProjectId, Scope, Timestamp};

use crate::database::Place;

/// Text for SQLite and for PostgreSQL, and where it stands.
type Statement = (String, String, String);

/// The next string literal at or after `at`, and where the text goes on after it.
fn literal(source: &str, at: usize) -> Option<(String, usize)> {
    let rest = &source[at..];
    let start = rest.find(|c: char| !c.is_whitespace() && c != ',')?;
    if !rest[start..].starts_with('"') {
        return None;
    }
    let mut text = String::new();
    let mut chars = rest[start + 1..].char_indices();
    while let Some((place, c)) = chars.next() {
        match c {
            '"' => return Some((text, at + start + 1 + place + 1)),
            '\\' => match chars.next()?.1 {
                '\n' => {
                    while chars.clone().next().is_some_and(|(_, c)| c.is_whitespace()) {
                        chars.next();
                    }
                }
                c => text.push(c),
            },
            c => text.push(c),
        }
    }
    None
}

fn statements() -> Vec<Statement> {
    let mut all = Vec::new();
    let mut files: Vec<PathBuf> =
        fs::read_dir("src/store").unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        // The layer itself and its tests have none of their own.
        if file.ends_with("sql.rs") {
            continue;
        }
        for (call, count) in [("sql(", 1), ("dialects(", 2)] {
            for (at, _) in source.match_indices(call) {
                let before = source[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                    continue;
                }
                let place = format!("{}:{}", file.display(), source[..at].lines().count());
                let first = literal(&source, at + call.len());
                let (first, next) = first.unwrap_or_else(|| panic!("{place}: no literal"));
                let second = match count {
                    1 => first.clone(),
                    _ => literal(&source, next).unwrap_or_else(|| panic!("{place}: one text")).0,
                };
                let sqlite = first.rfind(" FOR UPDATE").map_or(&*first, |at| &first[..at]);
                all.push((sqlite.to_owned(), second, place));
            }
        }
    }
    all
}

#[tokio::test]
async fn every_statement_is_understood_by_both_databases() {
    let (sqlite, postgres) = (Place::sqlite().await, Place::postgres().await);
    let kiln::config::Database::Sqlite(path) = &sqlite.database else { panic!() };
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let lite = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let pg = sqlx::PgPool::connect(&postgres.postgres.as_ref().unwrap().url()).await.unwrap();
    let all = statements();
    assert!(all.len() > 60, "only {} statements were found", all.len());
    let mut wrong = Vec::new();
    for (for_sqlite, for_postgres, place) in all {
        let safe = sqlx::AssertSqlSafe(for_postgres.clone()).into_sql_str();
        if let Err(error) = (&pg).prepare(safe).await {
            wrong.push(format!("{place}: PostgreSQL: {error}\n  {for_postgres}"));
        }
        let only_postgres = ["pg_", "kiln_now", "WITH ORDINALITY"];
        if only_postgres.iter().any(|word| for_sqlite.contains(word)) {
            continue;
        }
        let safe = sqlx::AssertSqlSafe(for_sqlite.clone()).into_sql_str();
        if let Err(error) = (&lite).prepare(safe).await {
            wrong.push(format!("{place}: SQLite: {error}\n  {for_sqlite}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    lite.close().await;
    pg.close().await;
}

/// The one statement that is put together, in every way it can be.
#[tokio::test]
async fn every_listing_is_understood_by_both_databases() {
    for place in [Place::sqlite().await, Place::postgres().await] {
        for set in 0..16_u32 {
            let mut filter = serde_json::Map::new();
            for (bit, (key, value)) in [
                ("commit", "0123456789abcdef0123456789abcdef01234567"),
                ("state", "running"),
                ("outcome", "success"),
                ("toolchain", "gcc:14"),
            ]
            .into_iter()
            .enumerate()
            {
                if set & (1 << bit) != 0 {
                    filter.insert(key.to_owned(), value.into());
                }
            }
            let filter = serde_json::from_value(filter.into()).unwrap();
            for before in [None, Some("01KB0Q6M3V8W2T5XJ4C9ZR7HND".parse().unwrap())] {
                let mut tx = place.store.snapshot().await.unwrap();
                for (scope, project) in scopes() {
                    let of = (&scope, project);
                    let page = (before, 10);
                    let found = place.store.builds(&mut tx, of, &filter, page).await.unwrap();
                    assert!(found.is_empty());
                }
            }
        }
    }
}

/// Who may see what, in all the ways that change the statement.
fn scopes() -> Vec<(Scope, Option<ProjectId>)> {
    let ids: Vec<ProjectId> = (0..3).map(|at| ProjectId::new(Timestamp::from_millis(at))).collect();
    let some = |count: usize| Scope::Projects(ids[..count].iter().copied().collect());
    vec![(Scope::All, None), (Scope::All, Some(ids[0])), (some(0), None), (some(3), Some(ids[1]))]
}
