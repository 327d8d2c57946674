//! What `.kiln.toml` says, what the submission says over it, and what neither may say.

use kiln::{
    config::AllowedPackages,
    model::{Cause, Outcome, Stream},
    protocol::Build,
    sandbox::{Produced, Scenario, SessionSpec},
};
use serde_json::{Value, json};

use crate::{
    farm::{Farm, gcc, project},
    script::{ELF, hello, mark, out},
    wire::Ask,
};

/// Two steps that succeed, and a program.
fn two_steps(_: &SessionSpec) -> Scenario {
    let mut acts = mark("s;0").to_vec();
    acts.push(out(b"first\n"));
    acts.extend(mark("e;0;0"));
    acts.extend(mark("s;1"));
    acts.push(out(b"second\n"));
    acts.extend(mark("e;1;0"));
    let files = vec![
        Produced::file("out/app", 0o755, ELF),
        Produced::file("out/notes.txt", 0o644, b"notes\n"),
    ];
    Scenario { acts, files, ..Scenario::default() }
}

async fn build(farm: &Farm, recipe: &str, more: Value) -> Build {
    let repo = project([(".kiln.toml", recipe.to_owned())]);
    let build = farm.submit_with(&repo, more).await;
    farm.finished(build.id).await
}

#[tokio::test]
async fn a_recipe_in_the_repository_gives_toolchains_steps_and_artifacts() {
    let farm = Farm::new(two_steps).await;
    let recipe = r#"
toolchains = ["clang:19"]
[env]
CFLAGS = "-O1"
[[step]]
name = "configure"
run = "./prepare"
[[step]]
name = "compile"
run = "make all"
[artifacts]
include = ["out/*.txt"]
required = ["out/notes.txt"]
"#;
    let done = build(&farm, recipe, json!({})).await;
    assert_eq!(done.outcome, Some(Outcome::Success), "{done:#?}");
    let job = farm.job(done.jobs[0].id).await;
    assert_eq!(job.summary.toolchain.as_ref().unwrap().as_str(), "clang:19");
    let steps: Vec<_> = job.attempts[0].steps.iter().map(|s| (s.name.as_str(), &*s.run)).collect();
    assert_eq!(steps, [("configure", "./prepare"), ("compile", "make all")]);
    let script = &farm.sandbox.seen()[0].script;
    assert!(script.contains("CFLAGS=-O1") && script.contains("./prepare"), "{script}");
    let manifest = farm.rest.manifest(job.summary.id).await.unwrap();
    let files: Vec<_> =
        manifest["files"].as_array().unwrap().iter().map(|file| file["path"].clone()).collect();
    assert_eq!(files, ["out/notes.txt"]);
    farm.end().await;
}

#[tokio::test]
async fn what_is_given_with_the_submission_wins() {
    let farm = Farm::new(two_steps).await;
    let recipe = "toolchains = ['clang:19']\ntimeout = '20m'\n[env]\nA = 'file'\nB = 'file'\n\
                  [[step]]\nname = 'compile'\nrun = 'from the file'\n";
    let more = json!({
        "toolchains": ["gcc:14"],
        "steps": [{"name": "a", "run": "from me 1"}, {"name": "b", "run": "from me 2"}],
        "env": {"A": "mine"},
        "limits": {"wall_seconds": 77},
    });
    let done = build(&farm, recipe, more).await;
    let job = farm.job(done.jobs[0].id).await;
    assert_eq!(job.summary.toolchain, Some(gcc()));
    assert_eq!(job.limits.wall_seconds, 77);
    let seen = &farm.sandbox.seen()[0];
    for text in ["from me 1", "from me 2", "A=mine", "B=file"] {
        assert!(seen.script.contains(text), "{text} is not in {}", seen.script);
    }
    assert!(!seen.script.contains("from the file"), "{}", seen.script);
    assert_eq!(seen.spec.limits.wall_seconds, 77);
    farm.end().await;
}

/// The build ends before it has jobs, with this cause and a sentence that has these words.
async fn check_refused(farm: &Farm, recipe: &str, words: &[&str]) {
    let done = build(farm, recipe, json!({})).await;
    let end = (done.outcome, done.cause());
    assert_eq!(end, (Some(Outcome::Failure), Some(Cause::RecipeInvalid)), "{recipe}");
    assert!(done.jobs.is_empty(), "{recipe}");
    for word in words {
        assert!(done.plan.message.contains(word), "{recipe}: {}", done.plan.message);
    }
}

#[tokio::test]
async fn a_recipe_that_cannot_be_used_is_refused_with_the_line() {
    let farm = Farm::new(|_| hello()).await;
    for (recipe, words) in [
        ("\n\ntoolchain = ['gcc:14']\n", &["line 3", "`toolchain`", "toolchains"][..]),
        ("packages = ['zlib1g-dev', 'gcc-']\n", &["line 1", "packages[1]", "gcc-"]),
        ("[artifacts]\ninclude = 7\n", &["line 2", "include"]),
        ("[[step]]\nname = 'a'\n", &["line 1", "run` is missing"]),
        ("toolchains = [\n", &["line"]),
        ("[limits]\nwall_seconds = 999999\n", &["wall_seconds", "7200"]),
        ("toolchains = ['gcc:99']\n", &["gcc:99", "gcc:14"]),
        ("toolchains = ['GCC']\n", &["line 1", "GCC"]),
        ("[artifacts]\ninclude = ['../x']\n", &["../x"]),
    ] {
        check_refused(&farm, recipe, words).await;
    }
    farm.end().await;
}

#[tokio::test]
async fn a_recipe_that_is_not_text_is_refused() {
    use crate::support::repo::{Entry, Repo};
    let farm = Farm::new(|_| hello()).await;
    for (bytes, words) in [(b"a = 1\n\xff\n".to_vec(), "line 2"), (vec![b'#'; 70_000], "64 KiB")] {
        let repo =
            Repo::with([Entry::file(".kiln.toml", bytes), Entry::file("Makefile", "all:\n")]);
        let build = farm.submit(&repo).await;
        let done = farm.finished(build.id).await;
        assert_eq!(done.cause(), Some(Cause::RecipeInvalid));
        assert!(done.plan.message.contains(words), "{}", done.plan.message);
    }
    farm.end().await;
}

#[tokio::test]
async fn a_tree_that_says_nothing_is_refused_unless_steps_are_given() {
    use crate::support::repo::{Entry, Repo};
    let farm = Farm::new(two_steps).await;
    let repo = Repo::with([Entry::file("README", "nothing to build\n")]);
    let build = farm.submit(&repo).await;
    let done = farm.finished(build.id).await;
    assert_eq!(done.cause(), Some(Cause::RecipeInvalid), "{}", done.plan.message);
    assert!(!done.plan.message.is_empty() && done.jobs.is_empty());
    let steps = json!({"steps": [{"name": "a", "run": "x"}, {"name": "b", "run": "y"}]});
    let build = farm.submit_with(&repo, steps).await;
    assert_eq!(farm.finished(build.id).await.outcome, Some(Outcome::Success));
    farm.end().await;
}

#[tokio::test]
async fn a_required_artifact_that_is_missing_fails_the_job() {
    let farm = Farm::new(|_| hello()).await;
    let recipe = "[artifacts]\nrequired = ['app', 'libmissing.so']\n";
    let done = build(&farm, recipe, json!({})).await;
    let job = &done.jobs[0];
    assert_eq!((job.outcome, job.cause), (Some(Outcome::Failure), Some(Cause::ArtifactMissing)));
    assert!(job.message.contains("libmissing.so"), "{}", job.message);
    farm.end().await;
}

#[tokio::test]
async fn submissions_that_cannot_be_are_refused_at_once() {
    let farm = Farm::alone().await;
    for (more, word) in [
        (json!({"toolchains": ["gcc:99"]}), "there is no toolchain gcc:99; there are:"),
        (json!({"toolchains": ["gcc:14", "gcc:14"]}), "twice"),
        (json!({"limits": {"wall_seconds": 0}}), "wall_seconds"),
        (json!({"limits": {"memory_bytes": u64::MAX}}), "memory_bytes"),
        (json!({"limits": {"processes": -1}}), "-1"),
        (json!({"queue": "other"}), "there are: default"),
        (json!({"priority": 101}), "-100 and 100"),
        (json!({"priority": 1e99}), "i32"),
        (json!({"env": {"1A": "x"}}), "1A"),
        (json!({"env": {"A": "x\0y"}}), "NUL"),
        (json!({"steps": [{"name": "a", "run": " "}]}), "nothing to run"),
        (json!({"steps": [{"name": "A\nB", "run": "x"}]}), "step"),
        (json!({"artifacts": {"include": ["/etc/*"]}}), "/etc/*"),
        (json!({"artifacts": {"include": ["a/../../b"]}}), "a/../../b"),
        (json!({"labels": {"a": "b\0c"}}), "labels"),
        (json!({"labels": {"a": "b".repeat(300)}}), "labels"),
        (json!({"packages": ["zlib1g-dev", "--reinstall"]}), "--reinstall"),
        (json!({"packages": vec!["zlib1g-dev"; 257]}), "packages"),
    ] {
        let mut body = json!({"source": {"git": {"url": "https://example.org/x"}}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let ask = Ask::new("POST", "/api/v1/builds").json(body.to_string());
        let answer = ask.send(farm.address()).await;
        assert_eq!((answer.refusal().as_str(), answer.status), ("invalid", 422), "{more}");
        assert!(answer.text().contains(word), "{more}: {}", answer.text());
    }
    farm.end().await;
}

#[tokio::test]
async fn the_log_says_what_was_chosen_and_why() {
    let farm = Farm::new(|_| hello()).await;
    let repo = project([]);
    let job = farm.run(&repo).await;
    let query = kiln::protocol::LogQuery { stream: Some(Stream::Kiln), ..Default::default() };
    let mut log = Vec::new();
    farm.rest.log(job.summary.id, &query, &mut log).await.unwrap();
    let log = String::from_utf8(log).unwrap();
    assert!(log.contains("Makefile"), "{log}");
    farm.end().await;
}

#[tokio::test]
async fn the_operator_says_which_packages_may_be_asked_for() {
    use crate::farm::Setup;
    let mut setup = Setup::default();
    setup.settings.packages.allow = AllowedPackages::Only(vec!["zlib*".to_owned()]);
    let farm = Farm::with(setup, |_| hello()).await;
    let done = build(&farm, "packages = ['zlib1g-dev']\n", json!({})).await;
    assert_eq!(done.outcome, Some(Outcome::Success), "{}", done.plan.message);
    let words = ["libuv1-dev is not allowed", "allowed: zlib*"];
    check_refused(&farm, "packages = ['zlib1g-dev', 'libuv1-dev']\n", &words).await;
    let body = json!({
        "source": {"git": {"url": "https://example.org/x"}}, "packages": ["libuv1-dev"],
    });
    let answer =
        Ask::new("POST", "/api/v1/builds").json(body.to_string()).send(farm.address()).await;
    assert_eq!((answer.refusal().as_str(), answer.status), ("invalid", 422));
    assert!(answer.text().contains("libuv1-dev is not allowed"), "{}", answer.text());
    farm.end().await;
}
