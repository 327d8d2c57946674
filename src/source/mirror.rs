//! The mirrors: bare repositories that keep what was fetched, one for each URL and credential.
//!
//! Two locks for each, as files, so that several processes may share a directory: `fetch` is held
//! by the one that adds objects; `use` is held, shared, by everyone who reads or fetches, and alone
//! by the one that removes the mirror. Adding objects never disturbs readers, so they share.
//! Lock files stay when their mirror goes: removing one is a race, and they are empty.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::{GitUrl, SourceError};

/// How soon a lock that another holds is tried again: most are held for some milliseconds only.
const FIRST_POLL: Duration = Duration::from_millis(2);
/// How often one that stays held is tried.
const POLL: Duration = Duration::from_millis(50);
/// Packs after which a mirror is made afresh: every lookup asks every pack, and each fetch adds one.
const MAX_PACKS: usize = 200;
/// Written by the helper while it fetches: still there means that it was killed in the middle.
pub(super) const FETCHING: &str = "kiln-fetching";
/// Written by the helper when objects were missing or damaged.
pub(super) const SUSPECT: &str = "kiln-suspect";
/// Its time of change says when the mirror was last used.
const USED: &str = "kiln-used";

/// The directory of all mirrors.
#[derive(Debug)]
pub(super) struct Mirrors {
    root: PathBuf,
    most: u64,
}

/// Names one mirror.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct MirrorKey(String);

impl MirrorKey {
    pub(super) fn new(url: &GitUrl, scope: Option<&str>) -> Self {
        let text = format!("{url}\n{}", scope.unwrap_or_default());
        Self(hex::encode(Sha256::digest(text)))
    }
}

/// A mirror in use: it is not removed while this, or a clone of it, lives.
#[derive(Clone, Debug)]
pub(super) struct Mirror {
    path: PathBuf,
    _use: Arc<File>,
}

impl Mirror {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The right to add to a mirror.
#[derive(Debug)]
pub(super) struct FetchLock {
    _fetch: File,
}

impl Mirrors {
    pub(super) fn new(root: PathBuf, most: u64) -> Result<Self, SourceError> {
        // Private sources are nobody else's, and the data directory may be made by this.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root.join("locks"))
            .map_err(|error| SourceError::io("making the mirror directory", &error))?;
        let mirrors = Self { root, most };
        // What a removal left behind when it was interrupted.
        for path in mirrors.entries("trash-") {
            let _ = fs::remove_dir_all(path);
        }
        Ok(mirrors)
    }

    /// Waits for the right to fetch. Dropping the future gives up.
    pub(super) async fn lock(&self, key: &MirrorKey) -> Result<FetchLock, SourceError> {
        let file = self.lock_file(key, "fetch")?;
        wait(|| file.try_lock()).await?;
        Ok(FetchLock { _fetch: file })
    }

    /// Opens the mirror for use; one that is broken or worn is removed first, if nobody uses it.
    pub(super) async fn open(&self, key: &MirrorKey, _: &FetchLock) -> Result<Mirror, SourceError> {
        if self.is_worn(key) {
            self.remove(key, &|| true);
        }
        let file = self.lock_file(key, "use")?;
        wait(|| file.try_lock_shared()).await?;
        Ok(Mirror { path: self.path(key), _use: Arc::new(file) })
    }

    /// Notes that the mirror was used now.
    pub(super) fn touch(&self, key: &MirrorKey) {
        // Best effort: without it the mirror only looks older than it is.
        let _ = fs::write(self.path(key).join(USED), b"");
    }

    /// Removes the mirror if nobody uses it.
    pub(super) fn discard(&self, key: &MirrorKey) {
        self.remove(key, &|| true);
    }

    /// Removes the least recently used mirrors until all are within the bound; never one in use.
    pub(super) fn evict(&self) {
        let mut mirrors: Vec<(SystemTime, u64, PathBuf)> = self
            .entries("")
            .filter(|path| path.extension().is_some_and(|end| end == "git"))
            .map(|path| (last_used(&path), size(&path), path))
            .collect();
        mirrors.sort();
        let mut total: u64 = mirrors.iter().map(|(_, size, _)| size).sum();
        for (seen, size, path) in mirrors {
            if total <= self.most {
                break;
            }
            let Some(key) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
            // Somebody may have used it since it was looked at.
            if self.remove(&MirrorKey(key.to_owned()), &|| last_used(&path) == seen) {
                total = total.saturating_sub(size);
                tracing::info!(
                    mirror = key,
                    bytes = size,
                    "removed the least recently used mirror"
                );
            }
        }
    }

    fn remove(&self, key: &MirrorKey, still: &dyn Fn() -> bool) -> bool {
        let Ok(lock) = self.lock_file(key, "use") else { return false };
        if lock.try_lock().is_err() || !still() {
            return false;
        }
        let trash = self.root.join(format!("trash-{:032x}", rand::random::<u128>()));
        let renamed = fs::rename(self.path(key), &trash);
        drop(lock);
        match renamed.and_then(|()| fs::remove_dir_all(&trash)) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                tracing::warn!(mirror = key.0, %error, "removing a mirror failed");
                false
            }
        }
    }

    fn is_worn(&self, key: &MirrorKey) -> bool {
        let path = self.path(key);
        let packs = fs::read_dir(path.join("objects/pack")).map_or(0, |found| {
            found
                .flatten()
                .filter(|file| file.path().extension().is_some_and(|end| end == "pack"))
                .count()
        });
        path.join(FETCHING).exists() || path.join(SUSPECT).exists() || packs > MAX_PACKS
    }

    fn lock_file(&self, key: &MirrorKey, kind: &str) -> Result<File, SourceError> {
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.root.join("locks").join(format!("{}.{kind}", key.0)))
            .map_err(|error| SourceError::io("opening a mirror's lock", &error))
    }

    fn path(&self, key: &MirrorKey) -> PathBuf {
        self.root.join(format!("{}.git", key.0))
    }

    fn entries(&self, prefix: &str) -> impl Iterator<Item = PathBuf> {
        let found = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let prefix = prefix.to_owned();
        found
            .filter(move |entry| entry.file_name().to_string_lossy().starts_with(&prefix))
            .map(|entry| entry.path())
    }
}

/// Waits for a lock; a file's lock can only be tried again and again without holding up a thread.
async fn wait(lock: impl Fn() -> Result<(), TryLockError>) -> Result<(), SourceError> {
    let mut pause = FIRST_POLL;
    loop {
        match lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => sleep(pause).await,
            Err(TryLockError::Error(error)) => {
                return Err(SourceError::io("locking a mirror", &error));
            }
        }
        pause = (pause * 2).min(POLL);
    }
}

fn last_used(mirror: &Path) -> SystemTime {
    let time = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    time(&mirror.join(USED)).or_else(|_| time(mirror)).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn size(directory: &Path) -> u64 {
    let mut total = 0;
    let mut stack = vec![directory.to_owned()];
    while let Some(path) = stack.pop() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => stack.push(entry.path()),
                Ok(metadata) => total += metadata.len(),
                Err(_) => {}
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn made(mirrors: &Mirrors, name: &str, age: u64) -> (MirrorKey, Mirror) {
        let key = MirrorKey(name.to_owned());
        let lock = mirrors.lock(&key).await.unwrap();
        let mirror = mirrors.open(&key, &lock).await.unwrap();
        fs::create_dir_all(mirror.path()).unwrap();
        fs::write(mirror.path().join("data"), [0; 100]).unwrap();
        mirrors.touch(&key);
        let used = File::options().write(true).open(mirror.path().join(USED)).unwrap();
        used.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(age)).unwrap();
        (key, mirror)
    }

    #[tokio::test]
    async fn the_least_recently_used_go_first_and_never_one_in_use() {
        let root = tempfile::tempdir().unwrap();
        let mirrors = Mirrors::new(root.path().join("m"), 250).unwrap();
        let (_, oldest_in_use) = made(&mirrors, "a", 1).await;
        let (_, newest) = made(&mirrors, "b", 3).await;
        let (_, middle) = made(&mirrors, "c", 2).await;
        let paths = [&newest, &middle].map(|mirror| mirror.path().to_owned());
        drop((newest, middle));
        mirrors.evict();
        let exist = paths.map(|path| path.exists());
        assert_eq!((oldest_in_use.path().exists(), exist), (true, [true, false]));
    }

    #[tokio::test]
    async fn a_mirror_that_was_interrupted_or_is_suspect_is_made_afresh() {
        let root = tempfile::tempdir().unwrap();
        let mirrors = Mirrors::new(root.path().to_owned(), u64::MAX).unwrap();
        for marker in [FETCHING, SUSPECT] {
            let (key, mirror) = made(&mirrors, "a", 1).await;
            let path = mirror.path().to_owned();
            fs::write(path.join(marker), b"").unwrap();
            let lock = mirrors.lock(&key).await.unwrap();
            drop(mirrors.open(&key, &lock).await.unwrap());
            assert!(path.exists(), "{marker}: not while it is in use");
            drop(mirror);
            drop(mirrors.open(&key, &lock).await.unwrap());
            assert!(!path.exists(), "{marker}");
        }
    }

    #[tokio::test]
    async fn one_at_a_time_may_fetch() {
        let root = tempfile::tempdir().unwrap();
        let mirrors = Mirrors::new(root.path().to_owned(), u64::MAX).unwrap();
        let key = MirrorKey("a".to_owned());
        let first = mirrors.lock(&key).await.unwrap();
        let second = tokio::time::timeout(Duration::from_millis(120), mirrors.lock(&key));
        assert!(second.await.is_err());
        drop(first);
        assert!(mirrors.lock(&key).await.is_ok());
    }
}
