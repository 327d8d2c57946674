//! Watched projects: new commits are built once each, whatever happens in between.

use std::time::Duration;

use kiln::{
    client::ClientError,
    model::{CancelReason, Cause, Outcome, ProjectName, WatchRules},
    protocol::{Build, BuildFilter, ChangeProject, HeadView, NewProject},
    store::HeadRow,
};
use serde_json::{Value, json};

use crate::{
    farm::{Farm, Setup, eventually, project},
    program::{kiln, run},
    script::{endless, hello},
    support::repo::{Entry, Repo},
    wire::Ask,
};

fn name() -> ProjectName {
    "mine".parse().unwrap()
}

async fn watch(farm: &Farm, url: &str, rules: &WatchRules) {
    let new = NewProject { name: Some(name()), url: Some(url.to_owned()) };
    farm.rest.add_project(&new).await.unwrap();
    farm.rest.watch_project(&name(), rules).await.unwrap();
}

async fn head(farm: &Farm, reference: &str) -> Option<HeadView> {
    let heads = farm.rest.project_refs(&name()).await.unwrap().items;
    heads.into_iter().find(|head| head.name == reference)
}

/// Looks now, and waits until a ref was seen at this commit.
async fn seen(farm: &Farm, reference: &str, commit: Option<&str>) -> HeadView {
    farm.rest.check_project(&name()).await.unwrap();
    eventually("the ref is seen", async || {
        let head = head(farm, reference).await;
        head.is_some_and(|head| head.commit.as_ref().map(kiln::model::CommitId::as_str) == commit)
    })
    .await;
    head(farm, reference).await.unwrap()
}

async fn builds(farm: &Farm) -> Vec<Build> {
    farm.rest.builds(&BuildFilter::default()).await.unwrap().items
}

fn source(text: &str) -> [Entry; 2] {
    [Entry::file("Makefile", "all:\n\tcc -o app main.c\n"), Entry::file("main.c", text)]
}

/// A repository with a branch beside `main` that was there before anybody watched.
fn with_branches() -> (Repo, String) {
    let repo = project([]);
    let main = repo.resolve("main").unwrap();
    repo.commit_on("old", "old", source("int old;\n"));
    (repo, main)
}

#[tokio::test]
async fn what_moves_is_built_once_and_what_was_there_is_not() {
    let farm = Farm::new(|_| hello()).await;
    let (repo, main) = with_branches();
    watch(&farm, &repo.url(), &WatchRules::default()).await;
    let first = seen(&farm, "refs/heads/main", Some(&main)).await;
    let build = farm.finished(first.build.expect("the default branch is built")).await;
    assert_eq!((build.outcome, build.commit.as_str()), (Some(Outcome::Success), &*main));
    assert_eq!(serde_json::to_value(build.trigger).unwrap(), json!("push"));
    assert_eq!(build.project, Some(name()));
    let old = repo.resolve("old").unwrap();
    let head = seen(&farm, "refs/heads/old", Some(&old)).await;
    assert!(head.skipped.unwrap().contains("before the project was watched"));

    // Two commits between two looks: the newest is built.
    let three = repo.commits([("two", source("int two;\n")), ("three", source("int three;\n"))]);
    let head = seen(&farm, "refs/heads/main", Some(&three)).await;
    farm.finished(head.build.unwrap()).await;
    // A new branch at a commit that is built already needs no build of its own.
    repo.branch("copy", &three);
    let head = seen(&farm, "refs/heads/copy", Some(&three)).await;
    assert!(head.skipped.unwrap().contains("was built before"));
    // Back to an older commit by force, and gone.
    repo.branch("copy", &main);
    seen(&farm, "refs/heads/copy", Some(&main)).await;
    repo.remove_branch("copy");
    let head = seen(&farm, "refs/heads/copy", None).await;
    assert!(head.skipped.unwrap().contains("deleted"));
    // Tags are not watched unless somebody says so.
    repo.tag("v1", &three);
    let newest = repo.commit("four", source("int four;\n"));
    let head = seen(&farm, "refs/heads/main", Some(&newest)).await;
    farm.finished(head.build.unwrap()).await;
    assert!(self::head(&farm, "refs/tags/v1").await.is_none());
    assert_eq!(builds(&farm).await.len(), 3);

    farm.rest.unwatch_project(&name()).await.unwrap();
    let gone = farm.rest.check_project(&name()).await.unwrap_err();
    assert!(matches!(gone, ClientError::Refused { status: 404, .. }), "{gone}");
    farm.end().await;
}

#[tokio::test]
async fn a_restart_and_a_second_server_lose_no_commit_and_build_none_twice() {
    let mut farm = Farm::new(|_| hello()).await;
    let (repo, main) = with_branches();
    watch(&farm, &repo.url(), &WatchRules { poll_seconds: Some(10), ..WatchRules::default() })
        .await;
    seen(&farm, "refs/heads/main", Some(&main)).await;
    farm.stop_server().await;
    // A day's outage: several pushes, of which the last counts.
    repo.commit("a", source("int a;\n"));
    let last = repo.commit("b", source("int b;\n"));
    farm.restart_stopped().await;
    if crate::POSTGRES {
        let other = farm.another_server().await;
        for _ in 0..5 {
            farm.rest.check_project(&name()).await.unwrap();
            other.rest.check_project(&name()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let head = seen(&farm, "refs/heads/main", Some(&last)).await;
        farm.finished(head.build.unwrap()).await;
        other.end().await;
    } else {
        let head = seen(&farm, "refs/heads/main", Some(&last)).await;
        farm.finished(head.build.unwrap()).await;
    }
    let all = builds(&farm).await;
    let mut commits: Vec<&str> = all.iter().map(|build| build.commit.as_str()).collect();
    commits.sort_unstable();
    let mut expected = [&*main, &*last];
    expected.sort_unstable();
    assert_eq!(commits, expected);
    for build in &all {
        farm.finished(build.id).await;
    }
    farm.end().await;
}

#[tokio::test]
async fn a_newer_commit_takes_the_place_of_older_ones_if_the_project_says_so() {
    let farm = Farm::with(Setup { agents: 1, ..Setup::default() }, |_| endless()).await;
    let (repo, main) = with_branches();
    let rules = WatchRules { supersede: true, ..WatchRules::default() };
    watch(&farm, &repo.url(), &rules).await;
    let first = seen(&farm, "refs/heads/main", Some(&main)).await.build.unwrap();
    farm.until_first_leg_runs(first).await;
    let next = repo.commit("next", source("int next;\n"));
    let second = seen(&farm, "refs/heads/main", Some(&next)).await.build.unwrap();
    let ended = farm.finished(first).await;
    assert_eq!(ended.outcome, Some(Outcome::Cancelled));
    assert_eq!(ended.jobs[0].cause, Some(Cause::Superseded), "{ended:?}");
    assert_eq!(ended.jobs[0].message, CancelReason::Superseded.message());
    farm.rest.cancel_build(second).await.unwrap();
    farm.finished(second).await;
    farm.end().await;
}

#[tokio::test]
async fn a_repository_that_is_none_is_said_and_asked_less_often() {
    let farm = Farm::alone().await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/nothing", folder.path().display());
    watch(&farm, &url, &WatchRules { poll_seconds: Some(10), ..WatchRules::default() }).await;
    eventually("it has failed", async || {
        farm.rest.project_watch(&name()).await.unwrap().problem.is_some()
    })
    .await;
    let view = farm.rest.project_watch(&name()).await.unwrap();
    assert!(view.seen_at.is_none());
    let ran = run(kiln(&farm.url(), &["refs", "mine"])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.text().contains("could not be asked the last time"), "{}", ran.text());
    // It is usable, and once it is there it is built.
    farm.end().await;
}

#[tokio::test]
async fn rules_that_cannot_be_followed_are_refused_and_change_nothing() {
    let farm = Farm::alone().await;
    let url = Some("https://example.org/mine".to_owned());
    farm.rest.add_project(&NewProject { name: Some(name()), url }).await.unwrap();
    let uploads = NewProject { name: Some("uploads".parse().unwrap()), url: None };
    farm.rest.add_project(&uploads).await.unwrap();
    for (project, rules, status, sentence) in [
        ("mine", json!({"branches": ["["]}), 422, "is not a pattern"),
        ("mine", json!({"branches": []}), 422, "name branches or tags"),
        ("mine", json!({"poll_seconds": 1}), 422, "between 10 and 86400"),
        ("mine", json!({"queue": "none"}), 422, "there is no queue none"),
        ("mine", json!({"toolchains": ["gcc:99"]}), 422, "there is no toolchain gcc:99"),
        ("mine", json!({"brunches": ["a"]}), 422, "unknown field"),
        ("uploads", json!({}), 409, "has no repository"),
        ("nobody", json!({}), 404, "there is no project"),
    ] {
        let target = format!("/api/v1/projects/{project}/watch");
        let ask = Ask { body: Value::to_string(&rules).into_bytes(), ..Ask::new("PUT", &*target) };
        let answer = ask.header("content-type", "application/json").send(farm.address()).await;
        assert_eq!(answer.status, status, "{rules} {}", answer.text());
        assert!(answer.text().contains(sentence), "{sentence}: {}", answer.text());
    }
    let none = farm.rest.project_watch(&name()).await.unwrap_err();
    assert!(matches!(none, ClientError::Refused { status: 404, .. }), "{none}");
    farm.end().await;
}

/// A ref as the database has it.
fn row(head: &HeadView) -> HeadRow {
    let HeadView { name, commit, seen_at, build, skipped } = head.clone();
    HeadRow { name, commit, seen_at, build, skipped }
}

/// Between the submission and the note of it lies a moment in which a server can die.
#[tokio::test]
async fn what_was_submitted_and_not_noted_is_found_again() {
    let mut farm = Farm::new(|_| hello()).await;
    let (repo, main) = with_branches();
    watch(&farm, &repo.url(), &WatchRules::default()).await;
    let first = seen(&farm, "refs/heads/main", Some(&main)).await;
    let next = repo.commit("next", source("int next;\n"));
    let head = seen(&farm, "refs/heads/main", Some(&next)).await;
    farm.finished(head.build.unwrap()).await;
    farm.stop_server().await;
    let store = farm.store().await;
    let project = store.project_named(&name()).await.unwrap().unwrap().id;
    let mut tx = store.begin().await.unwrap();
    store.put_head(&mut tx, project, &row(&first)).await.unwrap();
    tx.commit().await.unwrap();
    store.close().await;
    farm.restart_stopped().await;
    let again = seen(&farm, "refs/heads/main", Some(&next)).await;
    assert_eq!((again.build, again.skipped), (head.build, None));
    assert_eq!(builds(&farm).await.len(), 2);
    farm.end().await;
}

/// A first look that ends in the middle is taken again, and is still the first.
#[tokio::test]
async fn a_first_look_that_was_cut_off_builds_no_old_branches() {
    let mut farm = Farm::new(|_| hello()).await;
    let (repo, main) = with_branches();
    watch(&farm, &repo.url(), &WatchRules::default()).await;
    let first = seen(&farm, "refs/heads/main", Some(&main)).await;
    farm.finished(first.build.unwrap()).await;
    farm.stop_server().await;
    let store = farm.store().await;
    let project = store.project_named(&name()).await.unwrap().unwrap().id;
    let mut tx = store.begin().await.unwrap();
    store.remove_watch(&mut tx, project).await.unwrap();
    store.put_watch(&mut tx, project, &WatchRules::default(), first.seen_at).await.unwrap();
    store.put_head(&mut tx, project, &row(&first)).await.unwrap();
    tx.commit().await.unwrap();
    store.close().await;
    farm.restart_stopped().await;
    let old = seen(&farm, "refs/heads/old", Some(&repo.resolve("old").unwrap())).await;
    assert!(old.skipped.unwrap().contains("before the project was watched"));
    assert_eq!(builds(&farm).await.len(), 1);
    farm.end().await;
}

#[tokio::test]
async fn a_host_that_hangs_or_is_gone_holds_up_no_other() {
    let mut setup = Setup::default();
    setup.settings.source.schemes = "https,git,file".parse().unwrap();
    let farm = Farm::with(setup, |_| hello()).await;
    // One takes connections and says nothing; at the other nobody is.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ports = [&silent, &gone].map(|listener| listener.local_addr().unwrap().port());
    drop(gone);
    let rules = WatchRules { poll_seconds: Some(10), ..WatchRules::default() };
    for number in 0..6 {
        for (host, port) in ["silent", "gone"].into_iter().zip(ports) {
            let other: ProjectName = format!("{host}-{number}").parse().unwrap();
            let url = Some(format!("git://127.0.0.1:{port}/{number}.git"));
            farm.rest.add_project(&NewProject { name: Some(other.clone()), url }).await.unwrap();
            farm.rest.watch_project(&other, &rules).await.unwrap();
        }
    }
    let gone: ProjectName = "gone-0".parse().unwrap();
    eventually("that nobody is there is said", async || {
        farm.rest.project_watch(&gone).await.unwrap().problem.is_some()
    })
    .await;
    let (repo, main) = with_branches();
    watch(&farm, &repo.url(), &rules).await;
    let head = seen(&farm, "refs/heads/main", Some(&main)).await;
    farm.finished(head.build.unwrap()).await;
    let waits: ProjectName = "silent-0".parse().unwrap();
    assert!(farm.rest.project_watch(&waits).await.unwrap().seen_at.is_none());
    drop(silent);
    farm.end().await;
}

#[tokio::test]
async fn thousands_of_refs_are_known_and_the_one_that_moves_is_built() {
    const BRANCHES: usize = 3_000;
    let farm = Farm::new(|_| hello()).await;
    let (repo, main) = with_branches();
    let lines: String =
        (0..BRANCHES).map(|number| format!("create refs/heads/b/{number} {main}\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("refs");
    std::fs::write(&file, lines).unwrap();
    let mut update = crate::support::repo::git(&repo.path(), &["update-ref", "--stdin"]);
    let update = update.stdin(std::fs::File::open(&file).unwrap());
    assert!(update.status().unwrap().success());
    watch(&farm, &repo.url(), &WatchRules::default()).await;
    let first = seen(&farm, "refs/heads/main", Some(&main)).await;
    farm.finished(first.build.unwrap()).await;
    eventually("all of them were seen", async || {
        farm.rest.project_watch(&name()).await.unwrap().seen_at.is_some()
    })
    .await;
    let heads = farm.rest.project_refs(&name()).await.unwrap().items;
    assert_eq!(heads.len(), BRANCHES + 2);
    let moved = repo.commit_on("b/1234", "moved", source("int moved;\n"));
    let head = seen(&farm, "refs/heads/b/1234", Some(&moved)).await;
    farm.finished(head.build.unwrap()).await;
    assert_eq!(builds(&farm).await.len(), 2);
    farm.end().await;
}

#[tokio::test]
async fn rules_are_shown_and_taken_from_a_file_and_a_project_may_move() {
    let farm = Farm::new(|_| hello()).await;
    let (repo, main) = with_branches();
    watch(&farm, &repo.url(), &WatchRules { poll_seconds: Some(86_400), ..WatchRules::default() })
        .await;
    let first = seen(&farm, "refs/heads/main", Some(&main)).await;
    farm.finished(first.build.unwrap()).await;
    let shown = run(kiln(&farm.url(), &["watch", "mine", "--show"])).await;
    let mut rules: Value = serde_json::from_str(&shown.text()).unwrap();
    rules["steps"] = json!([{"name": "compile", "run": "make special"}]);
    rules["artifacts"] = json!({"include": ["special"]});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.json");
    std::fs::write(&file, rules.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let ran = run(kiln(&farm.url(), &["watch", "mine", "--rules", file])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let known = farm.rest.project_watch(&name()).await.unwrap().rules;
    assert_eq!(
        (known.steps[0].run.as_str(), &*known.artifacts.include[0]),
        ("make special", "special")
    );
    std::fs::write(file, "{\"brunches\": []}").unwrap();
    let ran = run(kiln(&farm.url(), &["watch", "mine", "--rules", file])).await;
    assert!(ran.code == Some(2) && ran.err.contains("unknown field `brunches`"), "{}", ran.err);

    // It moves: to another repository, which is looked at for the first time, and to another name.
    let (other, _) = with_branches();
    let moved = other.commit("moved", source("int moved;\n"));
    let ran = run(kiln(&farm.url(), &["project", "set", "mine", "--url", &other.url()])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let head = seen(&farm, "refs/heads/main", Some(&moved)).await;
    farm.finished(head.build.expect("its default branch is built")).await;
    eventually("all of it was seen", async || head_count(&farm).await == 2).await;
    let old = self::head(&farm, "refs/heads/old").await.unwrap();
    assert!(old.skipped.unwrap().contains("before the project was watched"));
    let uploads = NewProject { name: Some("uploads".parse().unwrap()), url: Some(repo.url()) };
    farm.rest.add_project(&uploads).await.unwrap();
    for (words, sentence) in [
        (&["--rename", "uploads"][..], "there is a project uploads already"),
        (&["--url", &repo.url()], "the project uploads has this repository already"),
        (&["--url", "http://example.org/a"], "http is not allowed"),
    ] {
        let ran = run(kiln(&farm.url(), &[&["project", "set", "mine"], words].concat())).await;
        assert!(ran.code == Some(2) && ran.err.contains(sentence), "{sentence}: {}", ran.err);
    }
    let ran = run(kiln(&farm.url(), &["project", "set", "mine", "--rename", "yours"])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let builds = builds(&farm).await;
    assert_eq!(builds.len(), 2);
    assert!(builds.iter().all(|build| build.project == Some("yours".parse().unwrap())));
    farm.end().await;
}

/// A look that is under way when a project gets another repository is none of that one.
#[tokio::test]
async fn a_look_that_began_before_a_project_moved_counts_for_nothing() {
    let mut setup = Setup::default();
    setup.settings.source.schemes = "git,file".parse().unwrap();
    let farm = Farm::with(setup, |_| hello()).await;
    let (before, _) = with_branches();
    before.commit_on("gone", "gone", source("int gone;\n"));
    // A server that answers one connection, once it is let.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (let_go, wait) = std::sync::mpsc::channel::<()>();
    let (came, comes) = tokio::sync::oneshot::channel();
    let path = before.path();
    let answer = tokio::task::spawn_blocking(move || {
        let (stream, _) = listener.accept().unwrap();
        came.send(()).unwrap();
        wait.recv().unwrap();
        let (input, output) = (stream.try_clone().unwrap(), stream);
        let base = format!("--base-path={}", path.parent().unwrap().display());
        let arguments = ["daemon", "--inetd", "--export-all", &base];
        let mut daemon = crate::support::repo::git(&path, &arguments);
        daemon.stdin(std::os::fd::OwnedFd::from(input));
        daemon.stdout(std::os::fd::OwnedFd::from(output));
        assert!(daemon.status().unwrap().success());
    });
    let folder = before.path().file_name().unwrap().to_string_lossy().into_owned();
    let url = format!("git://127.0.0.1:{port}/{folder}");
    watch(&farm, &url, &WatchRules::default()).await;
    comes.await.unwrap();
    let (other, _) = with_branches();
    let moved = other.commit("moved", source("int moved;\n"));
    let change = ChangeProject { name: None, url: Some(other.url()) };
    farm.rest.change_project(&name(), &change).await.unwrap();
    let_go.send(()).unwrap();
    answer.await.unwrap();
    eventually("the other one was seen", async || {
        farm.rest.project_watch(&name()).await.unwrap().seen_at.is_some()
    })
    .await;
    let main = head(&farm, "refs/heads/main").await.unwrap();
    assert_eq!(main.commit.unwrap().as_str(), moved);
    farm.finished(main.build.expect("its default branch is built")).await;
    let old = head(&farm, "refs/heads/old").await.unwrap();
    assert!(old.skipped.unwrap().contains("before the project was watched"));
    assert!(head(&farm, "refs/heads/gone").await.is_none());
    // What the look had submitted before it was seen that it counts for nothing is nobody's to fetch.
    for build in builds(&farm).await {
        farm.rest.cancel_build(build.id).await.unwrap();
        farm.finished(build.id).await;
    }
    farm.end().await;
}

async fn head_count(farm: &Farm) -> usize {
    farm.rest.project_refs(&name()).await.unwrap().items.len()
}
