//! Git repositories made for a test.
//!
//! Through `git fast-import`: there is no working tree, 50 000 files take a second, trees that no
//! working tree could hold can be made, and names, dates and so commit ids are always the same.

use std::cell::Cell;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// 2024-01-01T00:00:00Z; every commit is a minute later than the one before.
const FIRST_COMMIT: u64 = 1_704_067_200;
/// The branch commits go to unless said otherwise.
pub(crate) const BRANCH: &str = "main";

/// What one path of a tree is.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    path: String,
    mode: &'static str,
    bytes: Vec<u8>,
}

impl Entry {
    /// An ordinary file.
    pub(crate) fn file(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), mode: "100644", bytes: bytes.into() }
    }

    /// A file that can be run.
    pub(crate) fn program(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), mode: "100755", bytes: bytes.into() }
    }

    /// A symbolic link.
    pub(crate) fn symlink(path: impl Into<String>, target: &str) -> Self {
        Self { path: path.into(), mode: "120000", bytes: target.as_bytes().to_vec() }
    }

    /// Everything in a folder, in the order of its names.
    pub(crate) fn folder(folder: &Path) -> Vec<Self> {
        let mut entries = Vec::new();
        collect(folder, "", &mut entries);
        entries
    }
}

fn collect(folder: &Path, prefix: &str, into: &mut Vec<Entry>) {
    let names = std::fs::read_dir(folder).expect("the folder of a scenario can be read");
    let mut names: Vec<String> = names
        .map(|entry| {
            entry.expect("the folder can be read").file_name().into_string().expect("UTF-8")
        })
        .collect();
    names.sort();
    for name in names {
        let path = format!("{prefix}{name}");
        if folder.join(&name).is_dir() {
            collect(&folder.join(&name), &format!("{path}/"), into);
        } else {
            let (from, bytes) = (folder.join(&name), std::fs::read(folder.join(&name)));
            let mode = std::fs::metadata(from).expect("readable").permissions().mode();
            let bytes = bytes.expect("readable");
            let is_program = mode & 0o111 != 0;
            into.push(if is_program {
                Entry::program(path, bytes)
            } else {
                Entry::file(path, bytes)
            });
        }
    }
}

/// A bare repository in a temporary folder, which is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Repo {
    folder: TempDir,
    commits: Cell<u64>,
}

impl Repo {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let folder =
            tempfile::Builder::new().prefix("kiln-repo-").tempdir().expect("a temporary folder");
        let repo = Self { folder, commits: Cell::new(0) };
        repo.git(&["init", "--quiet", "--bare", "--initial-branch", BRANCH]);
        // What is in the large ones cannot be made smaller: do not try.
        repo.git(&["config", "core.compression", "0"]);
        repo
    }

    /// One with a single commit.
    pub(crate) fn with(entries: impl IntoIterator<Item = Entry>) -> Self {
        let repo = Self::new();
        repo.commit("a commit", entries);
        repo
    }

    /// Commits exactly these entries to `main`; says the commit's id.
    pub(crate) fn commit(&self, message: &str, entries: impl IntoIterator<Item = Entry>) -> String {
        self.commit_on(BRANCH, message, entries)
    }

    /// Commits exactly these entries to a branch; says the commit's id.
    pub(crate) fn commit_on(
        &self,
        branch: &str,
        message: &str,
        entries: impl IntoIterator<Item = Entry>,
    ) -> String {
        self.commit_at(&format!("refs/heads/{branch}"), message, entries)
    }

    /// Commits to `main` one after the other, which all appear there at once; the last one's id.
    pub(crate) fn commits<E: IntoIterator<Item = Entry>>(
        &self,
        commits: impl IntoIterator<Item = (&'static str, E)>,
    ) -> String {
        self.git(&["update-ref", "refs/next", BRANCH]);
        for (message, entries) in commits {
            self.commit_at("refs/next", message, entries);
        }
        let last = self.resolve("refs/next").expect("there is one");
        self.git(&["update-ref", &format!("refs/heads/{BRANCH}"), &last]);
        self.git(&["update-ref", "-d", "refs/next"]);
        last
    }

    fn commit_at(
        &self,
        head: &str,
        message: &str,
        entries: impl IntoIterator<Item = Entry>,
    ) -> String {
        let date = FIRST_COMMIT + 60 * self.commits.replace(self.commits.get() + 1);
        let mut import = self
            .command(&["fast-import", "--quiet", "--force", "--depth=0"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("git starts");
        let mut to = BufWriter::new(import.stdin.take().expect("stdin is piped"));
        write_commit(&mut to, head, self.resolve(head).as_deref(), date, message, entries)
            .expect("git fast-import takes the commit");
        drop(to);
        assert!(import.wait().expect("git can be waited for").success(), "git fast-import failed");
        self.resolve(head).expect("the commit is there")
    }

    /// Gives a commit a tag without a message.
    pub(crate) fn tag(&self, name: &str, commit: &str) {
        self.git(&["tag", name, commit]);
    }

    /// Has a branch at a commit, wherever it was.
    pub(crate) fn branch(&self, name: &str, commit: &str) {
        self.git(&["branch", "--force", name, commit]);
    }

    /// Deletes a branch.
    pub(crate) fn remove_branch(&self, name: &str) {
        self.git(&["branch", "-D", name]);
    }

    /// The id of a ref, if there is one.
    pub(crate) fn resolve(&self, name: &str) -> Option<String> {
        let output =
            self.command(&["rev-parse", "--quiet", "--verify", name]).output().expect("git runs");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// How kiln is told about it.
    pub(crate) fn url(&self) -> String {
        file_url(self.folder.path())
    }

    fn git(&self, arguments: &[&str]) {
        let status = self.command(arguments).status().expect("git runs");
        assert!(status.success(), "git {arguments:?} failed");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        git(self.folder.path(), arguments)
    }
}

/// The file URL of a folder.
pub(crate) fn file_url(folder: &Path) -> String {
    url::Url::from_file_path(folder).expect("an absolute path").to_string()
}

/// A git command in a folder that does not see the settings of whoever runs the tests.
#[expect(
    clippy::disallowed_methods,
    reason = "the rule is for the product; tests use git to check it"
)]
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).args(arguments);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command
}

fn write_commit(
    to: &mut impl Write,
    head: &str,
    parent: Option<&str>,
    date: u64,
    message: &str,
    entries: impl IntoIterator<Item = Entry>,
) -> std::io::Result<()> {
    writeln!(to, "commit {head}")?;
    writeln!(to, "author A Developer <dev@example.org> {date} +0000")?;
    writeln!(to, "committer A Developer <dev@example.org> {date} +0000")?;
    write!(to, "data {}\n{message}\n", message.len())?;
    if let Some(parent) = parent {
        writeln!(to, "from {parent}")?;
    }
    writeln!(to, "deleteall")?;
    for entry in entries {
        writeln!(to, "M {} inline {}", entry.mode, quoted(&entry.path))?;
        writeln!(to, "data {}", entry.bytes.len())?;
        to.write_all(&entry.bytes)?;
        writeln!(to)?;
    }
    to.flush()
}

/// A path as fast-import reads it, whatever is in it.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
