//! The `.git` that comes with a tree: real git says in it what it says in a full clone.

use std::{fmt::Write as _, path::Path};

use kiln::source::{FetchSpec, Submodules};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{
    Kiln, collected,
    git::{Repos, TIME, program, run},
    server::{Daemon, HttpGit},
};

/// What version scripts ask.
const QUESTIONS: &[&[&str]] = &[
    &["describe"],
    &["describe", "--tags"],
    &["describe", "--tags", "--long"],
    &["describe", "--tags", "--always", "--dirty"],
    &["describe", "--abbrev=0", "--tags"],
    &["describe", "--match", "v*"],
    &["rev-parse", "HEAD"],
    &["rev-parse", "--short", "HEAD"],
    &["rev-parse", "--abbrev-ref", "HEAD"],
    &["log", "-1", "--format=%H %an %ae %ad %s"],
    &["show", "-s", "--format=%ci"],
    &["diff-index", "--name-only", "HEAD", "--"],
    &["status", "--porcelain"],
    &["ls-files", "--stage"],
    &["tag", "--points-at", "HEAD"],
    &["rev-parse", "HEAD^{tree}"],
];

/// Commits on `main`, each a minute after the one before, for git fast-import.
struct Commits {
    text: String,
    count: u64,
}

impl Commits {
    /// The first one, whose Makefile asks as `asks` says.
    fn new(asks: &str) -> Self {
        let mut commits = Self { text: String::new(), count: 0 };
        commits.add(&[]);
        let makefile = format!("V := $(shell git {asks})\n");
        for (mode, path, content) in [
            ("100644", "Makefile", makefile.as_str()),
            ("100755", "a/b/run.sh", "#!/bin/sh\n"),
            ("120000", "link", "a/b"),
            ("100644", ".gitattributes", "* text=auto eol=crlf\n"),
            ("100644", "dos.txt", "one\r\ntwo\r\n"),
        ] {
            let size = content.len();
            write!(commits.text, "M {mode} inline {path}\ndata {size}\n{content}\n").unwrap();
        }
        writeln!(commits.text, "M 160000 {} sub", "1".repeat(40)).unwrap();
        commits
    }

    /// One with these parents; its number.
    fn add(&mut self, parents: &[u64]) -> u64 {
        self.count += 1;
        let (mark, time) = (self.count, TIME + 60 * self.count);
        let who = format!("Ada <ada@example.com> {time} +0000");
        write!(self.text, "commit refs/heads/main\nmark :{mark}\n").unwrap();
        write!(self.text, "committer {who}\ndata 2\nhi\n").unwrap();
        for (word, parent) in ["from", "merge"].iter().zip(parents) {
            writeln!(self.text, "{word} :{parent}").unwrap();
        }
        let file = if mark % 2 == 0 { "a/even" } else { "odd" };
        writeln!(self.text, "M 100644 inline {file}\ndata 6\n{mark:06}").unwrap();
        mark
    }

    /// So many more, one after the other.
    fn line(&mut self, from: u64, count: u64) -> u64 {
        (0..count).fold(from, |parent, _| self.add(&[parent]))
    }

    fn import(&self, repos: &Repos, name: &str) {
        repos.empty(name);
        let mut import = program("git");
        import.arg("-C").arg(repos.path(name)).args(["fast-import", "--quiet"]);
        run(&mut import, self.text.as_bytes());
    }
}

/// A line of so many commits after the first.
fn line(repos: &Repos, name: &str, asks: &str, count: u64) {
    let mut commits = Commits::new(asks);
    commits.line(1, count);
    commits.import(repos, name);
}

fn tag(repos: &Repos, name: &str, tag: &str, at: &str) {
    repos.git(name, &["tag", tag, at]);
}

fn annotated(repos: &Repos, name: &str, tag: &str, at: &str) {
    repos.git(name, &["tag", "-a", tag, "-m", "a release", at]);
}

/// What git answers in a folder; whether it failed is a part of it.
fn answers(folder: &Path) -> Vec<String> {
    let ask = |question: &&[&str]| {
        let mut git = program("git");
        let output = git.arg("-C").arg(folder).args(*question).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        format!("{question:?}: {} {said}", output.status.success())
    };
    QUESTIONS.iter().map(ask).collect()
}

/// A source with its `.git`, unpacked as the sandbox does it; and what was said of its history.
async fn unpacked(
    kiln: &Kiln,
    url: &str,
    commit: &str,
    refname: Option<&str>,
) -> (TempDir, Option<String>) {
    let spec = FetchSpec {
        url: kiln.sources.parse_url(url).unwrap(),
        commit: commit.parse().unwrap(),
        refname: refname.map(str::to_owned),
        submodules: Submodules::LeftOut,
    };
    let cancel = CancellationToken::new();
    let mut checkout = kiln.sources.fetch(&spec, &cancel).await.unwrap().checkout;
    let note = kiln.sources.with_history(&spec, &mut checkout, "", &cancel).await.unwrap();
    let tar = collected(kiln.sources.tar(&checkout, &cancel).await.unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut unpack = program("tar");
    unpack.args(["-x", "-f", "-", "--no-same-owner", "--warning=no-timestamp", "-C"]);
    run(unpack.arg(folder.path()), &tar);
    (folder, note)
}

/// Compares with a full clone over every transport.
async fn alike(repos: &Repos, name: &str) {
    let commit = repos.git(name, &["rev-parse", "main"]).trim().to_owned();
    let clones = tempfile::tempdir().unwrap();
    let clone = clones.path().join("full");
    // As a user who wants files as they are: nothing is converted in kiln.
    let mut git = program("git");
    git.args(["clone", "-q", "-c", "core.attributesFile=/dev/null"]);
    run(git.arg(repos.path(name)).arg(&clone), b"");
    std::fs::write(clone.join(".git/info/attributes"), "* -text\n").unwrap();
    for command in [&["rm", "-q", "-r", "--cached", "."][..], &["reset", "-q", "--hard"]] {
        run(program("git").arg("-C").arg(&clone).args(command), b"");
    }
    let expected = answers(&clone);
    let (http, daemon) = (HttpGit::start(repos.root(), None), Daemon::start(repos.root()));
    for any in ["true", "false"] {
        repos.git(name, &["config", "uploadpack.allowAnySHA1InWant", any]);
        for url in [http.url(name), daemon.url(name), repos.file_url(name)] {
            let (folder, note) =
                unpacked(&Kiln::new(), &url, &commit, Some("refs/heads/main")).await;
            let src = folder.path().join("src");
            assert_eq!(answers(&src), expected, "{name} from {url}: {note:?}");
            let has_tags = !repos.git(name, &["tag"]).is_empty();
            assert_eq!(note.is_none(), has_tags, "{name} from {url}: {note:?}");
        }
    }
}

#[tokio::test]
async fn a_tag_on_the_commit_itself() {
    let repos = Repos::new();
    line(&repos, "app", "describe", 3);
    annotated(&repos, "app", "v1.0", "main");
    annotated(&repos, "app", "v0.9", "main~2");
    alike(&repos, "app").await;
}

#[tokio::test]
async fn tags_with_and_without_a_message_some_commits_below() {
    let repos = Repos::new();
    line(&repos, "app", "describe", 20);
    tag(&repos, "app", "nightly", "main~5");
    annotated(&repos, "app", "v1.0", "main~8");
    annotated(&repos, "app", "v0.1", "main~19");
    alike(&repos, "app").await;
}

#[tokio::test]
async fn only_tags_without_a_message() {
    let repos = Repos::new();
    line(&repos, "app", "describe --tags", 20);
    tag(&repos, "app", "v1.0", "main~5");
    alike(&repos, "app").await;
}

#[tokio::test]
async fn a_long_side_branch_from_before_the_tag() {
    let repos = Repos::new();
    let mut commits = Commits::new("describe");
    let old = commits.line(1, 4);
    let side = commits.line(old, 90);
    let main = commits.line(old, 30);
    let merge = commits.add(&[main, side]);
    commits.line(merge, 2);
    commits.import(&repos, "app");
    annotated(&repos, "app", "v2", "main~7");
    annotated(&repos, "app", "v1", "main~2^2~80");
    alike(&repos, "app").await;
}

#[tokio::test]
async fn a_tag_on_a_side_branch_that_is_nearer() {
    let repos = Repos::new();
    let mut commits = Commits::new("describe");
    let side = commits.line(1, 70);
    let main = commits.line(1, 100);
    let merge = commits.add(&[main, side]);
    commits.line(merge, 3);
    commits.import(&repos, "app");
    annotated(&repos, "app", "v1-main", "main~60");
    annotated(&repos, "app", "v1-side", "main~3^2");
    alike(&repos, "app").await;
}

#[tokio::test]
async fn a_tag_many_hundred_commits_below_is_reached_in_steps() {
    let repos = Repos::new();
    line(&repos, "app", "describe", 900);
    annotated(&repos, "app", "v1.0", "main~700");
    alike(&repos, "app").await;
}

#[tokio::test]
async fn no_tag_at_all() {
    let repos = Repos::new();
    line(&repos, "app", "describe --always", 3);
    alike(&repos, "app").await;
}

#[tokio::test]
async fn a_tag_whose_name_would_do_harm_in_a_shell_is_only_a_name() {
    let repos = Repos::new();
    line(&repos, "app", "describe", 5);
    annotated(&repos, "app", "v1;$(touch${IFS}owned)", "main~2");
    repos.git("app", &["update-ref", "refs/tags/-rf", "main~4"]);
    alike(&repos, "app").await;
}

#[tokio::test]
async fn the_whole_history_where_commits_are_counted_and_only_the_commit_where_nothing_asks() {
    let repos = Repos::new();
    let count = &["rev-list", "--count", "HEAD"];
    for (name, asks, expected) in
        [("all", "rev-list --count HEAD", "901\n"), ("head", "rev-parse HEAD", "1\n")]
    {
        line(&repos, name, asks, 900);
        annotated(&repos, name, "v1.0", "main~2");
        let commit = repos.git(name, &["rev-parse", "main"]).trim().to_owned();
        let http = HttpGit::start(repos.root(), None);
        let kiln = Kiln::new();
        let url = http.url(name);
        let (folder, note) = unpacked(&kiln, &url, &commit, Some("refs/heads/main")).await;
        assert_eq!(note, None);
        let src = folder.path().join("src");
        assert_eq!(run(program("git").arg("-C").arg(&src).args(count), b""), expected, "{name}");
        // When a file was changed last is known where older commits are.
        let changed = run(
            program("git").arg("-C").arg(&src).args(["log", "-1", "--format=%ct", "--", "a/even"]),
            b"",
        );
        assert_eq!(changed.trim() == (TIME + 60 * 900).to_string(), name == "all", "{changed}");
    }
}

#[tokio::test]
async fn a_changed_file_makes_it_dirty_and_a_new_one_does_not() {
    let repos = Repos::new();
    line(&repos, "app", "describe --dirty", 2);
    tag(&repos, "app", "v1", "main");
    let commit = repos.git("app", &["rev-parse", "main"]).trim().to_owned();
    let (folder, _) = unpacked(&Kiln::new(), &repos.file_url("app"), &commit, None).await;
    let src = folder.path().join("src");
    let describe = || {
        let mut git = program("git");
        run(git.arg("-C").arg(&src).args(["describe", "--tags", "--dirty"]), b"")
    };
    std::fs::write(src.join("new.o"), "x").unwrap();
    assert_eq!(describe(), "v1\n");
    // As long as before.
    std::fs::write(src.join("odd"), "999999").unwrap();
    assert_eq!(describe(), "v1-dirty\n");
    let head = std::fs::read_to_string(src.join(".git/HEAD")).unwrap();
    assert_eq!(head.trim(), commit, "no branch was asked for");
    assert!(!src.join(".git/hooks").exists());
}

#[tokio::test]
async fn tags_that_come_and_go_are_seen_by_the_next_reading() {
    let repos = Repos::new();
    line(&repos, "app", "describe --tags", 4);
    tag(&repos, "app", "old", "main~1");
    let commit = repos.git("app", &["rev-parse", "main"]).trim().to_owned();
    let http = HttpGit::start(repos.root(), None);
    let kiln = Kiln::new();
    for (refname, expected) in
        [("refs/heads/main", "old-1-g"), ("refs/tags/new", "new\n"), ("refs/tags/moved", "moved\n")]
    {
        let (folder, note) = unpacked(&kiln, &http.url("app"), &commit, Some(refname)).await;
        assert_eq!(note, None);
        let mut git = program("git");
        git.arg("-C").arg(folder.path().join("src")).args(["describe", "--tags"]);
        let said = run(&mut git, b"");
        assert!(said.starts_with(expected), "{refname}: {said}");
        match expected {
            "old-1-g" => annotated(&repos, "app", "new", "main"),
            "new\n" => {
                repos.git("app", &["tag", "-d", "new"]);
                tag(&repos, "app", "moved", "main");
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn without_its_remote_a_source_that_is_here_is_built_and_it_is_said() {
    let repos = Repos::new();
    line(&repos, "app", "describe --tags", 4);
    tag(&repos, "app", "v1", "main~1");
    let commit = repos.git("app", &["rev-parse", "main"]).trim().to_owned();
    let (kiln, url) = {
        let http = HttpGit::start(repos.root(), None);
        let kiln = Kiln::new();
        kiln.fetch(&http.url("app"), &commit).await.unwrap();
        (kiln, http.url("app"))
    };
    let (folder, note) = unpacked(&kiln, &url, &commit, None).await;
    assert!(note.is_some());
    let mut git = program("git");
    git.arg("-C").arg(folder.path().join("src")).args(["rev-parse", "HEAD"]);
    assert_eq!(run(&mut git, b"").trim(), commit);
}
