//! Writes the artifact archive: a deterministic tar, in gzip members that can be read alone.
//!
//! Entries come sorted by path and stream through; only one buffer is held. Each entry begins a
//! gzip member and every further MiB of it another, so that the whole is an ordinary `.tar.gz`
//! and still any part of any file can be served by itself. Times are one given time, owners 0 and
//! nameless, so the same files give the same tar, and it is the tar's digest that counts.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
};

use tar::{EntryType, Header};

use super::{
    ArtifactPath, Digest, FileKind, HEAD_BYTES, ManifestEntry,
    digest::Hasher,
    filter::{Content, Entry},
    gzip::MemberWriter,
};

/// What a member inflates to at most.
pub const MEMBER_BYTES: u64 = 1 << 20;
/// For speed, because a job waits for it: 20 MB of ELF programs took 112 ms at level 1 and 351 ms
/// at level 6, for an archive 19 % smaller.
const LEVEL: u32 = 1;
/// The latest time a header can hold in octal, in the year 2242.
const LAST_TIME: i64 = 0o777_7777_7777;
/// What fits into the name and link fields of a header.
const FIELD_BYTES: usize = 100;
const BUFFER_BYTES: usize = 64 * 1024;

/// The archive cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Writing failed.
    #[error("writing the archive: {0}")]
    Write(#[source] io::Error),
    /// Reading a file failed.
    #[error("reading {path}: {error}")]
    Read {
        /// The file.
        path: ArtifactPath,
        /// What happened.
        error: io::Error,
    },
    /// A file is not as long as it was said to be.
    #[error("{0} ended before its size was reached")]
    Short(ArtifactPath),
    /// Entries must come sorted by path, each once.
    #[error("{0} came out of order")]
    OutOfOrder(ArtifactPath),
    /// A hard link must follow its file.
    #[error("{0} is a hard link to a file that is not in the archive")]
    HardLink(ArtifactPath),
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packed {
    /// The digest of the uncompressed tar.
    pub tar_sha256: Digest,
    /// Its size.
    pub tar_bytes: u64,
    /// The size of the archive.
    pub archive_bytes: u64,
    /// Every file, ordered by path.
    pub files: Vec<ManifestEntry>,
}

/// Writes an archive to `W`.
#[derive(Debug)]
pub struct Packer<W> {
    out: MemberWriter<W>,
    tar_hash: Hasher,
    tar_bytes: u64,
    modified: u64,
    files: Vec<ManifestEntry>,
    by_path: HashMap<ArtifactPath, usize>,
    /// Lengths of the current entry's members so far, and where the next one begins.
    members: Vec<u32>,
    member_start: u64,
    buffer: Vec<u8>,
}

/// The time that headers carry: whole seconds that every tar can hold.
pub fn clamp_time(seconds: i64) -> u64 {
    u64::try_from(seconds.clamp(0, LAST_TIME)).expect("it is not negative")
}

impl<W: Write> Packer<W> {
    /// A packer whose entries carry the time `modified`, in seconds since the epoch.
    pub fn new(out: W, modified: i64) -> Self {
        Self {
            out: MemberWriter::new(out, LEVEL),
            tar_hash: Hasher::default(),
            tar_bytes: 0,
            modified: clamp_time(modified),
            files: Vec::new(),
            by_path: HashMap::new(),
            members: Vec::new(),
            member_start: 0,
            buffer: vec![0; BUFFER_BYTES],
        }
    }

    /// Adds an entry; a file's content is read from `content`.
    pub fn add(&mut self, entry: Entry, content: &mut impl Read) -> Result<(), PackError> {
        if self.files.last().is_some_and(|last| last.path >= entry.path) {
            return Err(PackError::OutOfOrder(entry.path));
        }
        let Entry { path, mode, content: what } = entry;
        let offset = self.member_start;
        let mut file = ManifestEntry {
            path,
            kind: FileKind::Symlink,
            size: 0,
            mode,
            sha256: Digest::of(b""),
            target: None,
            offset,
            skip: 0,
            members: Vec::new(),
        };
        match what {
            Content::File(size) => {
                file.size = size;
                file.skip = self.header(&file, EntryType::Regular, b"")?;
                (file.kind, file.sha256) = self.content(&file, content)?;
                file.members = self.end_entry()?;
            }
            Content::Symlink(target) => {
                file.skip = self.header(&file, EntryType::Symlink, &target)?;
                file.sha256 = Digest::of(&target);
                file.target = Some(ManifestEntry::target_text(&target));
                file.members = self.end_entry()?;
            }
            Content::HardLink(to) => {
                let Some(&at) = self.by_path.get(&to) else {
                    return Err(PackError::HardLink(file.path));
                };
                self.header(&file, EntryType::Link, to.as_bytes())?;
                self.end_entry()?;
                // The same content in the same place, under another name.
                let original = self.files[at].clone();
                file = ManifestEntry { path: file.path, ..original };
            }
        }
        if file.kind != FileKind::Symlink {
            self.by_path.insert(file.path.clone(), self.files.len());
        }
        self.files.push(file);
        Ok(())
    }

    /// Writes the end, and gives the writer back with what was written.
    pub fn finish(mut self) -> Result<(W, Packed), PackError> {
        self.emit(&[0; 1024])?;
        self.end_entry()?;
        let packed = Packed {
            tar_sha256: self.tar_hash.finish(),
            tar_bytes: self.tar_bytes,
            archive_bytes: self.out.offset(),
            files: self.files,
        };
        Ok((self.out.finish().map_err(PackError::Write)?, packed))
    }

    /// Writes the header blocks of `file` and says how many bytes they are.
    fn header(
        &mut self,
        file: &ManifestEntry,
        kind: EntryType,
        link: &[u8],
    ) -> Result<u32, PackError> {
        let before = self.tar_bytes;
        let name = file.path.as_bytes();
        let mut attributes = Vec::new();
        for (key, value) in [("path", name), ("linkpath", link)] {
            if value.len() > FIELD_BYTES {
                pax_record(&mut attributes, key, value);
            }
        }
        if !attributes.is_empty() {
            let size = attributes.len() as u64;
            let header = self.plain_header(b"pax", b"", EntryType::XHeader, (size, 0o644));
            self.emit(header.as_bytes())?;
            attributes.resize(attributes.len().next_multiple_of(512), 0);
            self.emit(&attributes)?;
        }
        let header = self.plain_header(name, link, kind, (file.size, file.mode));
        self.emit(header.as_bytes())?;
        Ok(u32::try_from(self.tar_bytes - before).expect("a header is a few KiB"))
    }

    fn plain_header(
        &self,
        name: &[u8],
        link: &[u8],
        kind: EntryType,
        (size, mode): (u64, u32),
    ) -> Header {
        let mut header = Header::new_ustar();
        let (name, link) = (cut(name), cut(link));
        let bytes = header.as_mut_bytes();
        bytes[..name.len()].copy_from_slice(name);
        bytes[157..157 + link.len()].copy_from_slice(link);
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.modified);
        header.set_cksum();
        header
    }

    fn content(
        &mut self,
        file: &ManifestEntry,
        content: &mut impl Read,
    ) -> Result<(FileKind, Digest), PackError> {
        let mut hash = Hasher::default();
        let mut kind = None;
        let mut left = file.size;
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = loop {
            if left == 0 {
                break Ok(());
            }
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            // Filled whole where possible, so that the kind is told from enough of the file.
            let chunk = &mut buffer[..want];
            if let Err(error) = content.read_exact(chunk) {
                let path = file.path.clone();
                break Err(match error.kind() {
                    io::ErrorKind::UnexpectedEof => PackError::Short(path),
                    _ => PackError::Read { path, error },
                });
            }
            kind.get_or_insert_with(|| {
                FileKind::detect(file.path.as_bytes(), &chunk[..want.min(HEAD_BYTES)])
            });
            hash.update(chunk);
            if let Err(error) = self.emit(chunk) {
                break Err(error);
            }
            left -= want as u64;
        };
        self.buffer = buffer;
        result?;
        let filler = file.size.next_multiple_of(512) - file.size;
        self.emit(&[0; 512][..usize::try_from(filler).expect("it is less than 512")])?;
        Ok((kind.unwrap_or(FileKind::Data), hash.finish()))
    }

    /// Adds bytes to the tar; ends a member whenever one is full.
    fn emit(&mut self, mut bytes: &[u8]) -> Result<(), PackError> {
        self.tar_hash.update(bytes);
        self.tar_bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = MEMBER_BYTES - self.out.raw_bytes();
            let now = bytes.len().min(usize::try_from(room).expect("it is at most 1 MiB"));
            self.out.write(&bytes[..now]).map_err(PackError::Write)?;
            bytes = &bytes[now..];
            if self.out.raw_bytes() == MEMBER_BYTES {
                self.end_member()?;
            }
        }
        Ok(())
    }

    fn end_member(&mut self) -> Result<(), PackError> {
        self.out.end_member().map_err(PackError::Write)?;
        let length =
            self.out.offset() - std::mem::replace(&mut self.member_start, self.out.offset());
        if length > 0 {
            self.members.push(u32::try_from(length).expect("1 MiB compresses to less than 4 GiB"));
        }
        Ok(())
    }

    fn end_entry(&mut self) -> Result<Vec<u32>, PackError> {
        self.end_member()?;
        Ok(std::mem::take(&mut self.members))
    }
}

fn cut(name: &[u8]) -> &[u8] {
    &name[..name.len().min(FIELD_BYTES)]
}

/// Appends `length key=value\n`, whose length counts itself.
fn pax_record(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length += 1;
    }
    out.extend_from_slice(format!("{length} {key}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}
