//! Every help text, and what is said about every mistake, as files in `tests/app/texts`: so that
//! they are read as a whole, and do not change unseen. After a change, write them anew with
//! `KILN_WRITE_TEXTS=1 cargo nextest run --test app texts::` and read the difference.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use kiln::cli::Cli;

use crate::{
    farm::{Farm, Setup, gcc, project},
    program::{kiln, run},
    script::{hello, one_step},
};

/// A server that is not there.
const NOBODY: &str = "http://127.0.0.1:1";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/app/texts")
}

/// Compares a text with its file, or writes the file.
#[track_caller]
fn check(name: &str, text: &str) {
    let file = folder().join(name);
    if std::env::var_os("KILN_WRITE_TEXTS").is_some() {
        fs::write(&file, text).unwrap();
        return;
    }
    let known = fs::read_to_string(&file).unwrap_or_default();
    assert!(known == text, "{name} is now:\n{text}\nIf that is meant, see the head of this test.");
}

/// The names of every command that is shown, subcommands behind theirs.
fn commands(command: &clap::Command, path: &[String], all: &mut Vec<Vec<String>>) {
    all.push(path.to_vec());
    for below in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        let path: Vec<String> = path.iter().cloned().chain([below.get_name().to_owned()]).collect();
        commands(below, &path, all);
    }
}

#[tokio::test]
async fn every_command_explains_itself() {
    let mut all = Vec::new();
    commands(&Cli::command(), &[], &mut all);
    let mut names = Vec::new();
    for path in all {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let ran = run(kiln(NOBODY, &arguments)).await;
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{path:?}");
        let text = ran.text();
        let has_example = text.contains("Examples:\n") || text.contains("Commands:\n");
        assert!(has_example, "no examples:\n{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "too wide:\n{text}");
        let name = if path.is_empty() { "kiln".to_owned() } else { path.join("-") };
        check(&format!("help/{name}.txt"), &text.replace(NOBODY, "<server>"));
        names.push(format!("{name}.txt"));
    }
    names.sort();
    let mut files: Vec<String> = fs::read_dir(folder().join("help"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, names, "a command that is gone has left its text");
}

/// Lines, their exit codes, and what they print.
struct Transcript {
    text: String,
    /// What differs from run to run, and what stands for it.
    names: Vec<(String, &'static str)>,
}

impl Transcript {
    async fn line(&mut self, server: &str, line: &[&str]) {
        let ran = run(kiln(server, line)).await;
        let mut words: Vec<String> = Vec::new();
        for word in line {
            let plain = !word.is_empty() && !word.contains([' ', '[', '*', '>']);
            words.push(if plain { (*word).to_owned() } else { format!("'{word}'") });
        }
        let mut text = format!("$ kiln {}\n{}{}", words.join(" "), ran.text(), ran.err);
        for (found, name) in &self.names {
            text = text.replace(found, name);
        }
        let code = ran.code.map_or("none".to_owned(), |code| code.to_string());
        let _ = writeln!(self.text, "{}\n[exit code {code}]\n", text.trim_end());
    }
}

#[tokio::test]
async fn every_mistake_is_answered_with_a_sentence_and_the_right_exit_code() {
    let mut setup = Setup::default();
    setup.settings.toolchains.default = vec![gcc()];
    let farm = Farm::with(setup, |_| hello()).await;
    let (repo, empty) = (project([]), tempfile::tempdir().unwrap());
    let build = farm.submit(&repo).await;
    let build = farm.finished(build.id).await;
    let (id, job) = (build.id.to_string(), build.jobs[0].id.to_string());
    let (url, server) = (repo.url(), farm.url());
    let missing = format!("file://{}/none", empty.path().display());
    let dir = empty.path().to_str().unwrap();
    let (leg, other, of_job) =
        (format!("{id}/gcc:41"), format!("{id}/clang:19"), format!("{job}/gcc:14"));
    let commit = repo.resolve("refs/heads/main").unwrap();
    let names = vec![
        (id.clone(), "<build>"),
        (job.clone(), "<job>"),
        (missing.clone(), "<missing>"),
        (url.clone(), "<repository>"),
        (server.clone(), "<server>"),
        (dir.to_owned(), "<folder>"),
        (commit.clone(), "<commit>"),
    ];
    let mut transcript = Transcript { text: String::new(), names };
    let unknown = "01KB0Q6M3V8W2T5XJ4C9ZR7HND";
    let lines: &[&[&str]] = &[
        &["biulds"],
        &["builds", "--tolchain", "gcc:14"],
        &["builds", "--state", "lost"],
        &["builds", "--outcome", "good"],
        &["builds", "--limit", "0"],
        &["builds", "--cursor", "x"],
        &["builds", "-t", "gcc:41"],
        &["build", &url, "-t", "GCC 14"],
        &["build", &url, "-t", "gcc:41"],
        &["build", &url, "-t", "gcc"],
        &["build", &url, "--env", "NOVALUE"],
        &["build", &url, "--env", "A=1", "--env", "A=2"],
        &["build", &url, "--env", "1A=1"],
        &["build", &url, "--timeout", "soon"],
        &["build", &url, "--timeout", "99h"],
        &["build", &url, "--ref", "a..b"],
        &["build", &url, "--ref", "no-such-branch"],
        &["build", &url, "--commit", "abc"],
        &["build", &url, "--artifact", "/etc/passwd"],
        &["build", &url, "--package", "gcc-"],
        &["build", &url, "-f", "-v"],
        &["build", &url, "--detach", "--download", "x"],
        &["build", &missing],
        &["build", "http://user:secret@git.example/x"],
        &["build", "ftp://git.example/x"],
        &["show", "1"],
        &["show", unknown],
        &["show", &commit],
        &["show", &leg],
        &["show", &other],
        &["show", &of_job],
        &["show", &job, "--by-hand"],
        &["log", unknown],
        &["log", &job, "--stream", "both"],
        &["log", &job, "--attempt", "9"],
        &["log", &id, "-f", "--attempt", "1"],
        &["artifacts", &id, "none*"],
        &["artifacts", &id, "["],
        &["artifacts", &id, "-o", "/"],
        &["artifacts", &commit, "none*"],
        &["artifacts", "0123456789abcdef0123456789abcdef01234567"],
        &["artifacts", "main"],
        &["cancel", unknown],
        &["retry", &job, "-t", "gcc:14"],
        &["retry", &id, "-t", "gcc:41"],
        &["run", "-t", "gcc:14"],
        &["run", "-t", "gcc:41", "--source", &url, "--", "true"],
        &["run", "--source", &url, "--", ""],
        &["init", dir],
        &["completions", "dos"],
        &["man", "nothing"],
        &["images", "build", "gcc:41"],
        &["serve", "--listen", "8000"],
    ];
    for line in lines {
        transcript.line(&server, line).await;
    }
    for line in [&["builds"][..], &["log", "-f", unknown], &["toolchains", "--json"]] {
        transcript.line(NOBODY, line).await;
    }
    transcript.line("nonsense", &["agents"]).await;
    check("mistakes.txt", &transcript.text);
    farm.end().await;
}

#[tokio::test]
async fn a_build_that_fails_is_told_in_one_screen() {
    let farm = Farm::new(|_| one_step(vec![crate::script::err(b"it broke\n")], 3)).await;
    let repo = project([]);
    let ran = run(kiln(&farm.url(), &["build", &repo.url()])).await;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.text().lines().count() < 24, "{}", ran.text());
    farm.end().await;
}
