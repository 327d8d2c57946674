//! The manifest: every file of an archive, what it is, and where it lies.
//!
//! It is stored beside the archive as `manifest.json` and is the seed of provenance: it says what
//! was built from what, with what. It arrives over the network, so `check` proves its arithmetic
//! before anything is read by it.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{
    ArtifactPath, Digest, FileKind,
    pack::MEMBER_BYTES,
    path::{escape, unescape},
};

/// The form of the manifest this code writes and reads.
const VERSION: u32 = 1;
/// Longer chains of symlinks are taken for loops, as Linux does at 40; ours are library names.
const MAX_LINKS: usize = 8;

/// What an archive was built from and with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ManifestHeader {
    /// The revision.
    pub revision: String,
    /// The toolchain's name.
    pub toolchain: String,
    /// The id of the image, as the engine knows it.
    pub image: String,
    /// The compiler's full version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compiler: Option<String>,
    /// The job.
    pub job: String,
    /// The attempt's number.
    pub attempt: u32,
    /// The time that every entry of the archive carries, seconds since the epoch: the commit's.
    pub modified: u64,
}

/// All that is known of an archive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of this document, 1.
    pub version: u32,
    /// What it was built from and with.
    #[serde(flatten)]
    pub header: ManifestHeader,
    /// The digest of the uncompressed tar: the one that counts.
    pub tar_sha256: Digest,
    /// The size of the uncompressed tar.
    pub tar_bytes: u64,
    /// The size of `artifacts.tar.gz`.
    pub archive_bytes: u64,
    /// Every file, ordered by path.
    pub files: Vec<ManifestEntry>,
}

/// One file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// Its path.
    pub path: ArtifactPath,
    /// What it is.
    pub kind: FileKind,
    /// Its size in bytes; 0 for a symlink.
    pub size: u64,
    /// Its permission bits.
    pub mode: u32,
    /// The digest of its content; of a symlink, of its target.
    pub sha256: Digest,
    /// Where a symlink leads, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Where its first gzip member begins in the archive.
    pub offset: u64,
    /// Bytes of that member that come before the content: the tar header.
    pub skip: u32,
    /// Compressed lengths of its gzip members, one after the other. All but the last inflate to
    /// 1 MiB.
    pub members: Vec<u32>,
}

/// The manifest cannot be true.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ManifestError {
    /// It is of another version.
    #[error("the manifest's version is {0}, this kiln reads {VERSION}")]
    Version(u32),
    /// One of its entries is impossible.
    #[error("the manifest's entry {path} is wrong: {problem}")]
    Entry {
        /// The entry.
        path: ArtifactPath,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Manifest {
    /// A manifest of what `packed` says.
    pub fn new(header: ManifestHeader, packed: super::Packed) -> Self {
        let super::Packed { tar_sha256, tar_bytes, archive_bytes, files } = packed;
        Self { version: VERSION, header, tar_sha256, tar_bytes, archive_bytes, files }
    }

    /// Whether everything in it can be: order, places within the archive, links.
    pub fn check(&self) -> Result<(), ManifestError> {
        if self.version != VERSION {
            return Err(ManifestError::Version(self.version));
        }
        let paths: HashSet<&ArtifactPath> = self.files.iter().map(|entry| &entry.path).collect();
        let mut last: Option<&ArtifactPath> = None;
        for entry in &self.files {
            let problem = if last.is_some_and(|last| *last >= entry.path) {
                Some("it is out of order")
            } else if entry.path.ancestors().any(|above| paths.contains(&above)) {
                Some("it lies below a file")
            } else if entry.mode & !0o755 != 0 {
                Some("its mode is not one that is kept")
            } else {
                entry.problem(self.archive_bytes)
            };
            if let Some(problem) = problem {
                return Err(ManifestError::Entry { path: entry.path.clone(), problem });
            }
            last = Some(&entry.path);
        }
        Ok(())
    }

    /// The entry at `path`, itself.
    pub fn get(&self, path: &ArtifactPath) -> Option<&ManifestEntry> {
        let at = self.files.binary_search_by(|entry| entry.path.cmp(path)).ok()?;
        Some(&self.files[at])
    }

    /// The file at `path`, through symlinks.
    pub fn file(&self, path: &ArtifactPath) -> Option<&ManifestEntry> {
        let mut entry = self.get(path)?;
        for _ in 0..MAX_LINKS {
            match entry.link() {
                None => return (entry.kind != FileKind::Symlink).then_some(entry),
                Some(to) => entry = self.get(&to)?,
            }
        }
        None
    }

    /// Content of all files together.
    pub fn content_bytes(&self) -> u64 {
        self.files.iter().map(|entry| entry.size).fold(0, u64::saturating_add)
    }
}

impl ManifestEntry {
    /// Where a symlink leads, as a path of the archive.
    pub fn link(&self) -> Option<ArtifactPath> {
        self.path.resolve_link(&unescape(self.target.as_deref()?)?)
    }

    /// The target of a symlink as it is written in a manifest.
    pub(super) fn target_text(target: &[u8]) -> String {
        escape(target)
    }

    /// Header, content and filler: what the members inflate to.
    pub(super) fn raw_bytes(&self) -> Option<u64> {
        self.size.checked_next_multiple_of(512)?.checked_add(u64::from(self.skip))
    }

    fn problem(&self, archive_bytes: u64) -> Option<&'static str> {
        if (self.kind == FileKind::Symlink) != self.target.is_some() {
            return Some("only a symlink has a target");
        }
        // It may be missing (it was asked for and could not be kept), but never outside.
        if self.target.is_some() && self.link().is_none() {
            return Some("its target leads out of the archive");
        }
        if self.target.is_some() && self.size != 0 {
            return Some("a symlink has no content");
        }
        let Some(raw) = self.raw_bytes() else { return Some("its size is impossible") };
        if !self.skip.is_multiple_of(512) || u64::from(self.skip) >= MEMBER_BYTES {
            return Some("its content does not begin where it could");
        }
        if raw.div_ceil(MEMBER_BYTES) != self.members.len() as u64 {
            return Some("its number of members does not fit its size");
        }
        let packed: u64 = self.members.iter().copied().map(u64::from).sum();
        match self.offset.checked_add(packed) {
            Some(end) if end <= archive_bytes => None,
            _ => Some("it lies outside the archive"),
        }
    }
}
