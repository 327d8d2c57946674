//! A folder to fill, and what kiln would send of it.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use kiln::{
    archive::tree::{TreeBounds, TreeKind},
    worktree::{self, Meter, Worktree, WorktreeError},
};
use tempfile::TempDir;

use crate::support::repo;

pub(crate) const BOUNDS: TreeBounds = TreeBounds { bytes: 1 << 20, entries: 500, depth: 20 };

/// Hears nothing.
pub(crate) struct Silent;

impl Meter for Silent {
    fn expect(&self, _: u64) {}
    fn advance(&self, _: u64) {}
}

pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("kiln-tree-").tempdir().unwrap())
    }

    /// One that is a repository.
    pub(crate) fn repository() -> Self {
        let folder = Self::new();
        folder.git(&["init", "--quiet", "--initial-branch", "main"]);
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: &str) -> &Self {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub(crate) fn program(&self, path: &str, content: &str) -> &Self {
        self.write(path, content);
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub(crate) fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
        self
    }

    /// Runs git; what it prints.
    pub(crate) fn git(&self, arguments: &[&str]) -> Vec<u8> {
        git(self.path(), arguments)
    }

    pub(crate) fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.commit_staged()
    }

    pub(crate) fn commit_staged(&self) -> String {
        let who = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
        self.git(&[&who[..], &["commit", "--quiet", "--allow-empty", "-m", "a commit"]].concat());
        let id = self.git(&["rev-parse", "HEAD"]);
        String::from_utf8(id).unwrap().trim().to_owned()
    }

    pub(crate) fn read(&self) -> Result<Worktree, WorktreeError> {
        read(self.path())
    }

    /// What would be sent, without folders.
    pub(crate) fn sent(&self) -> BTreeSet<String> {
        sent(self.path())
    }
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = repo::git(folder, arguments).output().unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {problem}");
    output.stdout
}

pub(crate) fn read(path: &Path) -> Result<Worktree, WorktreeError> {
    worktree::read(path, &BOUNDS, &Silent)
}

pub(crate) fn sent(path: &Path) -> BTreeSet<String> {
    match read(path) {
        Ok(tree) => tree
            .tree()
            .entries()
            .iter()
            .filter(|entry| entry.kind != TreeKind::Directory)
            .map(|entry| entry.path.to_string())
            .collect(),
        Err(WorktreeError::Nothing { .. }) => BTreeSet::new(),
        Err(error) => panic!("{error}"),
    }
}
