//! Objects in and out.
//!
//! Uploads are staged and published with their last byte; one that fails, or whose future is
//! dropped, leaves nothing (where publishing itself fails, a staging file that is swept). The
//! local backend syncs files and folders before it says "stored".

use std::{io, ops::Range, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use http::Method;
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    buffered::BufWriter, local::LocalFileSystem, path::Path, signer::Signer,
};
use tokio::io::AsyncWriteExt;

use super::{
    ArtifactError, Key,
    remote::{Remote, remote, unusable},
};
use crate::{
    archive::{Digest, Hasher},
    config::artifacts::{ArtifactRoot, ArtifactSettings},
    meters,
    model::Timestamp,
};

/// Bytes on their way in or out.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Bytes held before an upload becomes one of several parts; also the parts' size.
const PART_BYTES: usize = 8 << 20;
/// Parts on their way at one time, which bounds the memory of an upload.
const PARTS_AT_ONCE: usize = 4;

/// The artifact repository.
#[derive(Clone, Debug)]
pub struct ArtifactStore {
    pub(super) inner: Arc<dyn ObjectStore>,
    /// The folder it is, if it is one.
    pub(super) folder: Option<PathBuf>,
    /// Who gives out URLs of the service, if downloads go there; and what keys begin with.
    signed: Option<(Arc<dyn Signer>, Path)>,
}

/// What was stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Its size.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// What is known of an object without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meta {
    /// Its size.
    pub bytes: u64,
    /// When it was stored.
    pub stored_at: Timestamp,
}

impl From<&ObjectMeta> for Meta {
    fn from(meta: &ObjectMeta) -> Self {
        let stored_at = Timestamp::from_millis(meta.last_modified.timestamp_millis());
        Self { bytes: meta.size, stored_at }
    }
}

/// An object on its way out.
pub struct Object {
    /// What is known of it.
    pub meta: Meta,
    /// Its bytes, or the part that was asked for.
    pub bytes: ByteStream,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// Tells how long the store took, and whether it failed: that something is not there is an answer.
async fn timed<T>(
    kind: &'static str,
    asked: impl Future<Output = object_store::Result<T>>,
) -> object_store::Result<T> {
    let began = std::time::Instant::now();
    let answer = asked.await;
    let is_good = !matches!(&answer, Err(error) if !matches!(error,
        object_store::Error::NotFound { .. } | object_store::Error::AlreadyExists { .. }));
    meters::asked_store(kind, began.elapsed(), is_good);
    answer
}

impl ArtifactStore {
    /// Opens the repository that the settings name. A folder is made if it is not there; a bucket
    /// has to be there, answer and let kiln in.
    pub async fn open(
        settings: &ArtifactSettings,
        data: &std::path::Path,
    ) -> Result<Self, ArtifactError> {
        if let Some(sentence) = settings.contradiction(data) {
            return Err(ArtifactError::Failed(sentence));
        }
        let root = settings.root(data);
        let reached = remote(&root, settings).map_err(|error| unusable(&root, &error))?;
        let Some(Remote { store, signer, prefix }) = reached else {
            return match &root {
                ArtifactRoot::Local(folder) => Self::local(folder),
                _ => Err(ArtifactError::Failed(format!("{root} cannot be used"))),
            };
        };
        let signed = settings.presigned_downloads.then_some((signer, prefix));
        let opened = Self { inner: store, folder: None, signed };
        opened.probe().await.map_err(|error| unusable(&root, &error))?;
        Ok(opened)
    }

    /// Opens the repository in a folder, and makes it if it is not there. Touches the disk.
    pub fn local(folder: &std::path::Path) -> Result<Self, ArtifactError> {
        let failed = |error: io::Error| {
            ArtifactError::Failed(format!("{} cannot be used: {error}", folder.display()))
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let root = folder.canonicalize().map_err(failed)?;
        let inner =
            LocalFileSystem::new_with_prefix(&root)?.with_fsync(true).with_automatic_cleanup(true);
        Ok(Self { inner: Arc::new(inner), folder: Some(root), signed: None })
    }

    /// Whether objects can be had and written: a service is asked for one object at most, in a folder
    /// a file is written and removed.
    pub async fn probe(&self) -> Result<(), ArtifactError> {
        let Some(folder) = self.folder.clone() else {
            self.inner.list(None).take(1).try_collect::<Vec<_>>().await?;
            return Ok(());
        };
        let written = tokio::task::spawn_blocking(move || {
            let name = format!(".ready-{}-{:08x}", std::process::id(), rand::random::<u32>());
            let path = folder.join(name);
            let written = std::fs::write(&path, b"?");
            written.and(std::fs::remove_file(&path)).map_err(|error| (folder, error))
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err((folder, error))) => {
                let problem = format!("{} cannot be written: {error}", folder.display());
                Err(ArtifactError::Failed(problem))
            }
            Err(_) => Err(ArtifactError::Failed("it could not be tried".to_owned())),
        }
    }

    /// A URL from which whoever has it can read the object at `key` for as long as `good_for`; none
    /// where downloads go through the server.
    pub async fn signed_url(
        &self,
        key: &Key,
        good_for: Duration,
    ) -> Result<Option<String>, ArtifactError> {
        let Some((signer, prefix)) = &self.signed else { return Ok(None) };
        let path: Path = prefix.parts().chain(key.path().parts()).collect();
        Ok(Some(signer.signed_url(Method::GET, &path, good_for).await?.into()))
    }

    /// Writes an object unless there is one; false if there was.
    pub(super) async fn create(&self, path: &Path, bytes: Bytes) -> Result<bool, ArtifactError> {
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.inner.put_opts(path, bytes.into(), create).await {
            Ok(_) => Ok(true),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Stores what `bytes` yields, at most `most` bytes, under `key`.
    pub async fn put_stream(
        &self,
        key: &Key,
        mut bytes: ByteStream,
        most: u64,
    ) -> Result<Stored, ArtifactError> {
        let store = Arc::clone(&self.inner);
        let mut writer = BufWriter::with_capacity(store, key.path(), PART_BYTES)
            .with_max_concurrency(PARTS_AT_ONCE);
        match copy(&mut bytes, &mut writer, most).await {
            Ok(stored) => {
                // What came before waited for who sends, too.
                let began = std::time::Instant::now();
                let ended = writer.shutdown().await;
                meters::asked_store("put", began.elapsed(), ended.is_ok());
                ended?;
                Ok(stored)
            }
            Err(error) => {
                // The writer's drop cleans up too, but only this waits for it. (After `shutdown`
                // it must not be called: that cleans up by itself.)
                let _ = writer.abort().await;
                Err(error)
            }
        }
    }

    /// Stores `bytes` under `key`.
    pub async fn put_bytes(&self, key: &Key, bytes: Bytes) -> Result<Stored, ArtifactError> {
        let stored = Stored { bytes: bytes.len() as u64, sha256: Digest::of(&bytes) };
        timed("put", self.inner.put(&key.path(), bytes.into())).await?;
        Ok(stored)
    }

    /// The object at `key`.
    pub async fn get(&self, key: &Key) -> Result<Object, ArtifactError> {
        self.get_options(key, GetOptions::default()).await
    }

    /// Bytes `range` of the object at `key`, which must lie inside it.
    pub async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Object, ArtifactError> {
        if range.is_empty() {
            let meta = self.head(key).await?;
            let meta = meta.ok_or_else(|| ArtifactError::NotFound(key.to_string()))?;
            if range.start > range.end || range.end > meta.bytes {
                return Err(ArtifactError::Range);
            }
            return Ok(Object { meta, bytes: futures_util::stream::empty().boxed() });
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        self.get_options(key, options).await
    }

    /// Bytes `range` of the object at `key`, all at once: for ranges that the caller bounds.
    pub async fn read_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, ArtifactError> {
        let wanted = range.end.saturating_sub(range.start);
        let object = self.get_range(key, range).await?;
        let parts: Vec<Bytes> = object.bytes.try_collect().await?;
        let bytes = match <[Bytes; 1]>::try_from(parts) {
            Ok([bytes]) => bytes,
            Err(parts) => parts.concat().into(),
        };
        if bytes.len() as u64 == wanted {
            Ok(bytes)
        } else {
            Err(ArtifactError::Damaged(format!("{key} is shorter than it was said to be")))
        }
    }

    /// What is known of the object at `key`.
    pub async fn head(&self, key: &Key) -> Result<Option<Meta>, ArtifactError> {
        match timed("head", self.inner.head(&key.path())).await {
            Ok(meta) => Ok(Some(Meta::from(&meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the object at `key`; whether there was one.
    pub async fn delete(&self, key: &Key) -> Result<bool, ArtifactError> {
        self.delete_path(&key.path()).await
    }

    pub(super) async fn delete_path(&self, path: &Path) -> Result<bool, ArtifactError> {
        match timed("delete", self.inner.delete(path)).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Every object that kiln put there.
    pub fn list(&self) -> impl Stream<Item = Result<(Key, Meta), ArtifactError>> + Send + use<> {
        self.inner.list(None).filter_map(async |item| match item {
            Ok(meta) => {
                let key = meta.location.as_ref().parse().ok()?;
                Some(Ok((key, Meta::from(&meta))))
            }
            // Deleted while the listing was under way.
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => Some(Err(error.into())),
        })
    }

    async fn get_options(&self, key: &Key, options: GetOptions) -> Result<Object, ArtifactError> {
        let wanted = match &options.range {
            Some(GetRange::Bounded(range)) => Some(range.clone()),
            _ => None,
        };
        let result = timed("get", self.inner.get_opts(&key.path(), options)).await?;
        // The backend shortens a range that reaches beyond the end; here that is an error.
        if wanted.is_some_and(|wanted| wanted != result.range) {
            return Err(ArtifactError::Range);
        }
        let meta = Meta::from(&result.meta);
        Ok(Object { meta, bytes: result.into_stream().map_err(io::Error::from).boxed() })
    }
}

async fn copy(
    bytes: &mut ByteStream,
    writer: &mut BufWriter,
    most: u64,
) -> Result<Stored, ArtifactError> {
    let mut hasher = Hasher::default();
    let mut total = 0_u64;
    while let Some(chunk) = bytes.next().await {
        let chunk = chunk.map_err(ArtifactError::Upload)?;
        total = total.saturating_add(chunk.len() as u64);
        if total > most {
            return Err(ArtifactError::TooLarge(most));
        }
        hasher.update(&chunk);
        writer.put(chunk).await?;
    }
    Ok(Stored { bytes: total, sha256: hasher.finish() })
}

#[cfg(test)]
pub(super) mod tests {
    use futures_util::stream;

    use super::*;
    use crate::{
        artifact::{AttemptKey, ObjectName},
        model::{JobId, Revision},
    };

    pub(in crate::artifact) fn store() -> (tempfile::TempDir, ArtifactStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = ArtifactStore::local(&folder.path().join("made/on demand")).unwrap();
        (folder, store)
    }

    pub(in crate::artifact) fn key(attempt: u32, name: ObjectName) -> Key {
        let revision = Revision::Tree(Digest::of(b"r").to_string().parse().unwrap());
        let job: JobId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        AttemptKey::new(revision, &"gcc:14".parse().unwrap(), job, attempt).object(name)
    }

    pub(in crate::artifact) fn files(store: &ArtifactStore) -> Vec<PathBuf> {
        let mut folders = vec![store.folder.clone().unwrap()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }

    fn chunks(sizes: &[usize]) -> ByteStream {
        let chunks: Vec<_> = sizes.iter().map(|&size| Ok(vec![b'x'; size].into())).collect();
        stream::iter(chunks).boxed()
    }

    async fn collect(object: Object) -> Vec<u8> {
        object
            .bytes
            .try_fold(Vec::new(), async |all, part| Ok([all, part.to_vec()].concat()))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_was_stored_comes_back_whole_or_in_part() {
        let (_folder, store) = store();
        for sizes in [&[][..], &[5], &[7 << 20, 0, 7 << 20, 7]] {
            let key = key(1, ObjectName::Archive);
            let total: usize = sizes.iter().sum();
            let content = vec![b'x'; total];
            let stored = store.put_stream(&key, chunks(sizes), u64::MAX).await.unwrap();
            assert_eq!(stored, Stored { bytes: total as u64, sha256: Digest::of(&content) });
            let object = store.get(&key).await.unwrap();
            assert_eq!(object.meta.bytes, total as u64);
            assert_eq!(Some(object.meta), store.head(&key).await.unwrap());
            assert_eq!(collect(object).await, content);
            assert_eq!(files(&store).len(), 1);
        }
        let key = key(1, ObjectName::Log);
        store.put_bytes(&key, "0123456789".into()).await.unwrap();
        for (range, expected) in [(0..10, "0123456789"), (3..5, "34"), (9..10, "9"), (4..4, "")] {
            let part = store.get_range(&key, range.clone()).await.unwrap();
            assert_eq!(part.meta.bytes, 10);
            assert_eq!(collect(part).await, expected.as_bytes());
            assert_eq!(store.read_range(&key, range).await.unwrap(), expected);
        }
        for outside in [5..11, 11..12, 11..11] {
            assert!(store.get_range(&key, outside.clone()).await.is_err(), "{outside:?}");
        }
    }

    #[tokio::test]
    async fn an_upload_that_fails_leaves_nothing() {
        let (_folder, store) = store();
        let key = key(1, ObjectName::Archive);
        for good in [5, 17 << 20] {
            let broken = || stream::iter([Err(io::Error::other("gone"))]);
            let upload = chunks(&[good]).chain(broken()).boxed();
            let error = store.put_stream(&key, upload, u64::MAX).await.unwrap_err();
            assert!(matches!(error, ArtifactError::Upload(_)));
            let error = store.put_stream(&key, chunks(&[good, 1]), good as u64).await.unwrap_err();
            assert!(matches!(error, ArtifactError::TooLarge(_)));
            store.put_stream(&key, chunks(&[good]), good as u64).await.unwrap();
            assert!(store.delete(&key).await.unwrap());
            assert_eq!(files(&store), [] as [PathBuf; 0]);
        }
    }

    #[tokio::test]
    async fn an_upload_that_cannot_be_published_leaves_nothing_a_sweep_misses() {
        let (_folder, store) = store();
        let key = key(1, ObjectName::Archive);
        let in_the_way = store.folder.clone().unwrap().join(key.to_string()).join("folder");
        std::fs::create_dir_all(in_the_way).unwrap();
        for size in [5, 17 << 20] {
            let error = store.put_stream(&key, chunks(&[size]), u64::MAX).await.unwrap_err();
            assert!(matches!(error, ArtifactError::Failed(_)), "{error}");
            store.sweep(|_| false, Timestamp::from_millis(i64::MAX)).await.unwrap();
            assert_eq!(files(&store), [] as [PathBuf; 0]);
        }
    }

    #[tokio::test]
    async fn an_upload_that_is_dropped_leaves_nothing() {
        let (_folder, store) = store();
        let key = key(1, ObjectName::Archive);
        let upload = chunks(&[17 << 20]).chain(stream::pending()).boxed();
        let mut put = Box::pin(store.put_stream(&key, upload, u64::MAX));
        while files(&store).is_empty() {
            let _ = futures_util::poll!(&mut put);
            tokio::task::yield_now().await;
        }
        drop(put);
        while !files(&store).is_empty() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_found() {
        let (_folder, store) = store();
        let key = key(1, ObjectName::Manifest);
        assert!(matches!(store.get(&key).await.unwrap_err(), ArtifactError::NotFound(_)));
        for range in [0..1, 0..0] {
            let error = store.get_range(&key, range).await.unwrap_err();
            assert!(matches!(error, ArtifactError::NotFound(_)));
        }
        assert_eq!(store.head(&key).await.unwrap(), None);
        assert!(!store.delete(&key).await.unwrap());
    }

    #[tokio::test]
    async fn a_root_that_cannot_be_is_refused_when_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let file = folder.path().join("file");
        assert!(matches!(ArtifactStore::local(&file), Err(ArtifactError::Failed(_))));
    }
}
