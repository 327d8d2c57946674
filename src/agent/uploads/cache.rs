//! The files of uploaded trees, by digest: bounded, the least recently used go first.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

use super::uploaded::Uploaded;
use crate::{
    agent::{
        ports::{PortError, Received},
        room::{PART, make_room, touch},
    },
    client::{AttemptClient, ClientError},
    model::{Cause, Timestamp, TreeDigest},
    protocol::ClaimedUpload,
};

/// Uploaded trees that were fetched.
#[derive(Debug)]
pub struct UploadCache {
    folder: PathBuf,
    /// The most bytes of files.
    most: u64,
    /// Those that are fetched now: the legs of a build all want the same one at the same time.
    fetching: Mutex<HashMap<TreeDigest, Arc<tokio::sync::Mutex<()>>>>,
}

impl UploadCache {
    /// A cache in `folder`, which is made when it is needed.
    pub fn new(folder: PathBuf, most: u64) -> Self {
        Self { folder, most, fetching: Mutex::default() }
    }

    /// The tree, from here or from the server.
    pub(in crate::agent) async fn get(
        &self,
        upload: &ClaimedUpload,
        client: &AttemptClient,
        now: Timestamp,
    ) -> Result<Result<Uploaded, PortError>, ClientError> {
        let turn = self.turn(&upload.digest);
        let _turn = turn.lock().await;
        let path = self.folder.join(upload.digest.as_str());
        if let Ok(file) = open(&path, now) {
            let received = Received { bytes: 0, from_cache: true };
            return Ok(Ok(Uploaded::new(upload.clone(), file, (path, received))));
        }
        let part = path.with_extension(PART);
        let bytes = match self.download(client, &part).await? {
            Ok(bytes) => bytes,
            Err(error) => {
                let _ = fs::remove_file(&part);
                return Ok(Err(failed(&error)));
            }
        };
        let file = fs::rename(&part, &path).and_then(|()| open(&path, now));
        let file = match file {
            Ok(file) => file,
            Err(error) => return Ok(Err(failed(&error))),
        };
        make_room(&self.folder, self.most, &path);
        let received = Received { bytes, from_cache: false };
        Ok(Ok(Uploaded::new(upload.clone(), file, (path, received))))
    }

    fn turn(&self, digest: &TreeDigest) -> Arc<tokio::sync::Mutex<()>> {
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        fetching.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(fetching.entry(digest.clone()).or_default())
    }

    /// What came; an error of the disk is not one of the server.
    async fn download(
        &self,
        client: &AttemptClient,
        part: &Path,
    ) -> Result<io::Result<u64>, ClientError> {
        let mut body = client.source().await?;
        let file = async {
            tokio::fs::create_dir_all(&self.folder).await?;
            tokio::fs::File::create(part).await
        };
        let mut file = match file.await {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        let mut bytes = 0;
        while let Some(piece) = body.next().await {
            let piece = piece?;
            bytes += piece.len() as u64;
            if let Err(error) = file.write_all(&piece).await {
                return Ok(Err(error));
            }
        }
        Ok(file.flush().await.map(|()| bytes))
    }
}

/// Opens a file and notes that it was used.
fn open(path: &Path, now: Timestamp) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    touch(&file, now)?;
    Ok(file)
}

fn failed(error: &io::Error) -> PortError {
    PortError {
        cause: Some(Cause::Engine),
        message: format!("the agent cannot keep the uploaded tree: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_go_first_and_the_newest_never() {
        let folder = tempfile::tempdir().unwrap();
        let cache = UploadCache::new(folder.path().to_owned(), 250);
        let path = |name: &str| folder.path().join(name);
        for (name, at) in [("a", 3), ("b", 1), ("c", 2)] {
            fs::write(path(name), [0; 100]).unwrap();
            open(&path(name), Timestamp::from_millis(at * 1_000)).unwrap();
        }
        fs::write(path("d.part"), [0; 1_000]).unwrap();
        make_room(&cache.folder, cache.most, &path("a"));
        let left = |name: &str| path(name).exists();
        assert_eq!([left("a"), left("b"), left("c"), left("d.part")], [true, false, true, true]);
        fs::write(path("large"), [0; 1_000]).unwrap();
        make_room(&cache.folder, cache.most, &path("large"));
        assert_eq!([left("a"), left("c"), left("large")], [false, false, true]);
    }
}
