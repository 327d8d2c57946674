//! Mirrors: damage, sharing, eviction, and what is left behind.

use std::{fs, path::PathBuf};

use kiln::{config::SourceSettings, source::SourceError};
use tokio_util::sync::CancellationToken;

use crate::{
    Kiln, collected,
    git::{Repos, program, run},
    server::HttpGit,
    settings,
};

fn mirrors(kiln: &Kiln) -> Vec<PathBuf> {
    let found = fs::read_dir(kiln.data.path().join("mirrors")).unwrap();
    let paths = found.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "git")).collect()
}

/// Overwrites the middle of every pack of a mirror.
fn damage(kiln: &Kiln) {
    for mirror in mirrors(kiln) {
        for entry in fs::read_dir(mirror.join("objects/pack")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "pack") {
                let mut bytes = fs::read(&path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle..middle + 64].fill(0x5a);
                fs::remove_file(&path).unwrap();
                fs::write(&path, bytes).unwrap();
            }
        }
    }
}

fn noise() -> Vec<u8> {
    (0..200_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[tokio::test]
async fn damage_ends_a_tar_with_an_error_and_the_next_fetch_mends_it() {
    let repos = Repos::new();
    let files: Vec<_> = ["a", "m", "z"].map(|name| ("100644", name, noise())).into();
    let files: Vec<_> =
        files.iter().map(|(mode, name, content)| (*mode, *name, content.as_slice())).collect();
    let commit = repos.commit("app", "main", &files);
    let http = HttpGit::start(repos.root(), None);
    let kiln = Kiln::new();
    let fetched = kiln.fetch(&http.url("app"), &commit).await.unwrap();
    assert!(fetched.fetched);
    damage(&kiln);
    let stream = kiln.sources.tar(&fetched.checkout, &CancellationToken::new()).await.unwrap();
    let error = collected(stream).await.unwrap_err();
    let error = error.get_ref().unwrap().downcast_ref::<SourceError>().unwrap();
    assert!(matches!(error, SourceError::Helper(_)), "{error:?}");
    drop(fetched);

    let fetched = kiln.fetch(&http.url("app"), &commit).await.unwrap();
    assert!(fetched.fetched, "fetched again");
    assert_eq!(kiln.tar(&fetched.checkout).await.len(), 4);
}

#[tokio::test]
async fn a_mirror_that_lost_objects_is_fetched_again_at_once() {
    let repos = Repos::new();
    let commit = repos.commit("app", "main", &[("100644", "a", b"a")]);
    let kiln = Kiln::new();
    kiln.fetch(&repos.file_url("app"), &commit).await.unwrap();
    let mirror = mirrors(&kiln).remove(0);
    let blob = repos.git("app", &["rev-parse", "main:a"]);
    // Only the commit and its tree are left.
    let pack = fs::read_dir(mirror.join("objects/pack")).unwrap();
    let packs: Vec<_> = pack.map(|entry| entry.unwrap().path()).collect();
    let keep = format!("{commit}\n{}", repos.git("app", &["rev-parse", "main^{tree}"]));
    let mut git = program("git");
    git.arg("-C").arg(repos.path("app")).args(["pack-objects", "-q"]);
    run(git.arg(mirror.join("objects/pack/pack")), keep.as_bytes());
    for path in packs {
        fs::remove_file(path).unwrap();
    }
    let fetched = kiln.fetch(&repos.file_url("app"), &commit).await.unwrap();
    assert!(fetched.fetched, "{blob}");
    assert_eq!(kiln.tar(&fetched.checkout).await.len(), 2);
    drop(fetched);

    // A mirror that is no repository at all.
    fs::write(mirror.join("HEAD"), b"nonsense").unwrap();
    fs::remove_dir_all(mirror.join("refs")).unwrap();
    assert!(kiln.fetch(&repos.file_url("app"), &commit).await.unwrap().fetched);
}

#[tokio::test]
async fn fetches_of_one_commit_at_a_time_share_one_download() {
    let repos = Repos::new();
    let commit = repos.commit("app", "main", &[("100644", "noise", &noise())]);
    let http = HttpGit::start(repos.root(), None);
    let kiln = Kiln::new();
    let url = http.url("app");
    let all = futures_util::future::join_all((0..6).map(|_| kiln.fetch(&url, &commit))).await;
    let fetched = all.into_iter().filter(|one| one.as_ref().unwrap().fetched).count();
    assert_eq!((fetched, mirrors(&kiln).len()), (1, 1));
}

#[tokio::test]
async fn beyond_the_bound_only_the_newest_mirror_stays() {
    let repos = Repos::new();
    let kiln = Kiln::with(SourceSettings { mirrors_bytes: 1, ..settings() });
    for name in ["a", "b"] {
        let commit = repos.commit(name, "main", &[("100644", "noise", &noise())]);
        let fetched = kiln.fetch(&repos.file_url(name), &commit).await.unwrap();
        assert_eq!(kiln.tar(&fetched.checkout).await.len(), 2, "in use: it stays");
    }
    assert!(mirrors(&kiln).len() <= 2);
}

#[tokio::test]
async fn a_dropped_tar_ends_its_helper() {
    let repos = Repos::new();
    let commit = repos.commit("app", "main", &[("100644", "noise", &noise())]);
    let kiln = Kiln::new();
    let fetched = kiln.fetch(&repos.file_url("app"), &commit).await.unwrap();
    let cancel = CancellationToken::new();
    let stream = kiln.sources.tar(&fetched.checkout, &cancel).await.unwrap();
    cancel.cancel();
    let error = collected(stream).await.unwrap_err();
    let error = error.get_ref().unwrap().downcast_ref::<SourceError>();
    assert_eq!(error, Some(&SourceError::Stopped));
}

#[test]
fn the_helper_started_by_hand_says_what_it_is() {
    let mut command = program(env!("CARGO_BIN_EXE_kiln"));
    let output = command.arg("source-helper").stdin(std::process::Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("an internal command of kiln"), "{said}");
}
