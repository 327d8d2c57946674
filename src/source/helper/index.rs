//! Git's index of a tree that was just unpacked: version 2 of the format (gitformat-index).
//!
//! It says of every file its size and time, which are those that the tar gives it, so that git takes
//! the files for unchanged without reading them.

use git2::Oid;
use sha1::{Digest, Sha1};

use super::{walk::Walked, wire::TreeKind};

/// How much of a path's length fits into an entry's flags.
const MAX_LENGTH: usize = 0xfff;
/// The length of an entry before its path.
const FIXED: usize = 62;

/// The index of these entries, which are sorted by path; files were changed at `time`, in seconds.
pub(super) fn write<'a>(entries: impl Iterator<Item = &'a Walked>, time: u64) -> Vec<u8> {
    let mut index = b"DIRC\0\0\0\x02\0\0\0\0".to_vec();
    let mut count: u32 = 0;
    for entry in entries {
        let Some(mode) = mode(entry.kind) else { continue };
        write_entry(&mut index, (&entry.path, entry.id, entry.size), mode, time);
        count += 1;
    }
    index[8..12].copy_from_slice(&count.to_be_bytes());
    let checksum = Sha1::digest(&index);
    index.extend_from_slice(&checksum);
    index
}

fn write_entry(index: &mut Vec<u8>, (path, id, size): (&[u8], Oid, u64), mode: u32, time: u64) {
    let start = index.len();
    let word = |index: &mut Vec<u8>, word: u32| index.extend(word.to_be_bytes());
    // Git keeps the low 32 bits of both.
    let low = |value: u64| u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0);
    // Changed status and changed content; device, inode and owner are not compared.
    for value in [low(time), 0, low(time), 0, 0, 0, mode, 0, 0, low(size)] {
        word(index, value);
    }
    index.extend_from_slice(id.as_bytes());
    let length = u16::try_from(path.len().min(MAX_LENGTH)).unwrap_or(0);
    index.extend(length.to_be_bytes());
    index.extend_from_slice(path);
    // One to eight NULs, up to a multiple of eight.
    let end = start + (FIXED + path.len() + 8) / 8 * 8;
    index.resize(end, 0);
}

fn mode(kind: TreeKind) -> Option<u32> {
    match kind {
        TreeKind::Directory => None,
        TreeKind::File => Some(0o100_644),
        TreeKind::Executable => Some(0o100_755),
        TreeKind::Symlink => Some(0o120_000),
        TreeKind::Submodule => Some(0o160_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libgit2_reads_every_entry_back() {
        let long = "n".repeat(5_000);
        let kinds = [
            ("a", TreeKind::File, 5),
            ("b", TreeKind::Directory, 0),
            ("b/run.sh", TreeKind::Executable, 6),
            ("c", TreeKind::Symlink, 1),
            ("d", TreeKind::Submodule, 0),
            (&long, TreeKind::File, (1 << 32) + 7),
        ];
        let id = Oid::hash_object(git2::ObjectType::Blob, b"x").unwrap();
        let entries = kinds.map(|(path, kind, size)| Walked {
            path: path.as_bytes().to_vec(),
            kind,
            size,
            id,
            part: 0,
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        std::fs::write(&path, write(entries.iter(), 1_700_000_000)).unwrap();
        let read = git2::Index::open(&path).unwrap();
        let seen: Vec<_> = read
            .iter()
            .map(|entry| (entry.path.len(), entry.mode, entry.file_size, entry.mtime.seconds()))
            .collect();
        let time = 1_700_000_000;
        assert_eq!(
            seen,
            [
                (1, 0o100_644, 5, time),
                (8, 0o100_755, 6, time),
                (1, 0o120_000, 1, time),
                (1, 0o160_000, 0, time),
                (5_000, 0o100_644, 7, time),
            ]
        );
    }
}
