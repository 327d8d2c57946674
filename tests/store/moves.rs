//! `kiln db move`: everything is there afterwards, and nothing is overwritten.
#![expect(clippy::disallowed_methods, reason = "the rule is for the product; tests start programs")]

use std::process::Command;

use kiln::{
    config::Database,
    model::{Clock as _, Frame, FrameKind, Stream, SystemClock},
    store::{MoveError, Store},
};

use crate::{
    database::{Place, agent, claim, finish, request, submit},
    support::postgres::Postgres,
};

/// Jobs in every state, with a log that is not sealed.
async fn filled() -> Place {
    let place = Place::sqlite().await;
    let queue = place.queue().await;
    let agent = agent(&place.store, "agent").await;
    submit(&queue, 4).await;
    queue.submit(request(Some("key"))).await.unwrap();
    for _ in 0..2 {
        let plan = queue.claim(agent, &claim()).await.unwrap().unwrap();
        finish(&queue, agent, &plan).await.unwrap();
    }
    let running = queue.claim(agent, &claim()).await.unwrap().unwrap();
    let mut tx = place.store.begin().await.unwrap();
    for seq in 0..500 {
        let kind = FrameKind::Data(Stream::Stdout, vec![0, 255, b'\n']);
        let frame = Frame { seq, offset: seq * 3, at: SystemClock.now(), step: None, kind };
        place.store.insert_frame(&mut tx, running.job, 1, &frame, false).await.unwrap();
    }
    tx.commit().await.unwrap();
    place.store.installation().await.unwrap();
    place
}

#[tokio::test]
async fn everything_is_there_afterwards_and_goes_on_there() {
    let (place, postgres) = (filled().await, Postgres::start());
    let target = Store::open(&Database::parse(&postgres.url()).unwrap()).await.unwrap();
    let moved = place.store.move_into(&target).await.unwrap();
    let rows = |table: &str| moved.iter().find(|(name, _)| *name == table).unwrap().1;
    assert_eq!((rows("builds"), rows("log_frames"), rows("idempotency_keys")), (5, 500, 1));
    assert_eq!(target.installation().await.unwrap(), place.store.installation().await.unwrap());
    let before = place.queue().await;
    let clock = std::sync::Arc::new(SystemClock);
    let after =
        crate::database::queue(target.clone(), clock, std::time::Duration::from_secs(30)).await;
    let all = kiln::protocol::BuildFilter::default();
    let scope = kiln::model::Scope::All;
    let old = before.builds(&scope, &all).await.unwrap();
    let new = after.builds(&scope, &all).await.unwrap();
    assert_eq!(
        serde_json::to_value(&new.items).unwrap(),
        serde_json::to_value(&old.items).unwrap()
    );
    for build in &old.items {
        for job in &build.jobs {
            let (one, other) = (
                target.frames_from(job.id, 1, 0, 1000),
                place.store.frames_from(job.id, 1, 0, 1000),
            );
            let (one, other) = (one.await.unwrap(), other.await.unwrap());
            assert!(one.iter().map(|row| &row.frame).eq(other.iter().map(|row| &row.frame)));
        }
    }
    // Events go on where they were, and a key that was used makes no second build.
    let last = target.event_bounds().await.unwrap().1;
    assert_eq!(last, place.store.event_bounds().await.unwrap().1);
    let repeated = after.submit(request(Some("key"))).await.unwrap();
    assert!(old.items.iter().any(|build| build.id == repeated));
    submit(&after, 1).await;
    assert!(target.event_bounds().await.unwrap().1 > last);
    // A second time there is something that would be overwritten.
    let error = place.store.move_into(&target).await.unwrap_err();
    assert!(matches!(&error, MoveError::NotEmpty(what) if what.contains("builds")), "{error}");
    assert!(matches!(target.move_into(&place.store).await, Err(MoveError::Kinds)));
}

#[tokio::test]
async fn the_command_moves_a_database_and_says_what() {
    let (place, postgres) = (filled().await, Postgres::start());
    let run = || {
        Command::new(env!("CARGO_BIN_EXE_kiln"))
            .args(["db", "move", "--from", &place.database.to_string()])
            .env("KILN_DATABASE_URL", postgres.url())
            .output()
            .unwrap()
    };
    let ran = run();
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(text.contains("5  builds") && text.contains("500  log_frames"), "{text}");
    assert_eq!(postgres.psql("SELECT COUNT(*) FROM builds"), "5");
    let again = run();
    assert_eq!(again.status.code(), Some(3));
    let text = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(text.contains("move into an empty one"), "{text}");
}
