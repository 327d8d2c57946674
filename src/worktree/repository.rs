//! What git knows of a folder: which files it tracks, which it is told to ignore, where it stands.
//!
//! Nothing of the repository runs: only its index, its references and its settings are read.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use git2::{DescribeFormatOptions, DescribeOptions, ErrorCode, Status, StatusOptions, StatusShow};

use super::WorktreeError;
use crate::{model::Timestamp, protocol::TreeBase};

/// What the mode of a submodule is in the index.
const GITLINK: u32 = 0o160_000;
/// The longest description that is passed on.
const MAX_DESCRIBE: usize = 200;

/// A repository that a folder belongs to.
pub(super) struct Repository {
    inner: git2::Repository,
    /// Its working tree.
    pub(super) root: PathBuf,
    files: HashSet<Vec<u8>>,
    folders: HashSet<Vec<u8>>,
    submodules: HashSet<Vec<u8>>,
}

impl Repository {
    /// The repository that `folder` lies in, if there is one with a working tree.
    pub(super) fn around(folder: &Path) -> Result<Option<Self>, WorktreeError> {
        match git2::Repository::discover(folder) {
            Ok(inner) => Self::read(inner, folder),
            Err(error) => absent(&error, folder),
        }
    }

    /// The repository whose working tree begins at `folder`, if there is one.
    pub(super) fn at(folder: &Path) -> Result<Option<Self>, WorktreeError> {
        if folder.join(".git").symlink_metadata().is_err() {
            return Ok(None);
        }
        match git2::Repository::open(folder) {
            Ok(inner) => Self::read(inner, folder),
            Err(error) => absent(&error, folder),
        }
    }

    fn read(inner: git2::Repository, folder: &Path) -> Result<Option<Self>, WorktreeError> {
        let Some(root) = inner.workdir().map(Path::to_owned) else { return Ok(None) };
        let root = root.canonicalize().map_err(|error| unusable(folder, &error.to_string()))?;
        let index = inner.index().map_err(|error| unusable(&root, error.message()))?;
        let (mut files, mut folders) = (HashSet::new(), HashSet::new());
        let mut submodules = HashSet::new();
        for entry in index.iter() {
            for (at, _) in entry.path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
                if !folders.contains(&entry.path[..at]) {
                    folders.insert(entry.path[..at].to_vec());
                }
            }
            if entry.mode == GITLINK {
                submodules.insert(entry.path);
            } else {
                files.insert(entry.path);
            }
        }
        Ok(Some(Self { inner, root, files, folders, submodules }))
    }

    /// Whether git tracks the file at this path, which is relative to the working tree.
    pub(super) fn tracks(&self, path: &[u8]) -> bool {
        self.files.contains(path)
    }

    /// Whether git tracks something below this path.
    pub(super) fn tracks_below(&self, path: &[u8]) -> bool {
        self.folders.contains(path)
    }

    /// Whether a submodule belongs at this path.
    pub(super) fn has_submodule(&self, path: &[u8]) -> bool {
        self.submodules.contains(path)
    }

    /// The files that say what is ignored everywhere in it: the stronger first.
    pub(super) fn excludes(&self) -> Vec<PathBuf> {
        let own = self.inner.commondir().join("info").join("exclude");
        let config = self.inner.config().ok();
        let named = config.and_then(|config| config.get_path("core.excludesfile").ok());
        std::iter::once(own).chain(named.or_else(default_excludes)).collect()
    }

    /// The commit that is checked out and whether `folder` differs from it; none before the first.
    pub(super) fn base(&self, folder: &Path) -> Option<TreeBase> {
        let commit = self.inner.head().ok()?.peel_to_commit().ok()?;
        let mut options = DescribeOptions::new();
        options.describe_tags();
        let describe = self.inner.describe(&options).ok().and_then(|found| {
            let mut format = DescribeFormatOptions::new();
            found.format(Some(format.abbreviated_size(8))).ok()
        });
        Some(TreeBase {
            commit: commit.id().to_string().parse().ok()?,
            committed_at: Timestamp::from_millis(commit.time().seconds().saturating_mul(1_000)),
            dirty: self.is_changed(folder),
            describe: describe.filter(|text| text.len() <= MAX_DESCRIBE),
        })
    }

    fn is_changed(&self, folder: &Path) -> bool {
        let mut options = StatusOptions::new();
        options
            .show(StatusShow::IndexAndWorkdir)
            .include_untracked(true)
            .include_ignored(false)
            .disable_pathspec_match(true);
        if let Ok(below) = folder.strip_prefix(&self.root)
            && below != Path::new("")
        {
            options.pathspec(below);
        }
        let found = self.inner.statuses(Some(&mut options));
        // What cannot be compared is not vouched for.
        found.map_or(true, |all| all.iter().any(|one| one.status() != Status::CURRENT))
    }
}

/// Where git looks for what a person never wants tracked, unless told otherwise.
pub(super) fn default_excludes() -> Option<PathBuf> {
    let home = || std::env::home_dir().map(|home| home.join(".config"));
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.filter(|path| path.is_absolute()).or_else(home)?;
    Some(config.join("git").join("ignore"))
}

fn absent(error: &git2::Error, folder: &Path) -> Result<Option<Repository>, WorktreeError> {
    match error.code() {
        ErrorCode::NotFound => Ok(None),
        ErrorCode::Owner => Err(unusable(
            folder,
            "it belongs to somebody else; if you trust it, say \
             `git config --global --add safe.directory` and its folder",
        )),
        _ => Err(unusable(folder, error.message())),
    }
}

fn unusable(path: &Path, problem: &str) -> WorktreeError {
    WorktreeError::Repository { path: path.to_owned(), problem: problem.to_owned() }
}
