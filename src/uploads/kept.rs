//! Uploads as the server keeps them: stored once, built by whoever uploaded them, gone in time.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use tokio::sync::Semaphore;

use super::{UploadError, intake::Taken};
use crate::{
    archive::tree::TreeBounds,
    artifact::{ArtifactError, ArtifactStore, ByteStream, Key, Object, UploadKey},
    model::{Clock, Principal, Revision, TreeDigest},
    pipe,
    protocol::Upload,
    store::{Store, UploadRow},
};

/// Uploads that are read at one time; others wait. Each takes a thread and disk.
const AT_ONCE: usize = 4;

/// What may be uploaded, and how long it is kept.
#[derive(Clone, Copy, Debug)]
pub struct UploadBounds {
    /// How much the tree may be.
    pub tree: TreeBounds,
    /// Bytes of a request.
    pub body_bytes: u64,
    /// How long an upload is kept that no build refers to.
    pub kept: Duration,
}

/// The uploads of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Uploads {
    store: Store,
    artifacts: ArtifactStore,
    clock: Arc<dyn Clock>,
    bounds: UploadBounds,
    /// Where content waits until its order is known.
    spool: PathBuf,
    places: Arc<Semaphore>,
}

impl Uploads {
    /// Uploads whose content waits in the folder `spool`.
    pub fn new(
        (store, artifacts): (Store, ArtifactStore),
        clock: Arc<dyn Clock>,
        bounds: UploadBounds,
        spool: PathBuf,
    ) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self { store, artifacts, clock, bounds, spool, places }
    }

    /// What may be uploaded.
    pub const fn bounds(&self) -> &UploadBounds {
        &self.bounds
    }

    /// Takes a tree in; one that is there already is kept longer.
    pub async fn take(
        &self,
        principal: &Principal,
        body: ByteStream,
    ) -> Result<Upload, UploadError> {
        let place = self.places.acquire().await.map_err(std::io::Error::other);
        let _place = place.map_err(ArtifactError::from)?;
        let taken = Arc::new(self.read(body).await?);
        let digest: TreeDigest =
            taken.tree.digest().to_string().parse().expect("a digest has 64 digits");
        loop {
            let known = self.anybodys(&digest).await?;
            let stored = match known {
                Some(_) => None,
                None => Some(self.put(&digest, &taken).await?),
            };
            // Between the look and now, another upload may have come or a sweep have gone.
            let mut tx = self.store.begin().await?;
            self.store.lock_uploads(&mut tx).await?;
            let there = self.store.upload_of_anybody(&mut tx, &digest).await?;
            let (object, object_bytes, unused) = match (there, stored) {
                (Some(there), stored) => (there.object, there.object_bytes, stored),
                (None, Some((object, bytes))) => (object, bytes, None),
                (None, None) => continue,
            };
            let now = self.clock.now();
            let row = UploadRow {
                digest: digest.clone(),
                created_by: principal.as_key(),
                created_at: now,
                expires_at: now.plus(self.bounds.kept),
                object,
                object_bytes,
                entries: taken.tree.files(),
                bytes: taken.tree.bytes(),
            };
            self.store.put_upload(&mut tx, &row).await?;
            tx.commit().await?;
            if let Some((object, _)) = unused {
                self.artifacts.delete(&key(&digest, object)).await?;
            }
            tracing::info!(
                upload.digest = %digest, upload.bytes = row.bytes, upload.entries = row.entries,
                "upload taken"
            );
            return Ok(view(row));
        }
    }

    /// The upload of this digest, if this principal may build it.
    pub async fn find(
        &self,
        principal: &Principal,
        digest: &TreeDigest,
    ) -> Result<Option<Upload>, UploadError> {
        let mut tx = self.store.snapshot().await?;
        Ok(self.store.upload(&mut tx, digest, &principal.as_key()).await?.map(view))
    }

    /// Keeps an upload longer, if this principal may build it.
    pub async fn renew(
        &self,
        principal: &Principal,
        digest: &TreeDigest,
    ) -> Result<Option<Upload>, UploadError> {
        let mut tx = self.store.begin().await?;
        self.store.lock_uploads(&mut tx).await?;
        let row = self.store.upload(&mut tx, digest, &principal.as_key()).await?;
        let Some(mut row) = row else { return Ok(None) };
        row.expires_at = self.clock.now().plus(self.bounds.kept);
        self.store.put_upload(&mut tx, &row).await?;
        tx.commit().await?;
        Ok(Some(view(row)))
    }

    /// The canonical tar of a tree, gzipped.
    pub async fn open(&self, digest: &TreeDigest) -> Result<Object, UploadError> {
        let row = self.anybodys(digest).await?;
        let row = row.ok_or_else(|| ArtifactError::NotFound(format!("upload {digest}")))?;
        Ok(self.artifacts.get(&key(digest, row.object)).await?)
    }

    /// Forgets uploads whose time is over and that no build refers to; how many objects went.
    pub async fn sweep(&self) -> Result<usize, UploadError> {
        let mut tx = self.store.begin().await?;
        self.store.lock_uploads(&mut tx).await?;
        let objects = self.store.forget_uploads(&mut tx, self.clock.now()).await?;
        tx.commit().await?;
        // An upload that comes now finds no row and stores an object of its own.
        let mut gone = 0;
        for (digest, object) in objects {
            gone += usize::from(self.artifacts.delete(&key(&digest, object)).await?);
        }
        Ok(gone)
    }

    async fn anybodys(&self, digest: &TreeDigest) -> Result<Option<UploadRow>, UploadError> {
        let mut tx = self.store.snapshot().await?;
        Ok(self.store.upload_of_anybody(&mut tx, digest).await?)
    }

    /// Reads what is sent, on a thread of its own.
    async fn read(&self, mut body: ByteStream) -> Result<Taken, UploadError> {
        let (pieces, reader) = pipe::to_reader();
        let (bounds, folder) = (self.bounds.tree, self.spool.clone());
        let reading = tokio::task::spawn_blocking(move || Taken::read(reader, &bounds, &folder));
        let most = self.bounds.body_bytes;
        let mut bytes = 0_u64;
        let mut broken = None;
        while let Some(piece) = body.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    broken = Some(UploadError::BrokeOff(error.to_string()));
                    break;
                }
            };
            bytes = bytes.saturating_add(piece.len() as u64);
            if bytes > most {
                let text = format!("the body is larger than {} MiB", most >> 20);
                broken = Some(UploadError::TooLarge(text));
                break;
            }
            // A reader that ended early has its reason. The rest is taken all the same: whoever
            // still sends does not listen.
            let _ = pieces.send(Ok(piece)).await;
        }
        if broken.is_some() {
            let cut = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            let _ = pieces.send(Err(cut)).await;
        }
        drop(pieces);
        let taken = reading.await.map_err(|error| ArtifactError::Failed(error.to_string()))?;
        match broken {
            Some(error) => Err(error),
            None => Ok(taken?),
        }
    }

    /// Stores the canonical form; answers the object and its size.
    async fn put(
        &self,
        digest: &TreeDigest,
        taken: &Arc<Taken>,
    ) -> Result<(String, u64), UploadError> {
        let object = format!("{:032x}", rand::random::<u128>());
        let (mut writer, stream) = pipe::from_writer();
        let taken = Arc::clone(taken);
        let writing = tokio::task::spawn_blocking(move || match taken.write(&mut writer) {
            Ok(()) => {}
            Err(error) => writer.fail(error),
        });
        let key = key(digest, object.clone());
        let stored = self.artifacts.put_stream(&key, stream, u64::MAX).await;
        writing.await.map_err(|error| ArtifactError::Failed(error.to_string()))?;
        Ok((object, stored?.bytes))
    }
}

fn key(digest: &TreeDigest, object: String) -> Key {
    Key::Upload(UploadKey { digest: digest.clone(), object })
}

fn view(row: UploadRow) -> Upload {
    Upload {
        revision: Revision::Tree(row.digest.clone()),
        digest: row.digest,
        bytes: row.bytes,
        entries: row.entries,
        created_at: row.created_at,
        expires_at: row.expires_at,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        archive::{
            ArtifactPath, Digest,
            tree::{TarForm, TreeEntry, TreeKind},
        },
        config::Database,
        model::{BuildId, ManualClock, Outcome, Parts, QueueName, Recipe, Timestamp},
        protocol::{BuildSource, BuildState, Trigger, UploadSource},
        store::NewBuild,
    };

    const LOCAL: Principal = Principal::LocalAdministrator;

    struct World {
        folder: tempfile::TempDir,
        store: Store,
        clock: Arc<ManualClock>,
        uploads: Uploads,
    }

    async fn world() -> World {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Database::Sqlite(folder.path().join("kiln.db"))).await.unwrap();
        let artifacts = ArtifactStore::local(&folder.path().join("artifacts")).unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
        let bounds = UploadBounds {
            tree: TreeBounds { bytes: 1_000, entries: 10, depth: 5 },
            body_bytes: 100_000,
            kept: Duration::from_secs(100),
        };
        let kept = (store.clone(), artifacts);
        let spool = folder.path().to_owned();
        let uploads = Uploads::new(kept, Arc::<ManualClock>::clone(&clock), bounds, spool);
        World { folder, store, clock, uploads }
    }

    fn tar(content: &str) -> ByteStream {
        let (size, sha256) = (content.len() as u64, Digest::of(content.as_bytes()));
        let path = ArtifactPath::from_bytes(b"a.c").unwrap();
        let kind = TreeKind::File { executable: false, size, sha256 };
        let mut tar = TarForm::CANONICAL.header(&TreeEntry { path, kind });
        tar.extend(content.bytes());
        tar.extend(TarForm::padding(size));
        let end = TarForm::end(tar.len() as u64);
        tar.extend(end);
        Box::pin(futures_util::stream::iter([Ok(tar.into())]))
    }

    impl World {
        fn objects(&self) -> usize {
            let Ok(digests) = std::fs::read_dir(self.folder.path().join("artifacts/uploads"))
            else {
                return 0;
            };
            digests.map(|one| std::fs::read_dir(one.unwrap().path()).unwrap().count()).sum()
        }

        async fn build(&self, digest: &TreeDigest) -> BuildId {
            let now = self.clock.now();
            let build = NewBuild {
                distrust: None,
                id: BuildId::new(now),
                project: None,
                resolved_ref: None,
                created_by: LOCAL.as_key(),
                created_at: now,
                trigger: Trigger::Manual,
                source: BuildSource::Upload(UploadSource { upload: digest.clone(), base: None }),
                commit: Revision::Tree(digest.clone()),
                submission: Recipe::default(),
                queue: QueueName::default(),
                priority: 0,
                labels: std::collections::BTreeMap::new(),
            };
            let mut tx = self.store.begin().await.unwrap();
            self.store.insert_build(&mut tx, &build).await.unwrap();
            tx.commit().await.unwrap();
            build.id
        }
    }

    #[tokio::test]
    async fn uploads_are_kept_for_their_time_or_as_long_as_a_build_refers_to_them() {
        let world = world().await;
        let uploads = &world.uploads;
        let built = uploads.take(&LOCAL, tar("int a;")).await.unwrap();
        let renewed = uploads.take(&LOCAL, tar("int b;")).await.unwrap();
        let forgotten = uploads.take(&LOCAL, tar("int c;")).await.unwrap();
        assert_eq!((world.objects(), uploads.sweep().await.unwrap()), (3, 0));
        let id = world.build(&built.digest).await;
        world.clock.advance(Duration::from_mins(1));
        assert!(uploads.renew(&LOCAL, &renewed.digest).await.unwrap().is_some());
        world.clock.advance(Duration::from_mins(1));
        assert_eq!((uploads.sweep().await.unwrap(), world.objects()), (1, 2));
        for (upload, there) in [(&built, true), (&renewed, true), (&forgotten, false)] {
            let found = uploads.find(&LOCAL, &upload.digest).await.unwrap();
            assert_eq!(found.is_some(), there);
            assert_eq!(uploads.open(&upload.digest).await.is_ok(), there);
        }
        assert!(uploads.renew(&LOCAL, &forgotten.digest).await.unwrap().is_none());
        // What comes again is stored again.
        uploads.take(&LOCAL, tar("int c;")).await.unwrap();
        assert_eq!(world.objects(), 3);
        // A build that gave its tree up does not keep it.
        let mut tx = world.store.begin().await.unwrap();
        let build = world.store.finished_builds(None, 9).await.unwrap();
        assert!(build.is_empty(), "it has not ended");
        let state = BuildState::Finished;
        let (now, done) = (world.clock.now(), Some(Outcome::Success));
        world.store.set_build_state(&mut tx, id, state, done, Some(now)).await.unwrap();
        let parts = Parts { upload: true, ..Parts::default() };
        assert!(world.store.expire_objects(&mut tx, id, parts, now).await.unwrap());
        tx.commit().await.unwrap();
        let build = &world.store.finished_builds(None, 9).await.unwrap()[0];
        assert!(build.gone.upload && !build.gone.logs);
        uploads.sweep().await.unwrap();
        assert!(uploads.find(&LOCAL, &built.digest).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn each_may_build_what_it_uploaded_and_all_share_the_object() {
        let world = world().await;
        let uploads = &world.uploads;
        let other = Principal::Agent("01KB0Q6M3V8W2T5XJ4C9ZR7HND".parse().unwrap());
        let mine = uploads.take(&LOCAL, tar("int a;")).await.unwrap();
        assert!(uploads.find(&other, &mine.digest).await.unwrap().is_none());
        assert!(uploads.renew(&other, &mine.digest).await.unwrap().is_none());
        world.clock.advance(Duration::from_mins(1));
        uploads.take(&other, tar("int a;")).await.unwrap();
        assert_eq!(world.objects(), 1);
        world.clock.advance(Duration::from_mins(1));
        // Mine is over; the object is the other's, too.
        assert_eq!((uploads.sweep().await.unwrap(), world.objects()), (0, 1));
        assert!(uploads.find(&LOCAL, &mine.digest).await.unwrap().is_none());
        world.clock.advance(Duration::from_mins(1));
        assert_eq!((uploads.sweep().await.unwrap(), world.objects()), (1, 0));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_or_is_too_long_leaves_nothing() {
        let world = world().await;
        let broken = Err(std::io::Error::other("gone"));
        let body = Box::pin(futures_util::stream::iter([Ok(Bytes::from("abc")), broken]));
        let error = world.uploads.take(&LOCAL, body).await.unwrap_err();
        assert!(matches!(error, UploadError::BrokeOff(_)), "{error}");
        let body = std::iter::repeat_with(|| Ok(Bytes::from(vec![b'x'; 60_000]))).take(2);
        let body = Box::pin(futures_util::stream::iter(body));
        let error = world.uploads.take(&LOCAL, body).await.unwrap_err();
        assert!(matches!(error, UploadError::TooLarge(_)), "{error}");
        assert_eq!(world.objects(), 0);
    }
}
