//! The caches of this machine: one file each, bounded together, the least recently used go first.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::PathBuf,
};

use sha2::{Digest, Sha256};

use super::pack::{self, PackError};
use crate::{
    agent::room::{PART, make_room, touch},
    model::{ProjectId, Timestamp},
    pipe::PipeReader,
    sandbox::ImageId,
};

/// The largest cache in a workspace: some thousand packed object files.
const LARGEST: u64 = 256 << 20;
/// What part of a workspace it may take.
const SHARE: u64 = 4;

/// The caches of this machine.
#[derive(Clone, Debug)]
pub struct CompilerCache {
    folder: PathBuf,
    /// The most bytes of all of them; none are kept if it is 0.
    most: u64,
}

/// A cache that a job may read, and maybe write.
#[derive(Clone, Debug)]
pub(in crate::agent) struct Place {
    path: PathBuf,
    /// The most that it may have.
    pub most: u64,
}

/// A cache was kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::agent) struct Saved {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl CompilerCache {
    /// Caches in `folder`, which is made when it is needed.
    pub fn new(folder: PathBuf, most: u64) -> Self {
        Self { folder, most }
    }

    /// The place of a project's cache for an image, in a workspace of this size.
    pub(in crate::agent) fn place(
        &self,
        project: ProjectId,
        image: &ImageId,
        workspace_bytes: u64,
    ) -> Option<Place> {
        let most = LARGEST.min(workspace_bytes / SHARE).min(self.most);
        let key = Sha256::new()
            .chain_update(project.to_string())
            .chain_update([0])
            .chain_update(&image.0)
            .finalize();
        let path = self.folder.join(format!("{}.tar", hex::encode(&key[..16])));
        (most > 0).then_some(Place { path, most })
    }

    /// Keeps what comes of a sandbox as the cache of a place, if it is one. Blocks.
    pub(in crate::agent) fn keep(
        &self,
        place: &Place,
        input: PipeReader,
        name: &str,
    ) -> Result<Saved, PackError> {
        fs::create_dir_all(&self.folder)?;
        let part = place.path.with_extension(format!("{name}.{PART}"));
        let written = File::create(&part).map_err(PackError::from).and_then(|file| {
            let mut file = io::BufWriter::with_capacity(1 << 20, file);
            pack::repack(input, &mut file, place.most)
        });
        let kept = written.and_then(|kept| Ok(fs::rename(&part, &place.path).map(|()| kept)?));
        let (files, bytes) = kept.inspect_err(|_| {
            let _ = fs::remove_file(&part);
        })?;
        make_room(&self.folder, self.most, &place.path);
        Ok(Saved { files, bytes })
    }

    /// Removes what writes that were not finished have left.
    pub fn tidy(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|end| end == PART) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

impl Place {
    /// The cache and its length, if there is one; it counts as used now.
    pub(in crate::agent) fn open(&self, now: Timestamp) -> Option<(File, u64)> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path).ok()?;
        touch(&file, now).ok()?;
        let bytes = file.metadata().ok()?.len();
        Some((file, bytes))
    }
}
