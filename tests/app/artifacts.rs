//! What is kept can be had: the list, one file, a part of it, everything, and by commit.

use std::io::Read as _;

use kiln::{
    model::Outcome,
    sandbox::{Produced, Scenario},
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    farm::{COMMIT, Farm, project},
    script::{ELF, one_step, out},
    wire::{Answer, Ask},
};

/// A program that is larger than one gzip member, and no bytes of it alike.
fn large() -> Vec<u8> {
    let noise = (0_u32..700_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes());
    ELF.iter().copied().chain(noise).collect()
}

fn keeps_much() -> Scenario {
    let files = vec![
        Produced::file("build/bin/app", 0o755, &large()),
        Produced::file("a b?c#d%e+\u{fc}.so", 0o755, ELF),
        Produced::file("lib/libx.a", 0o644, b"!<arch>\n"),
    ];
    Scenario { files, ..one_step(vec![out(b"made\n")], 0) }
}

async fn get(farm: &Farm, target: impl Into<String>) -> Answer {
    Ask::get(target).send(farm.address()).await
}

#[tokio::test]
async fn files_are_served_whole_in_part_and_only_when_they_changed() {
    let farm = Farm::new(|_| keeps_much()).await;
    let repo = project([]);
    let job = farm.run(&repo).await;
    assert_eq!(job.summary.outcome, Some(Outcome::Success), "{}", job.summary.message);
    let base = format!("/api/v1/jobs/{}", job.summary.id);
    let manifest = get(&farm, format!("{base}/manifest")).await.json();
    let files = manifest["files"].as_array().unwrap();
    let paths: Vec<_> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["a b?c#d%e+\u{fc}.so", "build/bin/app", "lib/libx.a"]);
    assert_eq!(manifest["revision"], repo.resolve("main").unwrap());

    let large = large();
    let commit = job.commit.as_str();
    for file in [
        format!("{base}/artifacts/build/bin/app"),
        format!("{base}/artifacts/build%2Fbin%2Fapp"),
        format!("/api/v1/artifacts/{commit}/gcc:14/build/bin/app"),
        format!("/api/v1/artifacts/{commit}/gcc%3A14/build/bin/app"),
    ] {
        let whole = get(&farm, &*file).await;
        assert_eq!(
            (whole.status, whole.body == large),
            (200, true),
            "{file} {}",
            whole.text().len()
        );
        let digest = hex::encode(Sha256::digest(&large));
        let tag = format!("\"{digest}\"");
        assert_eq!(whole.header("etag"), Some(&*tag));
        assert_eq!(whole.header("content-type"), Some("application/octet-stream"));
        assert_eq!(whole.header("content-disposition"), Some("attachment; filename=\"app\""));
        assert_eq!(whole.header("content-length"), Some(&*large.len().to_string()));
        for (range, part) in [
            ("bytes=0-3", Some(0..4)),
            ("bytes=1048570-1048590", Some(1_048_570..1_048_591)),
            ("bytes=-5", Some(large.len() - 5..large.len())),
            ("bytes=2800000-99999999", Some(2_800_000..large.len())),
            ("bytes=99999999-", None),
        ] {
            let answer = Ask::get(&*file).header("range", range).send(farm.address()).await;
            match part {
                Some(part) => {
                    let text = format!("bytes {}-{}/{}", part.start, part.end - 1, large.len());
                    assert_eq!(answer.header("content-range"), Some(&*text));
                    assert_eq!((answer.status, answer.body == large[part]), (206, true), "{range}");
                }
                None => assert_eq!((answer.status, answer.refusal()), (416, "range".to_owned())),
            }
        }
        for (known, status) in [(&*tag, 304), ("\"other\"", 200), (&*format!("\"x\", {tag}"), 304)]
        {
            let ask = Ask::get(&*file).header("if-none-match", known);
            let answer = ask.send(farm.address()).await;
            assert_eq!(answer.status, status, "{known}");
        }
    }
    let odd = format!("{base}/artifacts/a%20b%3Fc%23d%25e%2B%C3%BC.so");
    assert_eq!(get(&farm, odd).await.body, ELF);
    let mut odd = Vec::new();
    farm.rest.artifact(job.summary.id, "a b?c#d%e+\u{fc}.so", &mut odd).await.unwrap();
    assert_eq!(odd, ELF);
    farm.end().await;
}

#[tokio::test]
async fn everything_can_be_had_as_one_archive() {
    let farm = Farm::new(|_| keeps_much()).await;
    let repo = project([]);
    let job = farm.run(&repo).await;
    let target = format!("/api/v1/jobs/{}/artifacts.tar.gz", job.summary.id);
    let answer = get(&farm, &*target).await;
    assert_eq!(answer.header("content-type"), Some("application/gzip"));
    assert!(answer.header("content-encoding").is_none());
    let summary = job.attempts[0].artifacts.as_ref().unwrap();
    assert_eq!(answer.body.len() as u64, summary.archive_bytes);
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(&answer.body[..]).read_to_end(&mut bytes).unwrap();
    assert_eq!(hex::encode(Sha256::digest(&bytes)), summary.tar_sha256);
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut seen = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        if header.entry_type().is_file() {
            seen.push((String::from_utf8(entry.path_bytes().into_owned()).unwrap(), content.len()));
        }
    }
    seen.sort();
    let large = large().len();
    let expected =
        [("a b?c#d%e+\u{fc}.so", ELF.len()), ("build/bin/app", large), ("lib/libx.a", 8)];
    assert_eq!(seen, expected.map(|(path, length)| (path.to_owned(), length)));
    let part = Ask::get(&*target).header("range", "bytes=10-19").send(farm.address()).await;
    assert_eq!((part.status, &part.body[..]), (206, &answer.body[10..20]));
    farm.end().await;
}

#[tokio::test]
async fn a_commit_has_the_newest_artifacts_of_its_own_recipe() {
    let farm = Farm::new(|spec| {
        let content = [ELF, spec.job.to_string().as_bytes()].concat();
        let files = vec![Produced::file("app", 0o755, &content)];
        Scenario { files, ..one_step(Vec::new(), 0) }
    })
    .await;
    let repo = project([]);
    let first = farm.run(&repo).await;
    let second = farm.run(&repo).await;
    let commit = first.commit.as_str();
    let own_steps = json!({"steps": [{"name": "compile", "run": "other"}]});
    let foreign = farm.submit_with(&repo, own_steps).await;
    let foreign = farm.finished(foreign.id).await;
    let list = get(&farm, format!("/api/v1/artifacts/{commit}")).await.json();
    let jobs: Vec<_> = list["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| (job["job"].as_str().unwrap().to_owned(), job["own_recipe"].as_bool().unwrap()))
        .collect();
    let id = |job: &kiln::protocol::Job| job.summary.id.to_string();
    let foreign = foreign.jobs[0].id.to_string();
    assert_eq!(jobs, [(foreign, false), (id(&second), true), (id(&first), true)]);
    let app = get(&farm, format!("/api/v1/artifacts/{commit}/gcc:14/app")).await;
    assert_eq!(app.body, [ELF, id(&second).as_bytes()].concat());
    let none = get(&farm, format!("/api/v1/artifacts/{COMMIT}")).await.json();
    assert_eq!(none["jobs"], json!([]));
    for missing in [
        format!("/api/v1/artifacts/{COMMIT}/gcc:14/app"),
        format!("/api/v1/artifacts/{commit}/clang:19/app"),
        format!("/api/v1/artifacts/{commit}/gcc:14/other"),
    ] {
        assert_eq!(get(&farm, &*missing).await.refusal(), "not_found", "{missing}");
    }
    farm.end().await;
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_out_of_the_artifacts() {
    let farm = Farm::new(|_| keeps_much()).await;
    let repo = project([]);
    let job = farm.run(&repo).await;
    let (id, commit) = (job.summary.id, &job.commit);
    for spelling in [
        "..",
        "../manifest",
        "../../../../../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "//etc/passwd",
        "build/../build/bin/app",
        "build/./bin/app",
        "./build/bin/app",
        "build//bin/app",
        "build/bin/app/",
        "build\\bin\\app",
        "..%5c..%5cetc",
        "build%00/bin/app",
        "app%00",
        "%c0%ae%c0%ae/etc/passwd",
        "%ff",
        "build",
        "",
        "%252e%252e/etc/passwd",
        "file:///etc/passwd",
        "manifest.json",
        "artifacts.tar.gz",
        "../log",
        "*",
        "%2e",
        ".",
    ] {
        for base in
            [format!("/api/v1/jobs/{id}/artifacts"), format!("/api/v1/artifacts/{commit}/gcc:14")]
        {
            let target = format!("{base}/{spelling}");
            let answer = get(&farm, &*target).await;
            let code = answer.refusal();
            assert!(["not_found", "bad_request"].contains(&&*code), "{target}: {}", answer.text());
            assert!(!answer.text().contains("root:"), "{target}");
        }
    }
    farm.end().await;
}

#[tokio::test]
async fn a_build_that_made_nothing_has_nothing() {
    let farm = Farm::new(|_| one_step(vec![out(b"done\n")], 0)).await;
    let repo = project([]);
    let job = farm.run(&repo).await;
    assert_eq!(job.summary.outcome, Some(Outcome::Success));
    assert!(job.summary.message.contains("made no program"), "{}", job.summary.message);
    for what in ["manifest", "artifacts.tar.gz", "artifacts/app"] {
        let answer = get(&farm, format!("/api/v1/jobs/{}/{what}", job.summary.id)).await;
        assert_eq!((answer.status, answer.refusal()), (404, "not_found".to_owned()), "{what}");
    }
    farm.end().await;
}
