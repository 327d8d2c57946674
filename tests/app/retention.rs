//! What has its time over goes, what is to stay stays, and what is gone says so.

use std::{collections::BTreeSet, time::Duration};

use kiln::{
    model::{Outcome, RetentionRules},
    protocol::{Build, BuildFilter, NewProject, Retry},
};
use serde_json::json;

use crate::{
    farm::{Farm, Setup, project},
    program::{kiln, run},
    script::hello,
    uploads,
    wire::Ask,
};

const DAY: Duration = Duration::from_hours(24);

/// A farm whose time stands still, with one agent.
async fn farm() -> Farm {
    let mut setup = Setup { agents: 1, manual: true, ..Setup::default() };
    setup.settings.retention = RetentionRules {
        build_days: Some(30),
        artifact_days: Some(10),
        log_days: Some(20),
        ..RetentionRules::default()
    };
    Farm::with(setup, |_| hello()).await
}

async fn built(farm: &Farm, repo: &crate::support::repo::Repo, more: serde_json::Value) -> Build {
    // Of two in one millisecond neither is the newer one.
    farm.time.advance(Duration::from_millis(1));
    let build = farm.submit_with(repo, more).await;
    let build = farm.finished(build.id).await;
    assert_eq!(build.outcome, Some(Outcome::Success));
    build
}

async fn status(farm: &Farm, target: String) -> u16 {
    Ask::get(target).send(farm.address()).await.status
}

#[tokio::test]
async fn artifacts_go_then_logs_then_the_build_and_each_says_so() {
    let farm = farm().await;
    let repo = project([]);
    // A bare commit is of no branch, so that nothing keeps it.
    let commit = repo.resolve("main").unwrap();
    let source = json!({"git": {"url": repo.url(), "commit": commit}});
    let request = serde_json::from_value(json!({ "source": source })).unwrap();
    let build = farm.rest.submit(&request, "one").await.unwrap();
    let build = farm.finished(build.id).await;
    let job = build.jobs[0].id;
    let jobs = format!("/api/v1/jobs/{job}");
    // The log is sealed a moment after the end.
    crate::farm::eventually("the log is sealed", async || {
        farm.rest.apply_retention().await.unwrap();
        farm.rest.retention_plan().await.unwrap().bytes == 0
    })
    .await;
    let pieces = ["/log", "/manifest", "/artifacts.tar.gz", "/artifacts/app"];
    let see = async || {
        let mut seen = Vec::new();
        for piece in pieces {
            seen.push(status(&farm, format!("{jobs}{piece}")).await);
        }
        seen
    };
    assert_eq!(see().await, [200; 4]);
    farm.time.advance(DAY * 10);
    let plan = farm.rest.retention_plan().await.unwrap();
    assert_eq!((plan.builds, plan.artifacts, plan.logs), (0, 1, 0), "{plan:?}");
    assert!(plan.bytes > 0 && plan.first[0].build == build.id && plan.first[0].what == "artifacts");
    assert_eq!(see().await, [200; 4], "a plan removes nothing");
    let done = farm.rest.apply_retention().await.unwrap();
    assert_eq!((done.artifacts, done.bytes), (1, plan.bytes));
    assert_eq!(see().await, [200, 410, 410, 410]);
    let answer = Ask::get(format!("{jobs}/artifacts.tar.gz")).send(farm.address()).await;
    assert_eq!(answer.refusal(), "expired");
    let view = farm.rest.get::<serde_json::Value>(&format!("api/v1/jobs/{job}")).await.unwrap();
    assert!(view["attempts"][0]["artifacts_expired_at"].is_string(), "{view}");
    let path = format!("api/v1/artifacts/{}", build.commit);
    let commit = farm.rest.get::<serde_json::Value>(&path).await.unwrap();
    assert_eq!(commit["jobs"], json!([]));
    assert_eq!(farm.rest.apply_retention().await.unwrap().first, [], "once");
    farm.time.advance(DAY * 10);
    assert_eq!(farm.rest.apply_retention().await.unwrap().logs, 1);
    assert_eq!(see().await, [410; 4]);
    // Following it ends, with one gap where the log was.
    let followed = crate::follow::follow(&farm, job).await;
    assert_eq!((followed.bytes.len(), followed.gaps.len()), (0, 1), "{:?}", followed.events);
    farm.time.advance(DAY * 10);
    assert_eq!(farm.rest.apply_retention().await.unwrap().builds, 1);
    assert_eq!(see().await, [404; 4]);
    assert_eq!(status(&farm, format!("/api/v1/builds/{}", build.id)).await, 404);
    assert!(farm.rest.builds(&BuildFilter::default()).await.unwrap().items.is_empty());
    let left = objects(&farm);
    assert!(left.is_empty(), "{left:?}");
    farm.end().await;
}

/// The objects in the artifact repository.
fn objects(farm: &Farm) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![farm.server_data().join("artifacts")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() != "installation" {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn the_newest_success_tags_and_pins_stay_and_projects_have_their_own_rules() {
    let farm = farm().await;
    let repo = project([]);
    repo.tag("v1", &repo.resolve("main").unwrap());
    let old = built(&farm, &repo, json!({})).await;
    let newest = built(&farm, &repo, json!({})).await;
    let source = json!({"git": {"url": repo.url(), "ref": "v1"}});
    let request = serde_json::from_value(json!({ "source": source })).unwrap();
    farm.time.advance(Duration::from_millis(1));
    let tagged = farm.rest.submit(&request, "tag").await.unwrap();
    let tagged = farm.finished(tagged.id).await;
    let pinned = built(&farm, &repo, json!({})).await;
    let last = built(&farm, &repo, json!({})).await;
    farm.rest.pin(pinned.id, "shipped").await.unwrap();
    assert_eq!(farm.build(pinned.id).await.pinned.unwrap().reason, "shipped");
    let refused = farm.rest.remove_build(pinned.id, false).await.unwrap_err();
    assert!(
        refused.code() == Some("conflict") && refused.to_string().contains("pinned"),
        "{refused}"
    );
    farm.time.advance(DAY * 40);
    assert_eq!(farm.rest.apply_retention().await.unwrap().builds, 2);
    let left = async || -> BTreeSet<String> {
        let items = farm.rest.builds(&BuildFilter::default()).await.unwrap().items;
        items.iter().map(|build| build.id.to_string()).collect()
    };
    let ids =
        |builds: &[&Build]| builds.iter().map(|it| it.id.to_string()).collect::<BTreeSet<_>>();
    assert_eq!(left().await, ids(&[&tagged, &pinned, &last]), "{old:?} {newest:?} are gone");
    farm.rest.unpin(pinned.id).await.unwrap();
    assert_eq!(farm.rest.apply_retention().await.unwrap().builds, 1);
    assert_eq!(left().await, ids(&[&tagged, &last]));

    // A project keeps two of a branch, whatever their age.
    let name: kiln::model::ProjectName = "mine".parse().unwrap();
    let new = NewProject { name: Some(name.clone()), url: Some(repo.url()) };
    farm.rest.add_project(&new).await.unwrap();
    let rules = RetentionRules {
        builds_per_branch: Some(2),
        build_days: Some(0),
        keep_last_success: Some(false),
        ..RetentionRules::default()
    };
    let counts = farm.rest.set_project_retention(&name, &rules).await.unwrap().counts;
    assert_eq!((counts.build_days, counts.artifact_days), (Some(0), Some(10)));
    let mut made = Vec::new();
    for _ in 0..4 {
        made.push(built(&farm, &repo, json!({})).await);
    }
    // The one of before belongs to no project, is old, and is not the newest success any more.
    assert_eq!(farm.rest.apply_retention().await.unwrap().builds, 3);
    assert_eq!(left().await, ids(&[&tagged, &made[2], &made[3]]));
    farm.time.advance(DAY * 4_000);
    assert_eq!(farm.rest.apply_retention().await.unwrap().builds, 0);
    let usage = farm.rest.usage().await.unwrap().projects;
    let mine = usage.iter().find(|it| it.project.as_ref() == Some(&name)).unwrap();
    assert_eq!((mine.builds, mine.artifact_bytes), (2, 0), "{usage:?}");
    farm.end().await;
}

#[tokio::test]
async fn removing_by_hand_is_for_what_has_ended_and_retries_have_artifacts_again() {
    let farm = farm().await;
    let repo = project([]);
    let build = built(&farm, &repo, json!({})).await;
    let id = build.id.to_string();
    let words = |words: &[&str]| {
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        for word in &mut all {
            if word == "ID" {
                word.clone_from(&id);
            }
        }
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        kiln(&farm.url(), &all)
    };
    let ran = run(words(&["usage"])).await;
    assert!(ran.text().contains("(none)   1 "), "{ran:?}");
    let ran = run(words(&["pin", "ID", "--reason", "why"])).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = run(words(&["delete", "ID"])).await;
    assert!(ran.code == Some(2) && ran.err.contains("kiln unpin"), "{ran:?}");
    let ran = run(words(&["unpin", "ID"])).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = run(words(&["delete", "ID", "--artifacts-only"])).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let artifact = |job: kiln::model::JobId| format!("/api/v1/jobs/{job}/artifacts/app");
    assert_eq!(status(&farm, artifact(build.jobs[0].id)).await, 410);
    let retry = Retry { toolchains: vec!["gcc:14".parse().unwrap()] };
    farm.rest.retry_build(build.id, &retry).await.unwrap();
    let again = farm.finished(build.id).await;
    let newest = again.jobs.iter().find(|job| !job.retried).unwrap();
    assert_eq!(status(&farm, artifact(newest.id)).await, 200);
    let ran = run(words(&["retention", "plan"])).await;
    assert!(ran.code == Some(0) && ran.text().contains("0 builds"), "{ran:?}");
    let waiting = farm.submit_raw(json!({"toolchains": ["gcc:14"], "requires": ["nobody"]})).await;
    let refused = farm.rest.remove_build(waiting.id, false).await.unwrap_err();
    assert!(refused.to_string().contains("cancel it first"), "{refused}");
    farm.rest.cancel_build(waiting.id).await.unwrap();
    farm.finished(waiting.id).await;
    let ran = run(words(&["delete", "ID"])).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = run(words(&["delete", "ID"])).await;
    assert!(ran.code == Some(2) && ran.err.contains("there is no build"), "{ran:?}");
    farm.end().await;
}

#[tokio::test]
async fn uploaded_trees_go_with_their_time_and_what_needs_them_says_so() {
    let mut setup = Setup { agents: 1, manual: true, ..Setup::default() };
    setup.settings.retention = RetentionRules { upload_days: Some(7), ..RetentionRules::default() };
    let farm = Farm::with(setup, |_| hello()).await;
    let tar = uploads::tar(&[("Makefile", b"all:\n\ttrue\n"), ("main.c", b"int main;\n")]);
    let upload = uploads::upload(&farm, tar).await;
    let request = json!({"source": {"upload": {"digest": upload.digest}}});
    let build = farm.rest.submit(&serde_json::from_value(request).unwrap(), "one").await.unwrap();
    let build = farm.finished(build.id).await;
    assert_eq!(build.outcome, Some(Outcome::Success), "{build:?}");
    farm.time.advance(DAY * 6);
    assert_eq!(farm.rest.apply_retention().await.unwrap().uploads, 0);
    farm.time.advance(DAY);
    let done = farm.rest.apply_retention().await.unwrap();
    assert_eq!((done.uploads, done.builds, &*done.first[0].what), (1, 0, "upload"));
    let toolchains = vec!["gcc:14".parse().unwrap()];
    let retried = farm.rest.retry_build(build.id, &Retry { toolchains }).await;
    let kiln::client::ClientError::Refused { status: 409, body } = retried.unwrap_err() else {
        panic!("it is refused")
    };
    assert!(body.message.contains("send it again with kiln build"), "{}", body.message);
    assert_eq!(farm.rest.apply_retention().await.unwrap().uploads, 0, "once is enough");
    farm.end().await;
}
