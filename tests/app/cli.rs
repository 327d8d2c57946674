//! The client commands against a real server: what comes out, and what is left when something goes
//! wrong.

use std::path::Path;

use kiln::{
    model::{Outcome, StateName},
    sandbox::{Act, Produced, Scenario},
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio_util::sync::CancellationToken;

use crate::{
    farm::{Farm, nothing, project},
    program::{end, kiln, run},
    script::{ELF, endless, err, hello, one_step, out},
};

#[tokio::test]
async fn a_followed_log_loses_and_repeats_nothing_when_the_server_is_started_again() {
    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    let waits = [first.clone(), second.clone()];
    let mut expected = Vec::new();
    let mut parts = Vec::new();
    for part in 0..3 {
        let lines: String =
            (0..500).map(|line| format!("{part}.{line} \u{e9}\x1b[31m\r\n")).collect();
        expected.extend_from_slice(lines.as_bytes());
        parts.push(lines);
    }
    let script = move |_: &kiln::sandbox::SessionSpec| {
        let mut acts = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            acts.push(out(part.as_bytes()));
            acts.extend(waits.get(index).map(|wait| Act::Until(wait.clone())));
        }
        one_step(acts, 0)
    };
    let mut farm = Farm::new(script).await;
    let repo = project([]);
    let build = farm.submit(&repo).await;
    let job = farm.until_first_leg_runs(build.id).await.summary.id;
    let mut child =
        kiln(&farm.url(), &["log", "-f", &job.to_string(), "--stream", "stdout"]).spawn().unwrap();
    // It follows when something has come.
    let mut output = child.stdout.take().unwrap();
    let mut got = vec![0; 9];
    output.read_exact(&mut got).await.unwrap();
    farm.stop_server().await;
    first.cancel();
    farm.restart_stopped().await;
    second.cancel();
    output.read_to_end(&mut got).await.unwrap();
    let ran = end(child).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(got == expected, "{} of {} bytes", got.len(), expected.len());
    assert_eq!(farm.finished(build.id).await.outcome, Some(Outcome::Success));
    farm.end().await;
}

#[tokio::test]
async fn the_raw_log_of_one_leg_is_all_that_verbose_prints() {
    let farm = Farm::new(|_| one_step(vec![out(b"a\xff\x1b[2Jb"), err(b"c\n")], 0)).await;
    let repo = project([]);
    let ran = run(kiln(&farm.url(), &["build", &repo.url(), "-v"])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let job = farm.rest.builds(&kiln::protocol::BuildFilter::default()).await.unwrap();
    let log = run(kiln(&farm.url(), &["log", &job.items[0].jobs[0].id.to_string()])).await;
    assert_eq!(ran.out, log.out);
    assert!(ran.out.windows(6).any(|bytes| bytes == b"a\xff\x1b[2J"), "{:?}", ran.text());
    assert!(ran.err.contains("TOOLCHAIN  RESULT"), "{}", ran.err);
    farm.end().await;
}

/// Every file below a folder.
fn below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            files.extend(below(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}

#[tokio::test]
async fn what_was_tampered_with_is_not_kept() {
    let farm = Farm::new(|_| {
        let files = vec![
            Produced::file("lib/liba.a", 0o644, b"!<arch>\n"),
            Produced::file("app", 0o755, ELF),
        ];
        Scenario { files, ..hello() }
    })
    .await;
    let repo = project([]);
    let job = farm.run(&repo).await.summary.id.to_string();
    let here = tempfile::tempdir().unwrap();
    let at = |name: &str| here.path().join(name).to_str().unwrap().to_owned();
    let url = farm.url();

    let list = run(kiln(&url, &["artifacts", &job])).await;
    assert!(list.text().contains("0755  24 B  "), "{}", list.text());
    let one = run(kiln(&url, &["artifacts", &job, "**/*.a", "-o", "-"])).await;
    assert_eq!((one.code, &one.out[..]), (Some(0), &b"!<arch>\n"[..]), "{}", one.err);
    let saved = run(kiln(&url, &["artifacts", &job, "app", "-o", &at("app")])).await;
    assert_eq!(saved.code, Some(0), "{}", saved.err);
    assert_eq!(std::fs::read(at("app")).unwrap(), ELF);
    let all = run(kiln(&url, &["artifacts", &job, "--download", &at("good")])).await;
    assert_eq!(all.code, Some(0), "{}", all.err);
    assert_eq!(std::fs::read(at("good/gcc-14/lib/liba.a")).unwrap(), b"!<arch>\n");
    std::fs::remove_file(at("app")).unwrap();
    std::fs::remove_dir_all(at("good")).unwrap();

    let archive = below(&farm.server_data().join("artifacts"))
        .into_iter()
        .find(|file| file.ends_with("artifacts.tar.gz"))
        .unwrap();
    let mut bytes = std::fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle - 8..middle + 8] {
        *byte ^= 0x5a;
    }
    std::fs::write(&archive, bytes).unwrap();
    let all = run(kiln(&url, &["artifacts", &job, "--download", &at("bad")])).await;
    assert_eq!(all.code, Some(3), "{}", all.err);
    let left: Vec<_> = below(here.path());
    assert!(left.is_empty(), "nothing is left half: {left:?}");
    farm.end().await;
}

#[tokio::test]
async fn a_command_is_run_as_if_it_were_here() {
    let farm = Farm::new(|_| one_step(vec![out(b"\xffout"), err(b"err\n")], 7)).await;
    let repo = project([]);
    let line = ["run", "-t", "gcc:14", "--source", &repo.url(), "--", "make", "x y"];
    let ran = run(kiln(&farm.url(), &line)).await;
    assert_eq!((ran.code, &ran.out[..], &*ran.err), (Some(7), &b"\xffout"[..], "err\n"));
    let seen = farm.sandbox.seen();
    assert!(seen[0].script.contains("make '\\''x y'\\''"), "{}", seen[0].script);
    assert!(seen[0].collected.is_empty(), "nothing is kept unless it is asked for");
    farm.end().await;
}

#[tokio::test]
async fn an_interrupted_command_is_cancelled() {
    let farm = Farm::new(|_| endless()).await;
    let repo = project([]);
    let line = ["run", "-t", "gcc:14", "--source", &repo.url(), "--", "sleep", "inf"];
    let child = kiln(&farm.url(), &line).spawn().unwrap();
    let builds = loop {
        let builds = farm.rest.builds(&kiln::protocol::BuildFilter::default()).await.unwrap().items;
        if builds.iter().any(|build| build.jobs.iter().any(|job| job.state == StateName::Running)) {
            break builds;
        }
        tokio::task::yield_now().await;
    };
    farm.until_first_leg_runs(builds[0].id).await;
    interrupt(child.id().unwrap()).await;
    let ran = end(child).await;
    assert_eq!(ran.code, Some(130), "{}", ran.err);
    assert_eq!(farm.finished(builds[0].id).await.outcome, Some(Outcome::Cancelled));
    farm.end().await;
}

#[tokio::test]
async fn without_a_terminal_ctrl_c_detaches_or_cancels_as_asked() {
    for (more, outcome) in [(None, None), (Some("--cancel-on-interrupt"), Some(Outcome::Cancelled))]
    {
        let farm = Farm::new(|_| endless()).await;
        let repo = project([]);
        let url = repo.url();
        let line: Vec<&str> = ["build", &url].into_iter().chain(more).collect();
        let mut child = kiln(&farm.url(), &line).spawn().unwrap();
        // That it is followed is known when it prints what the build wrote.
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("| begun") {
            line.clear();
            lines.read_line(&mut line).await.unwrap();
        }
        interrupt(child.id().unwrap()).await;
        let ran = end(child).await;
        assert_eq!(ran.code, Some(130), "{}", ran.err);
        let build = farm.rest.builds(&kiln::protocol::BuildFilter::default()).await.unwrap();
        let build = build.items[0].id;
        assert!(ran.err.contains(&format!("build {build} ")), "{}", ran.err);
        if outcome.is_none() {
            farm.rest.cancel_build(build).await.unwrap();
        }
        assert_eq!(farm.finished(build).await.outcome, Some(Outcome::Cancelled));
        farm.end().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the rule is for the product")]
async fn interrupt(process: u32) {
    let mut kill = tokio::process::Command::new("kill");
    assert!(kill.args(["-INT", &process.to_string()]).status().await.unwrap().success());
}

#[tokio::test]
async fn shells_are_told_what_the_server_knows_and_nothing_if_it_is_not_there() {
    let farm = Farm::new(nothing).await;
    let repo = project([]);
    let build = farm.run(&repo).await.build.to_string();
    let complete = async |server: &str, words: &[&str]| {
        let words: Vec<&str> = ["--", "kiln"].iter().chain(words).copied().collect();
        let mut command = kiln(server, &words);
        command.env("COMPLETE", "fish");
        let ran = run(command).await;
        assert_eq!(ran.err, "");
        let lines = ran.text();
        lines.lines().map(|l| l.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let url = farm.url();
    assert!(complete(&url, &["build", "-t", "gcc:1"]).await.contains(&"gcc:14".to_owned()));
    let second = complete(&url, &["build", "-t", "gcc:14,clang:19"]).await;
    assert_eq!(second, ["gcc:14,clang:19"]);
    assert_eq!(complete(&url, &["show", &build[..20]]).await, [&*build]);
    assert_eq!(complete(&url, &["log", &format!("{build}/")]).await, [format!("{build}/gcc:14")]);
    assert_eq!(complete("http://127.0.0.1:1", &["build", "-t", "gcc:1"]).await, [""; 0]);
    assert!(complete(&url, &["bui"]).await.contains(&"build".to_owned()));
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(kiln(&url, &["completions", shell])).await;
        assert!(ran.text().contains("COMPLETE"), "{}", ran.text());
    }
    farm.end().await;
}

#[tokio::test]
async fn manual_pages_are_there_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(kiln("x", &["man", "--dir", dir.path().to_str().unwrap()])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for page in ["kiln.1", "kiln-build.1", "kiln-images-list.1"] {
        let text = std::fs::read_to_string(dir.path().join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}: {text}");
    }
    let one = run(kiln("x", &["man", "run"])).await;
    assert!(one.text().contains("exit status"), "{}", one.text());
}
