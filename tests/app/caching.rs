//! Compiler caches: who reads them, who changes them, and that nobody else sees them.

use kiln::{
    protocol::{Build, LogQuery, NewProject},
    sandbox::{Scenario, Seen},
};
use serde_json::{Value, json};

use crate::{
    farm::{Farm, project},
    script::{hello, mark},
    support::repo::Repo,
};

fn tar(file: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in [(file, &b"object"[..]), ("cache/ccache.conf", b"prefix_command = evil")]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o666);
        tar.append_data(&mut header, name, content).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A build that compiles three files, of which one was in the cache, and leaves this in it.
fn compiles(file: &str) -> Scenario {
    let mut scenario = hello();
    scenario.acts.extend(mark("c;1;2"));
    Scenario { cache: tar(file), ..scenario }
}

async fn add(farm: &Farm, name: &str, repo: &Repo) {
    let new = NewProject { name: Some(name.parse().unwrap()), url: Some(repo.url()) };
    farm.rest.add_project(&new).await.unwrap();
}

/// Builds, and gives what its sandbox saw and its log.
async fn built(farm: &Farm, repo: &Repo, more: Value) -> (Build, Seen, String) {
    let build = farm.submit_with(repo, more).await;
    ended(farm, build).await
}

async fn ended(farm: &Farm, build: Build) -> (Build, Seen, String) {
    let build = farm.finished(build.id).await;
    let seen = farm.sandbox.seen().pop().unwrap();
    let mut log = Vec::new();
    farm.rest.log(build.jobs[0].id, &LogQuery::default(), &mut log).await.unwrap();
    (build, seen, String::from_utf8(log).unwrap())
}

fn names(seen: &Seen) -> Vec<String> {
    let mut tar = tar::Archive::new(&seen.cache[..]);
    let entries = tar.entries().unwrap();
    entries.map(|entry| entry.unwrap().path().unwrap().to_string_lossy().into_owned()).collect()
}

#[tokio::test]
async fn a_trusted_build_leaves_its_cache_to_the_next_and_others_only_read_it() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let farm = Farm::new(|_| {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        compiles(&format!("cache/0/1/object{number}R"))
    })
    .await;
    let repo = project([]);
    // Without a project there is no cache.
    let (_, seen, log) = built(&farm, &repo, json!({})).await;
    assert!(!seen.script.contains("ccache") && !log.contains("cache"), "{log}");

    add(&farm, "mine", &repo).await;
    let (build, seen, log) = built(&farm, &repo, json!({})).await;
    assert!(seen.script.contains("ccache") && seen.cache.is_empty());
    assert!(log.contains("Compiler cache: none yet\n"), "{log}");
    assert!(
        log.contains("1 of 3 compilations came from it (33 %); it has 1 files of 6 bytes now"),
        "{log}"
    );
    let usage = farm.job(build.jobs[0].id).await.attempts[0].usage.unwrap();
    assert_eq!((usage.cache_hits, usage.cache_misses), (1, 2));

    let (_, seen, log) = built(&farm, &repo, json!({})).await;
    assert_eq!(names(&seen), ["cache/0/1/object1R"], "settings are no part of it");
    assert!(log.contains("brought in"), "{log}");

    // A commit that was asked for by its id may be anybody's: it reads and changes nothing.
    let commit = repo.resolve("main").unwrap();
    let source = json!({"git": {"url": repo.url(), "commit": commit}});
    let request = serde_json::from_value(json!({ "source": source })).unwrap();
    let build = farm.rest.submit(&request, "by-commit").await.unwrap();
    let (_, seen, log) = ended(&farm, build).await;
    assert_eq!(names(&seen), ["cache/0/1/object2R"]);
    assert!(log.contains("nothing is added to it"), "{log}");
    let (_, seen, _) = built(&farm, &repo, json!({})).await;
    assert_eq!(names(&seen), ["cache/0/1/object2R"]);

    // Another image is another cache, and so is another project.
    let (_, seen, _) = built(&farm, &repo, json!({"toolchains": ["clang:19"]})).await;
    assert!(seen.cache.is_empty() && seen.script.contains("ccache"));
    let other = project([("other.c", "int other;\n".to_owned())]);
    add(&farm, "other", &other).await;
    let (_, seen, _) = built(&farm, &other, json!({})).await;
    assert!(seen.cache.is_empty() && seen.script.contains("ccache"));

    // Off by one key, in the submission or in the repository.
    let (_, seen, log) = built(&farm, &repo, json!({"cache": false})).await;
    assert!(!seen.script.contains("ccache") && seen.cache.is_empty() && !log.contains("cache"));
    let off = project([(".kiln.toml", "cache = false\n".to_owned())]);
    add(&farm, "off", &off).await;
    let (_, seen, _) = built(&farm, &off, json!({})).await;
    assert!(!seen.script.contains("ccache"));
    farm.end().await;
}

#[tokio::test]
async fn a_cache_that_is_none_is_not_kept_and_the_build_is_what_it_is() {
    let farm = Farm::new(|_| {
        let mut scenario = compiles("cache/0/1/objectR");
        scenario.cache.truncate(700);
        scenario
    })
    .await;
    let repo = project([]);
    add(&farm, "mine", &repo).await;
    for _ in 0..2 {
        let (build, seen, log) = built(&farm, &repo, json!({})).await;
        assert_eq!(build.outcome, Some(kiln::model::Outcome::Success));
        assert!(seen.cache.is_empty());
        assert!(log.contains("it could not be kept: the tar is cut off"), "{log}");
    }
    farm.end().await;
}
