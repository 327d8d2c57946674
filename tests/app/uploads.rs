//! Working trees: in, kept once, built like a commit; what is no tree is refused.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use kiln::{
    archive::tree::TreeBounds,
    config::Settings,
    model::{Outcome, Revision},
    protocol::{Build, BuildSource, Upload},
    sandbox::{Produced, Scenario},
    worktree::{self, Meter, Worktree},
};
use serde_json::{Value, json};

use crate::{
    farm::{Farm, Setup, nothing},
    script::{ELF, one_step, out},
    support::repo::{Entry, Repo, git},
    wire::{Answer, Ask},
};

struct Silent;

impl Meter for Silent {
    fn expect(&self, _: u64) {}
    fn advance(&self, _: u64) {}
}

/// A tar with these files.
pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(7);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn post(farm: &Farm, body: Vec<u8>) -> Answer {
    let ask = Ask { body, ..Ask::new("POST", "/api/v1/uploads") };
    ask.header("content-type", "application/x-tar").send(farm.address()).await
}

/// Uploads, which must be taken.
pub(crate) async fn upload(farm: &Farm, body: Vec<u8>) -> Upload {
    let answer = post(farm, body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    serde_json::from_value(answer.json()).unwrap()
}

fn objects(farm: &Farm) -> usize {
    let folder = farm.server_data().join("artifacts/uploads");
    let Ok(digests) = std::fs::read_dir(folder) else { return 0 };
    digests.map(|digest| std::fs::read_dir(digest.unwrap().path()).unwrap().count()).sum()
}

fn read(folder: &Path) -> Worktree {
    let bounds = TreeBounds { bytes: 1 << 20, entries: 1_000, depth: 20 };
    worktree::read(folder, &bounds, &Silent).unwrap()
}

async fn submit(farm: &Farm, upload: Value) -> Answer {
    let body = json!({"source": {"upload": upload}}).to_string();
    Ask::new("POST", "/api/v1/builds").json(body).send(farm.address()).await
}

#[tokio::test]
async fn the_same_tree_is_kept_once_however_it_is_sent() {
    let farm = Farm::alone().await;
    let [a, b]: [(&str, &[u8]); 2] = [("a.c", b"int a;\n"), ("d/b.c", b"int b;\n")];
    let first = upload(&farm, tar(&[a, b])).await;
    assert_eq!((first.entries, first.bytes), (2, 14));
    assert_eq!(first.revision.to_string(), format!("tree-{}", first.digest));
    for body in [tar(&[b, a]), gzip(&tar(&[a, b])), tar(&[("./d/b.c", b.1), ("./a.c", a.1)])] {
        assert_eq!(upload(&farm, body).await.digest, first.digest);
        assert_eq!(objects(&farm), 1);
    }
    let other = upload(&farm, tar(&[a])).await;
    assert_ne!(other.digest, first.digest);
    assert_eq!(objects(&farm), 2);

    let path = format!("/api/v1/uploads/{}", first.digest);
    let seen: Upload =
        serde_json::from_value(Ask::get(&*path).send(farm.address()).await.json()).unwrap();
    assert_eq!((seen.digest, seen.expires_at), (first.digest, first.expires_at));
    farm.time.advance(Duration::from_mins(1));
    let renew = Ask::new("POST", format!("{path}/renew")).send(farm.address()).await;
    let renewed: Upload = serde_json::from_value(renew.json()).unwrap();
    assert_eq!(renewed.expires_at.since(first.expires_at), Duration::from_mins(1));
    farm.end().await;
}

#[tokio::test]
async fn what_is_no_tree_is_refused_and_leaves_nothing() {
    let mut settings = Setup::default().settings;
    settings.source.source_bytes = 2 << 20;
    settings.source.source_entries = 20;
    settings.uploads.body_bytes = 3 << 20;
    let setup = Setup { settings, agents: 0, ..Setup::default() };
    let farm = Farm::with(setup, nothing).await;
    let good = tar(&[("a", b"1")]);
    let packed = gzip(&good);
    let mut up = tar(&[("xx/a", b"1")]);
    up[..2].copy_from_slice(b"..");
    // The checksum of "..", which the builder would not write.
    let sum: u32 = up[..512]
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    up[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let many: Vec<String> = (0..21).map(|n| format!("f{n}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (&**name, &b""[..])).collect();
    for (what, body, status, code) in [
        ("nothing", Vec::new(), 422, "tree_refused"),
        ("text", b"hello".to_vec(), 422, "tree_refused"),
        ("traversal", up, 422, "tree_refused"),
        (".git", tar(&[(".git/config", b"1")]), 422, "tree_refused"),
        ("twice", tar(&[("a", b"1"), ("a", b"2")]), 422, "tree_refused"),
        ("cut off", good[..600].to_vec(), 422, "tree_refused"),
        ("gzip cut off", packed[..packed.len() - 9].to_vec(), 422, "tree_refused"),
        ("bomb", gzip(&tar(&[("a", &vec![0; 3 << 20])])), 413, "too_large"),
        ("many", tar(&many), 413, "too_large"),
        ("long", vec![1; (3 << 20) + 1], 413, "too_large"),
    ] {
        let answer = post(&farm, body).await;
        assert_eq!(answer.refusal(), code, "{what}: {}", answer.text());
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        let ask = Ask { body: good.clone(), ..Ask::new("POST", "/api/v1/uploads") };
        let answer = ask.header("content-type", kind).send(farm.address()).await;
        assert_eq!((answer.status, &*answer.refusal()), (400, "bad_request"), "{kind}");
    }
    assert_eq!(objects(&farm), 0);
    let spool = farm.server_data().join("spool");
    assert_eq!(std::fs::read_dir(spool).unwrap().count(), 0);
    farm.end().await;
}

#[tokio::test]
async fn only_what_was_uploaded_can_be_built() {
    let farm = Farm::alone().await;
    let zeros = "0".repeat(64);
    let commit = "0123456789abcdef0123456789abcdef01234567";
    for (upload, status, problem) in [
        (json!(zeros), 404, "there is no upload"),
        (json!({"digest": zeros}), 404, "there is no upload"),
        (json!("main"), 422, "64 hexadecimal digits"),
        (json!(commit), 422, "64 hexadecimal digits"),
        (json!({"digest": zeros, "branch": "x"}), 422, "unknown field `branch`"),
        (json!({"digest": zeros, "base": {"commit": "x"}}), 422, "is not a commit id"),
        (
            json!({"digest": zeros, "base": {
                "commit": commit, "committed_at": "2026-01-01T00:00:00Z", "describe": "a\nb",
            }}),
            422,
            "describe: at most",
        ),
    ] {
        let answer = submit(&farm, upload.clone()).await;
        assert_eq!(answer.status, status, "{upload}: {}", answer.text());
        answer.refusal();
        assert!(answer.text().contains(problem), "{upload}: {}", answer.text());
    }
    farm.end().await;
}

fn makes_a_program() -> Scenario {
    let files = vec![Produced::file("app", 0o755, ELF)];
    Scenario { files, ..one_step(vec![out(b"made\n")], 0) }
}

#[tokio::test]
async fn an_upload_is_planned_built_and_kept_by_its_revision() {
    let farm = Farm::new(|_| makes_a_program()).await;
    let recipe = b"toolchains = [\"clang:19\"]\n[[step]]\nname = \"compile\"\nrun = \"make\"\n";
    let files: [(&str, &[u8]); 2] = [("main.c", b"int main;\n"), (".kiln.toml", recipe)];
    let upload = upload(&farm, tar(&files)).await;
    let answer = submit(&farm, json!(upload.digest)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let json = answer.json();
    assert_eq!(json["source"], json!({"upload": upload.digest}));
    assert_eq!(json["commit"], json!(upload.revision));
    let build: Build = serde_json::from_value(json).unwrap();
    assert!(matches!(build.source, BuildSource::Upload(_)));
    let build = farm.finished(build.id).await;
    assert_eq!(build.outcome, Some(Outcome::Success), "{}", build.plan.message);
    let info = build.commit_info.unwrap();
    assert_eq!(info.committed_at.to_string(), "1980-01-01T00:00:00.000Z");
    assert_eq!(build.jobs[0].toolchain.as_ref().unwrap().as_str(), "clang:19");

    let path = format!("/api/v1/artifacts/{}", upload.revision);
    let kept = Ask::get(&*path).send(farm.address()).await.json();
    assert_eq!(kept["jobs"].as_array().unwrap().len(), 1);
    let app = Ask::get(format!("{path}/clang:19/app")).send(farm.address()).await;
    assert_eq!((app.status, app.body), (200, ELF.to_vec()));
    let manifest = format!("/api/v1/jobs/{}/manifest", build.jobs[0].id);
    let manifest = Ask::get(manifest).send(farm.address()).await.json();
    assert_eq!(manifest["revision"], json!(upload.revision));
    farm.end().await;
}

/// Header fields and contents of a tar, in its order; the git data that a commit comes with is not
/// part of the tree.
fn tree_of(tar: &[u8]) -> Vec<(String, String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().to_vec()).unwrap();
        if path.starts_with("src/.git/") {
            continue;
        }
        let header = entry.header();
        let fields = format!(
            "{:?} {:o} {} {} {:?}",
            header.entry_type(),
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.mtime().unwrap(),
            entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned()),
        );
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        found.push((path, fields, content));
    }
    assert!(found.len() > 5);
    found
}

#[tokio::test]
async fn a_clean_working_tree_reaches_the_sandbox_as_its_commit_does() {
    let farm = Farm::new(|_| makes_a_program()).await;
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    let repo = Repo::with([
        Entry::file("Makefile", "app: main.c\n\tcc -o app main.c\n"),
        Entry::file("main.c", "int main(void) { return 0; }\n"),
        Entry::file("a-b", "1"),
        Entry::file("a/x.h", "2"),
        Entry::program("a/run.sh", "#!/bin/sh\n"),
        Entry::symlink("a/link", "../main.c"),
        Entry::file(&*long, "3"),
    ]);
    let of_git = farm.run(&repo).await;

    let folder = tempfile::tempdir().unwrap();
    let url = repo.url();
    assert!(git(folder.path(), &["clone", "--quiet", &url, "."]).status().unwrap().success());
    let tree = read(folder.path());
    let base = tree.base().unwrap();
    assert!(!base.dirty);
    assert_eq!(Revision::Commit(base.commit.clone()), of_git.commit);
    let mut packed = Vec::new();
    tree.pack(&mut packed, &Silent).unwrap();
    let upload = upload(&farm, packed).await;
    assert_eq!(upload.digest.to_string(), tree.tree().digest().to_string());
    let answer = submit(&farm, json!({"digest": upload.digest, "base": base})).await;
    let build: Build = serde_json::from_value(answer.json()).unwrap();
    let build = farm.finished(build.id).await;
    assert_eq!(build.outcome, Some(Outcome::Success), "{}", build.plan.message);
    let of_tree = farm.job(build.jobs[0].id).await;

    let seen = farm.sandbox.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(tree_of(&seen[0].source), tree_of(&seen[1].source));
    let sum = |job: &kiln::protocol::Job| {
        job.attempts.last().unwrap().artifacts.clone().unwrap().tar_sha256
    };
    assert_eq!(sum(&of_git), sum(&of_tree));
    farm.end().await;
}

#[tokio::test]
async fn settings_have_the_bounds_that_are_documented() {
    let settings = Settings::default();
    assert_eq!(settings.uploads.body_bytes, 512 << 20);
    assert_eq!(settings.uploads.kept_hours, 24);
}
