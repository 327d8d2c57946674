//! Removes what nobody knows of: objects without a row, and what killed uploads left behind.
//!
//! Only what is older than a given time goes, because an upload comes before its row. What does
//! not look like ours is left alone.

use std::{path::Path, time::SystemTime};

use futures_util::TryStreamExt;
use object_store::ObjectStoreExt as _;

use super::{ArtifactError, ArtifactStore, Key};
use crate::model::Timestamp;

/// The object that names the installation a repository belongs to.
const OWNER: &str = "installation";

/// What a sweep removed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Swept {
    /// Objects without a row.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files of uploads that never ended.
    pub staged: usize,
}

impl ArtifactStore {
    /// Whether the repository belongs to this installation: the first that asks owns it. Another's
    /// objects are unknown here and must not be swept.
    pub async fn belongs_to(&self, installation: &str) -> Result<bool, ArtifactError> {
        let path = object_store::path::Path::from(OWNER);
        match self.inner.head(&path).await {
            Ok(_) => {}
            Err(object_store::Error::NotFound { .. }) => {
                // Of two that ask at one time, one writes. A store that does not know the condition
                // keeps what came last, and the next look tells who that was.
                self.create(&path, installation.to_owned().into()).await?;
            }
            Err(error) => return Err(error.into()),
        }
        let owner = self.inner.get(&path).await?.bytes().await?;
        Ok(owner == installation.as_bytes())
    }

    /// Removes objects older than `older_than` that `is_known` does not know, and staging files
    /// of that age.
    pub async fn sweep(
        &self,
        is_known: impl Fn(&Key) -> bool,
        older_than: Timestamp,
    ) -> Result<Swept, ArtifactError> {
        let mut swept = Swept::default();
        let mut objects = std::pin::pin!(self.list());
        while let Some((key, meta)) = objects.try_next().await? {
            let orphan = meta.stored_at < older_than && !is_known(&key);
            if orphan && self.delete(&key).await? {
                swept.objects += 1;
                swept.bytes += meta.bytes;
            }
        }
        let Some(root) = self.folder.clone() else { return Ok(swept) };
        let staged = tokio::task::spawn_blocking(move || sweep_staged(&root, &root, older_than));
        swept.staged = staged.await.map_err(std::io::Error::other)??;
        Ok(swept)
    }
}

/// Removes `object#number` files below `folder`, and folders that this leaves empty.
fn sweep_staged(root: &Path, folder: &Path, older_than: Timestamp) -> std::io::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // The kind of the entry itself: symlinks are not followed.
        let kind = entry.file_type()?;
        let path = entry.path();
        if kind.is_dir() {
            match sweep_staged(root, &path, older_than) {
                Ok(more) => removed += more,
                // Another sweep, or the removal of its last object, was faster.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        } else if kind.is_file()
            && is_staged(root, &path)
            && entry.metadata().and_then(|meta| meta.modified()).is_ok_and(|at| {
                at.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|age| {
                    i64::try_from(age.as_millis()).is_ok_and(|at| at < older_than.as_millis())
                })
            })
        {
            std::fs::remove_file(&path)?;
            removed += 1;
            for above in path.ancestors().skip(1).take_while(|above| *above != root) {
                // Fails where something else lies in it, which is right.
                if std::fs::remove_dir(above).is_err() {
                    break;
                }
            }
        }
    }
    Ok(removed)
}

fn is_staged(root: &Path, path: &Path) -> bool {
    let name = path.strip_prefix(root).ok().and_then(Path::to_str);
    name.and_then(|name| name.rsplit_once('#')).is_some_and(|(key, number)| {
        !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
            && key.parse::<Key>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{
        ObjectName,
        store::tests::{files, key, store},
    };

    #[tokio::test]
    async fn only_old_unknown_objects_and_staging_files_go() {
        let (_folder, store) = store();
        let (known, orphan) = (key(1, ObjectName::Log), key(2, ObjectName::Log));
        for key in [&known, &orphan] {
            store.put_bytes(key, "log".into()).await.unwrap();
        }
        let staged = key(3, ObjectName::Archive);
        let staged = store.folder.clone().unwrap().join(format!("{staged}#1"));
        std::fs::create_dir_all(staged.parent().unwrap()).unwrap();
        std::fs::write(&staged, "part").unwrap();
        for foreign in ["README", "notes#1"] {
            std::fs::write(store.folder.clone().unwrap().join(foreign), "not ours").unwrap();
        }
        let is_known = |key: &Key| *key == known;

        let nothing = store.sweep(is_known, Timestamp::from_millis(1)).await.unwrap();
        assert_eq!((nothing, files(&store).len()), (Swept::default(), 5));

        let later = Timestamp::from_millis(i64::MAX);
        let swept = store.sweep(is_known, later).await.unwrap();
        assert_eq!(swept, Swept { objects: 1, bytes: 3, staged: 1 });
        assert_eq!(files(&store).len(), 3);
        assert!(!staged.parent().unwrap().exists());
        assert!(store.head(&known).await.unwrap().is_some());
        assert_eq!(store.sweep(is_known, later).await.unwrap(), Swept::default());
    }
}
