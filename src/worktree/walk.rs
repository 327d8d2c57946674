//! Finds what is to be sent, by name and size only: the bounds hold before anything is read.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io,
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::{FileTypeExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

use super::{
    WorktreeError,
    repository::{Repository, default_excludes},
    rules::{Rules, Verdict},
};
use crate::{
    archive::{
        ArtifactPath,
        tree::{TreeBounds, TreeError},
    },
    protocol::TreeBase,
};

const GITIGNORE: &str = ".gitignore";
const KILNIGNORE: &str = ".kilnignore";

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) entries: Vec<FoundEntry>,
    /// Bytes of all files together.
    pub(super) bytes: u64,
    /// What the folder was made from.
    pub(super) base: Option<TreeBase>,
    /// What was left out although nobody said so, for people.
    pub(super) notes: Vec<String>,
}

/// An entry that was found.
#[derive(Debug)]
pub(super) struct FoundEntry {
    pub(super) path: ArtifactPath,
    pub(super) kind: FoundKind,
}

/// What it is.
#[derive(Debug)]
pub(super) enum FoundKind {
    File { size: u64 },
    Symlink(Vec<u8>),
    Folder,
}

/// Where the walk is.
struct Place<'a> {
    /// The folder.
    folder: PathBuf,
    /// Its path in the tree that is sent; empty for the tree itself.
    below: Vec<u8>,
    repository: Option<&'a Repository>,
    git: Rules,
    kiln: Rules,
    /// Whether git ignores the folder: only what it tracks is taken.
    ignored: bool,
}

struct Walk<'a> {
    bounds: &'a TreeBounds,
    found: Found,
}

/// Finds what is to be sent of `root`, which is absolute.
pub(super) fn find(root: &Path, bounds: &TreeBounds) -> Result<Found, WorktreeError> {
    let repository = Repository::around(root)?;
    let mut walk = Walk { bounds, found: Found::default() };
    let place = Place::start(root, repository.as_ref());
    let ignored = place.ignored;
    walk.folder(&place)?;
    let mut found = walk.found;
    if !found.entries.iter().any(|entry| !matches!(entry.kind, FoundKind::Folder)) {
        let why = if ignored {
            ", because git ignores this folder"
        } else {
            " (.gitignore and .kilnignore leave out what is in it, or it is empty)"
        };
        return Err(WorktreeError::Nothing { path: root.to_owned(), why });
    }
    found.base = repository.and_then(|repository| repository.base(root));
    Ok(found)
}

impl<'a> Place<'a> {
    /// The root, with the rules of the folders above it.
    fn start(root: &Path, repository: Option<&'a Repository>) -> Self {
        let top = repository.map_or(root, |repository| &repository.root);
        let excludes = match repository {
            Some(repository) => repository.excludes(),
            None => default_excludes().into_iter().collect(),
        };
        let mut place = Self {
            folder: top.to_owned(),
            below: Vec::new(),
            repository,
            git: Rules::default().with_all(&excludes, top),
            kiln: Rules::default(),
            ignored: false,
        };
        for name in root.strip_prefix(top).unwrap_or(Path::new("")).components() {
            place.read_rules();
            let next = place.folder.join(name);
            place.ignored = place.ignored || place.git.verdict(&next, true) == Verdict::Ignored;
            place.folder = next;
        }
        place.read_rules();
        place
    }

    fn read_rules(&mut self) {
        self.git = self.git.with(&self.folder.join(GITIGNORE), &self.folder);
        self.kiln = self.kiln.with(&self.folder.join(KILNIGNORE), &self.folder);
    }

    /// The folder `name` in this one.
    fn down(&self, folder: PathBuf, below: Vec<u8>, ignored: bool) -> Self {
        let mut place = Self {
            folder,
            below,
            repository: self.repository,
            git: self.git.clone(),
            kiln: self.kiln.clone(),
            ignored,
        };
        place.read_rules();
        place
    }

    /// A path as the repository knows it.
    fn in_repository(&self, path: &Path) -> Option<(&'a Repository, Vec<u8>)> {
        let repository = self.repository?;
        let below = path.strip_prefix(&repository.root).ok()?;
        Some((repository, below.as_os_str().as_bytes().to_vec()))
    }
}

impl Walk<'_> {
    fn folder(&mut self, place: &Place<'_>) -> Result<(), WorktreeError> {
        let unreadable = |error| unreadable(&place.below, error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&place.folder).map_err(unreadable)? {
            names.push(entry.map_err(unreadable)?.file_name());
        }
        names.sort();
        for name in names.iter().filter(|name| *name != ".git") {
            let path = place.folder.join(name);
            let below = match &place.below[..] {
                b"" => name.as_bytes().to_vec(),
                folder => [folder, b"/", name.as_bytes()].concat(),
            };
            match path.symlink_metadata() {
                Ok(meta) => self.entry(place, path, below, &meta)?,
                // Gone since its name was read: then it is not part of the tree.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(self::unreadable(&below, error)),
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        place: &Place<'_>,
        path: PathBuf,
        below: Vec<u8>,
        meta: &Metadata,
    ) -> Result<(), WorktreeError> {
        let is_folder = meta.is_dir();
        let known = place.in_repository(&path);
        let tracked = known.as_ref().is_some_and(|(repository, path)| {
            if is_folder {
                repository.tracks_below(path) || repository.has_submodule(path)
            } else {
                repository.tracks(path)
            }
        });
        let ignored = match place.kiln.verdict(&path, is_folder) {
            Verdict::Ignored => return Ok(()),
            Verdict::Wanted => false,
            Verdict::Silent => {
                place.ignored || place.git.verdict(&path, is_folder) == Verdict::Ignored
            }
        };
        if ignored && !tracked {
            return Ok(());
        }
        if is_folder {
            let is_submodule =
                known.is_some_and(|(repository, path)| repository.has_submodule(&path));
            return self.sub_folder(place, (path, below), ignored, is_submodule);
        }
        let kind = if meta.is_symlink() {
            let target = fs::read_link(&path).map_err(|error| unreadable(&below, error))?;
            FoundKind::Symlink(target.into_os_string().into_vec())
        } else if meta.is_file() {
            FoundKind::File { size: meta.len() }
        } else {
            let what = special(meta);
            self.found.notes.push(format!("{} is {what} and was left out", shown(&below)));
            return Ok(());
        };
        self.add(&below, kind)
    }

    fn sub_folder(
        &mut self,
        place: &Place<'_>,
        (path, below): (PathBuf, Vec<u8>),
        ignored: bool,
        is_submodule: bool,
    ) -> Result<(), WorktreeError> {
        self.check_depth(&below)?;
        let Some(own) = Repository::at(&path)? else {
            let place = place.down(path, below, ignored);
            let before = self.found.entries.len();
            self.folder(&place)?;
            if is_submodule && self.found.entries.len() == before {
                // It was not fetched: there is an empty folder in its place, as in git.
                self.add(&place.below, FoundKind::Folder)?;
            }
            return Ok(());
        };
        if place.repository.is_some() && !is_submodule {
            let note = format!(
                "{} is a git repository of its own and no submodule: it was left out",
                shown(&below)
            );
            self.found.notes.push(note);
            return Ok(());
        }
        let inner = Place {
            below,
            kiln: place.kiln.with(&path.join(KILNIGNORE), &path),
            ..Place::start(&path, Some(&own))
        };
        self.folder(&inner)
    }

    fn add(&mut self, below: &[u8], kind: FoundKind) -> Result<(), WorktreeError> {
        let refused = |problem| WorktreeError::Tree(TreeError::entry(below, problem));
        let path = ArtifactPath::from_bytes(below).map_err(|error| refused(error.problem))?;
        self.bounds.check_path(&path).map_err(too_large)?;
        if let FoundKind::File { size } = kind {
            self.found.bytes = self.found.bytes.saturating_add(size);
            if size > self.bounds.bytes {
                return Err(WorktreeError::TooLarge(format!(
                    "{} has {} MiB, more than the {} MiB a whole source may have",
                    shown(below),
                    size >> 20,
                    self.bounds.bytes >> 20
                )));
            }
        }
        self.found.entries.push(FoundEntry { path, kind });
        let count = self.found.entries.len() as u64;
        self.bounds.check_amount(count, self.found.bytes).map_err(|error| match error {
            TreeError::TooLarge(text) => {
                WorktreeError::TooLarge(format!("{text}; {}", self.largest()))
            }
            error => WorktreeError::Tree(error),
        })
    }

    fn check_depth(&self, below: &[u8]) -> Result<(), WorktreeError> {
        let depth = below.split(|byte| *byte == b'/').count() - 1;
        if depth > self.bounds.depth as usize {
            let text = format!("folders are nested deeper than {}", self.bounds.depth);
            return Err(WorktreeError::TooLarge(text));
        }
        Ok(())
    }

    /// Which folder has most of it: that is what somebody forgot to ignore, as a rule.
    fn largest(&self) -> String {
        let mut folders: BTreeMap<&[u8], (u64, u64)> = BTreeMap::new();
        for entry in &self.found.entries {
            let path = entry.path.as_bytes();
            let folder = path.split(|byte| *byte == b'/').next().unwrap_or(path);
            let size = if let FoundKind::File { size } = entry.kind { size } else { 0 };
            let sum = folders.entry(folder).or_default();
            *sum = (sum.0 + size, sum.1 + 1);
        }
        let most = folders.into_iter().max_by_key(|(_, sum)| *sum);
        most.map_or_else(String::new, |(folder, (bytes, files))| {
            format!("most of that is in {} ({} MiB, {files} files)", shown(folder), bytes >> 20)
        })
    }
}

fn too_large(error: TreeError) -> WorktreeError {
    match error {
        TreeError::TooLarge(text) => WorktreeError::TooLarge(text),
        error => WorktreeError::Tree(error),
    }
}

pub(super) fn unreadable(path: &[u8], error: io::Error) -> WorktreeError {
    let path = if path.is_empty() { "the folder".to_owned() } else { shown(path) };
    WorktreeError::Unreadable { path, error }
}

/// A path as text for people.
pub(super) fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).chars().flat_map(escape).collect()
}

fn escape(character: char) -> Vec<char> {
    if character.is_control() { character.escape_default().collect() } else { vec![character] }
}

fn special(meta: &Metadata) -> &'static str {
    let kind = meta.file_type();
    if kind.is_socket() {
        "a socket"
    } else if kind.is_fifo() {
        "a pipe"
    } else {
        "a device"
    }
}

/// Whether a file can be run: by its owner, as git sees it.
pub(super) fn is_executable(meta: &Metadata) -> bool {
    meta.permissions().mode() & 0o100 != 0
}
