//! Repositories for the tests: ordinary ones made with git, hostile ones object by object.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use git2::{ObjectType, Oid, Repository, Signature, Time};
use tempfile::TempDir;

/// When every commit of the tests was made, in seconds.
pub(crate) const TIME: u64 = 1_700_000_000;

/// A program, without the environment of whoever runs the tests.
#[expect(clippy::disallowed_methods, reason = "the tests make and serve repositories with git")]
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    for (key, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "Ada"),
        ("GIT_AUTHOR_EMAIL", "ada@example.com"),
        ("GIT_COMMITTER_NAME", "Ada"),
        ("GIT_COMMITTER_EMAIL", "ada@example.com"),
        ("GIT_AUTHOR_DATE", "1700000000 +0000"),
        ("GIT_COMMITTER_DATE", "1700000000 +0000"),
    ] {
        command.env(key, value);
    }
    command
}

/// A directory of bare repositories, `NAME.git`, gone when dropped.
pub(crate) struct Repos(TempDir);

impl Repos {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(format!("{name}.git"))
    }

    pub(crate) fn file_url(&self, name: &str) -> String {
        format!("file://{}", self.path(name).display())
    }

    /// Runs git in a repository and returns what it says.
    pub(crate) fn git(&self, name: &str, arguments: &[&str]) -> String {
        run(program("git").arg("-C").arg(self.path(name)).args(arguments), b"")
    }

    /// A bare repository with nothing in it.
    pub(crate) fn empty(&self, name: &str) {
        let path = self.path(name);
        run(program("git").args(["init", "-q", "--bare", "-b", "main"]).arg(path), b"");
    }

    /// A commit on `branch` with these files besides those of its parent; its id.
    pub(crate) fn commit(&self, name: &str, branch: &str, files: &[(&str, &str, &[u8])]) -> String {
        if !self.path(name).exists() {
            self.empty(name);
        }
        let mut input = format!(
            "commit refs/heads/{branch}\ncommitter Ada <ada@example.com> {TIME} +0000\ndata 5\nhello\n"
        )
        .into_bytes();
        let git_ref = format!("refs/heads/{branch}");
        let known = program("git")
            .arg("-C")
            .arg(self.path(name))
            .args(["rev-parse", "-q", "--verify", &git_ref])
            .output()
            .unwrap();
        if known.status.success() {
            writeln!(input, "from {git_ref}^0").unwrap();
        }
        for (mode, path, content) in files {
            if *mode == "160000" {
                writeln!(input, "M {mode} {} {path}", str::from_utf8(content).unwrap()).unwrap();
            } else {
                write!(input, "M {mode} inline {path}\ndata {}\n", content.len()).unwrap();
                input.extend_from_slice(content);
                input.push(b'\n');
            }
        }
        let path = self.path(name);
        run(program("git").arg("-C").arg(path).args(["fast-import", "--quiet"]), &input);
        self.git(name, &["rev-parse", branch]).trim().to_owned()
    }

    /// A repository whose one commit has this tree, which may be one that git itself would refuse.
    pub(crate) fn with_tree(&self, name: &str, make: impl FnOnce(&Hostile) -> Oid) -> String {
        self.empty(name);
        let hostile = Hostile(Repository::open_bare(self.path(name)).unwrap());
        let tree = make(&hostile);
        let who = Signature::new("Eve", "eve@example.com", &Time::new(1_700_000_000, 0)).unwrap();
        // Written as text: libgit2 would look at the tree.
        let text = format!(
            "tree {tree}\nauthor {who} 1700000000 +0000\ncommitter {who} 1700000000 +0000\n\nx\n"
        );
        let commit = hostile.0.odb().unwrap().write(ObjectType::Commit, text.as_bytes()).unwrap();
        fs::write(self.path(name).join("refs/heads/main"), format!("{commit}\n")).unwrap();
        commit.to_string()
    }
}

/// Writes objects without looking at them.
pub(crate) struct Hostile(Repository);

impl Hostile {
    pub(crate) fn blob(&self, content: &[u8]) -> Oid {
        self.0.odb().unwrap().write(ObjectType::Blob, content).unwrap()
    }

    pub(crate) fn tree(&self, entries: &[(&str, &[u8], Oid)]) -> Oid {
        let mut raw = Vec::new();
        for (mode, name, id) in entries {
            raw.extend_from_slice(mode.as_bytes());
            raw.push(b' ');
            raw.extend_from_slice(name);
            raw.push(0);
            raw.extend_from_slice(id.as_bytes());
        }
        self.0.odb().unwrap().write(ObjectType::Tree, &raw).unwrap()
    }
}

pub(crate) fn run(command: &mut Command, input: &[u8]) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}
