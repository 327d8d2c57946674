//! Unpacking an archive that a hostile build filled.
//!
//! Everything is written into a new folder of our own, every folder in it is made by us, files are
//! made and never opened, and links come last and may only lead to what was unpacked: so nothing
//! can be written, or later be read, outside. The folder gets its name when it is whole.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::ffi::OsStrExt,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink},
    path::{Component, Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::{
    archive::tar_reader::{TarError, TarKind, TarReader},
    model::Limits,
};

/// What is copied at a time.
const COPY_BYTES: usize = 64 * 1024;

/// An archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    /// It has something that would not stay inside, or that is no file.
    #[error("the archive was not unpacked: {0}")]
    Refused(String),
    /// It is not what the server said it is.
    #[error("the archive is damaged: its content does not have the digest the server gave")]
    Digest,
    /// It is no archive, or a part of it is missing.
    #[error("the archive is damaged: {0}")]
    Damaged(io::Error),
    /// Reading or writing failed.
    #[error("{0}: {1}")]
    Io(String, io::Error),
}

/// What was unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unpacked {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Unpacks the tar.gz that `archive` gives into the new folder `to`, by way of the new folder
/// `part` next to it. `sha256` is the digest of the tar; empty: not known.
pub(super) fn unpack(
    archive: impl Read,
    sha256: &str,
    part: &Path,
    to: &Path,
) -> Result<Unpacked, UnpackError> {
    let done = fill(archive, sha256, part).and_then(|unpacked| {
        // A rename replaces an empty folder; what is in the way otherwise makes it fail.
        fs::rename(part, to).map_err(|error| UnpackError::Io(name(to), error))?;
        Ok(unpacked)
    });
    if done.is_err() {
        let _ = fs::remove_dir_all(part);
    }
    done
}

fn fill(archive: impl Read, sha256: &str, part: &Path) -> Result<Unpacked, UnpackError> {
    let most = Limits::default_maximum();
    make_dir(part)?;
    let mut reader = Hashing { inner: MultiGzDecoder::new(archive), hash: Sha256::new() };
    // Names of any length and what readers could disagree about end it.
    let mut archive = TarReader::new(&mut reader);
    let damaged = UnpackError::Damaged;
    let unreadable = |error| match error {
        TarError::Io(error) => damaged(error),
        error => damaged(io::Error::other(error)),
    };
    let mut unpacked = Unpacked::default();
    let mut entries = 0;
    let mut files = BTreeSet::new();
    let mut links = Vec::new();
    while let Some(entry) = archive.next_entry().map_err(unreadable)? {
        entries += 1;
        let path = inside(path_of(&entry.name))?;
        if entries > most.artifact_files * 2 {
            return Err(UnpackError::Refused("it has too many entries".to_owned()));
        }
        match entry.kind {
            TarKind::Directory => make_dirs(part, &path)?,
            TarKind::File => {
                if let Some(parent) = path.parent() {
                    make_dirs(part, parent)?;
                }
                let left = most.artifact_bytes.saturating_sub(unpacked.bytes);
                if entry.size > left {
                    return Err(UnpackError::Refused("its files are too large".to_owned()));
                }
                let executable = entry.mode & 0o111 != 0;
                let target = part.join(&path);
                let written = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(if executable { 0o777 } else { 0o666 })
                    .open(&target)
                    .map_err(|error| UnpackError::Io(name(&target), error))
                    .and_then(|mut file| copy(&mut archive, &mut file, &target))?;
                unpacked.files += 1;
                unpacked.bytes += written;
                files.insert(path);
            }
            TarKind::HardLink(target) => {
                let target = inside(path_of(&target))?;
                if !files.contains(&target) {
                    let path = name(&path);
                    return Err(UnpackError::Refused(format!("{path} is a link to no file of it")));
                }
                if let Some(parent) = path.parent() {
                    make_dirs(part, parent)?;
                }
                fs::hard_link(part.join(target), part.join(&path))
                    .map_err(|error| UnpackError::Io(name(&path), error))?;
                unpacked.files += 1;
                files.insert(path);
            }
            TarKind::Symlink(target) => links.push((path, path_of(&target).to_owned())),
            TarKind::Other => {
                let path = name(&path);
                return Err(UnpackError::Refused(format!("{path} is a device or a pipe")));
            }
        }
    }
    io::copy(&mut reader, &mut io::sink()).map_err(damaged)?;
    if !sha256.is_empty() && hex::encode(reader.hash.finalize()) != sha256 {
        return Err(UnpackError::Digest);
    }
    let known: BTreeSet<PathBuf> =
        files.into_iter().chain(links.iter().map(|(path, _)| path.clone())).collect();
    for (path, target) in links {
        let Some(end) = led_inside(&path, &target) else {
            let (path, target) = (name(&path), name(&target));
            return Err(UnpackError::Refused(format!("the link {path} leads to {target}")));
        };
        // A link to what was not kept would be of no use.
        if !known.contains(&end) {
            continue;
        }
        if let Some(parent) = path.parent() {
            make_dirs(part, parent)?;
        }
        let link = part.join(&path);
        symlink(&target, &link).map_err(|error| UnpackError::Io(name(&link), error))?;
        unpacked.files += 1;
    }
    Ok(unpacked)
}

/// Copies a file out of the archive: which of the two is broken is not the same.
fn copy(from: &mut impl Read, to: &mut File, path: &Path) -> Result<u64, UnpackError> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut copied = 0;
    loop {
        let read = from.read(&mut buffer).map_err(UnpackError::Damaged)?;
        if read == 0 {
            return Ok(copied);
        }
        to.write_all(&buffer[..read]).map_err(|error| UnpackError::Io(name(path), error))?;
        copied += read as u64;
    }
}

fn path_of(name: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(name))
}

/// The path, if it is relative and has nothing but names.
fn inside(path: &Path) -> Result<PathBuf, UnpackError> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::CurDir => {}
            _ => {
                let path = name(path);
                return Err(UnpackError::Refused(format!("the path {path} leads out of it")));
            }
        }
    }
    Ok(clean)
}

/// Where a link leads by its text, if it stays inside. Links are only made to files and to other
/// links, so a link on the way ends at a file and cannot lead elsewhere.
fn led_inside(link: &Path, target: &Path) -> Option<PathBuf> {
    let mut at = link.parent()?.to_path_buf();
    for part in target.components() {
        match part {
            Component::ParentDir => {
                if !at.pop() {
                    return None;
                }
            }
            Component::Normal(part) => at.push(part),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(at)
}

/// Makes `path` below `root`. What is there already must be a folder, and so one of ours.
fn make_dirs(root: &Path, path: &Path) -> Result<(), UnpackError> {
    let mut at = root.to_path_buf();
    for part in path.components() {
        at.push(part);
        match fs::symlink_metadata(&at) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                return Err(UnpackError::Refused(format!("{} is a file and a folder", name(path))));
            }
            Err(_) => make_dir(&at)?,
        }
    }
    Ok(())
}

fn make_dir(path: &Path) -> Result<(), UnpackError> {
    let made = DirBuilder::new().mode(0o777).create(path);
    made.map_err(|error| UnpackError::Io(name(path), error))
}

/// A path as it may be shown.
fn name(path: &Path) -> String {
    super::sanitize::text(&path.display().to_string())
}

/// Digests what is read through it.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tar::EntryType;

    use super::*;

    enum Item {
        Plain(&'static str, u32, &'static str),
        Dir(&'static str),
        Link(&'static str, &'static str),
        Hard(&'static str, &'static str),
        Device(&'static str),
    }
    use Item::{Device, Dir, Hard, Link, Plain};

    /// A tar whose names are written as they are: the crate's own checks must not help here.
    fn pack(items: &[Item]) -> (Vec<u8>, String) {
        let mut builder = tar::Builder::new(Vec::new());
        for item in items {
            let (path, mode, data, kind, link) = match item {
                Plain(path, mode, data) => (path, *mode, *data, EntryType::Regular, ""),
                Dir(path) => (path, 0o755, "", EntryType::Directory, ""),
                Link(path, to) => (path, 0o777, "", EntryType::Symlink, *to),
                Hard(path, to) => (path, 0o644, "", EntryType::Link, *to),
                Device(path) => (path, 0o644, "", EntryType::Char, ""),
            };
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_mode(mode);
            header.set_entry_type(kind);
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, data.as_bytes()).unwrap();
        }
        let tar = builder.into_inner().unwrap();
        let digest = hex::encode(Sha256::digest(&tar));
        // Two gzip members, as the artifact repository makes them.
        let mut packed = Vec::new();
        for half in tar.chunks(tar.len() / 2 + 1) {
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gz.write_all(half).unwrap();
            packed.extend(gz.finish().unwrap());
        }
        (packed, digest)
    }

    #[test]
    fn files_modes_and_links_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (archive, digest) = pack(&[
            Dir("build/"),
            Plain("build/app", 0o6755, "#!"),
            Plain("./lib/libx.so.1.2", 0o755, "elf"),
            Link("lib/libx.so", "libx.so.1"),
            Link("lib/libx.so.1", "./libx.so.1.2"),
            Link("bin/app", "../build/app"),
            Plain("notes", 0o600, "text"),
            Hard("d/again", "notes"),
            Link("folder", "build"),
            Link("dangling", "missing"),
        ]);
        let (part, to) = (dir.path().join("part"), dir.path().join("gcc-14"));
        let unpacked = unpack(&archive[..], &digest, &part, &to).unwrap();
        assert_eq!(unpacked, Unpacked { files: 7, bytes: 9 });
        assert_eq!(fs::read_to_string(to.join("lib/libx.so")).unwrap(), "elf");
        assert_eq!(fs::read_to_string(to.join("bin/app")).unwrap(), "#!");
        let mode = |path| fs::metadata(to.join(path)).unwrap().permissions().mode();
        assert_eq!(mode("build/app") & 0o7111 & !0o011, 0o100, "executable, and never setuid");
        assert_eq!(mode("notes") & 0o111, 0);
        assert_eq!(fs::read_to_string(to.join("d/again")).unwrap(), "text");
        assert!(!to.join("folder").exists() && to.join("dangling").symlink_metadata().is_err());
        assert!(!part.exists());
    }

    #[test]
    fn nothing_is_written_outside() {
        let bad: &[&[Item]] = &[
            &[Plain("../evil", 0o644, "x")],
            &[Plain("a/../../evil", 0o644, "x")],
            &[Plain("/tmp/kiln-evil", 0o644, "x")],
            &[Dir("../evil")],
            &[Link("a", "../outside"), Plain("a/evil", 0o644, "x")],
            &[Link("a", "..")],
            &[Link("a", "/etc/passwd")],
            &[Plain("f", 0o644, ""), Link("d/up", "../f/../.."), Plain("d/x", 0o644, "")],
            &[Hard("a", "/etc/passwd")],
            &[Hard("a", "../x")],
            &[Link("l", "f"), Plain("f", 0o644, ""), Hard("a", "l")],
            &[Device("null")],
            &[Plain("same", 0o644, "1"), Plain("same", 0o644, "2")],
            &[Plain("f", 0o644, ""), Plain("f/x", 0o644, "")],
            &[Plain("", 0o644, "x")],
        ];
        for (number, items) in bad.iter().enumerate() {
            let dir = tempfile::tempdir().unwrap();
            let inner = dir.path().join("inner");
            fs::create_dir(&inner).unwrap();
            let (archive, digest) = pack(items);
            let done = unpack(&archive[..], &digest, &inner.join("part"), &inner.join("to"));
            assert!(done.is_err(), "{number}: {done:?}");
            assert_eq!(fs::read_dir(&inner).unwrap().count(), 0, "{number}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{number}");
        }
        assert!(!Path::new("/tmp/kiln-evil").exists());
    }

    #[test]
    fn what_was_there_before_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (part, to) = (dir.path().join("part"), dir.path().join("to"));
        fs::create_dir(&to).unwrap();
        fs::write(to.join("mine"), "mine").unwrap();
        let (archive, digest) = pack(&[Plain("mine", 0o644, "theirs")]);
        assert!(matches!(unpack(&archive[..], &digest, &part, &to), Err(UnpackError::Io(..))));
        assert_eq!(fs::read_to_string(to.join("mine")).unwrap(), "mine");
        assert!(!part.exists());
    }

    #[test]
    fn damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (part, to) = (dir.path().join("part"), dir.path().join("to"));
        let (archive, _) = pack(&[Plain("f", 0o644, "text")]);
        let other = "0".repeat(64);
        let done = unpack(&archive[..], &other, &part, &to);
        assert!(matches!(done, Err(UnpackError::Digest)), "{done:?}");
        let cut = &archive[..archive.len() / 2];
        assert!(unpack(cut, "", &part, &to).is_err());
        assert!(!part.exists() && !to.exists());
    }
}
