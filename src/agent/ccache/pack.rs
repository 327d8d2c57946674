//! A cache's tar, read from a sandbox like everything that comes out of one: only files that ccache
//! itself would have written are taken over.

use std::io::{self, Read, Write};

use crate::archive::tar_reader::{TarError, TarKind, TarReader};

/// The folder in the workspace, and the first part of every name.
const FOLDER: &[u8] = b"cache";
/// The longest name of a file: a digest, and a letter for what it is.
const LONGEST: usize = 64;
const PAGE_BYTES: u64 = 4_096;
const ENTRY_BYTES: u64 = 1_024;

/// A cache could not be taken over.
#[derive(Debug, thiserror::Error)]
pub(in crate::agent) enum PackError {
    /// What came is no tar, or not all of it.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// It is larger than a cache may be.
    #[error("it is over {0} bytes")]
    TooLarge(u64),
    /// The disk said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes what is a cache's of `input` to `output`; how many files that are, and their bytes. In a
/// workspace it may take at most `most` bytes.
pub(super) fn repack(
    input: impl Read,
    output: impl Write,
    most: u64,
) -> Result<(u64, u64), PackError> {
    let mut tar = TarReader::new(input);
    let mut builder = tar::Builder::new(output);
    let (mut files, mut bytes, mut taken) = (0, 0, 0);
    while let Some(entry) = tar.next_entry()? {
        if entry.kind != TarKind::File || !is_of_a_cache(&entry.name) {
            continue;
        }
        bytes += entry.size;
        // What it takes in a workspace, which has it in memory: whole pages, and an entry.
        taken += entry.size.next_multiple_of(PAGE_BYTES) + ENTRY_BYTES;
        if taken > most {
            return Err(PackError::TooLarge(most));
        }
        files += 1;
        let name = String::from_utf8_lossy(&entry.name).into_owned();
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(entry.size);
        // Older than what the next job makes, so that what is used least goes first there.
        header.set_mtime(1);
        builder.append_data(&mut header, name, (&mut tar).take(entry.size))?;
    }
    builder.into_inner()?.flush()?;
    Ok((files, bytes))
}

/// `cache/`, one to three folders of one hexadecimal digit, and a name of letters and digits: never
/// settings, nor anything that leads elsewhere.
fn is_of_a_cache(name: &[u8]) -> bool {
    let mut parts = name.split(|&byte| byte == b'/');
    if parts.next() != Some(FOLDER) {
        return false;
    }
    let parts: Vec<&[u8]> = parts.collect();
    let Some((file, folders)) = parts.split_last() else { return false };
    (1..=3).contains(&folders.len())
        && folders.iter().all(|folder| folder.len() == 1 && folder[0].is_ascii_hexdigit())
        && (2..=LONGEST).contains(&file.len())
        && file.iter().all(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o777);
            header.set_size(content.len() as u64);
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            if *kind == tar::EntryType::Symlink {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn only_files_of_a_cache_are_taken_over() {
        use tar::EntryType::{Directory, Regular, Symlink};
        let from = tar(&[
            ("cache/", Directory, b""),
            ("cache/ccache.conf", Regular, b"prefix_command = evil"),
            ("cache/0/ccache.conf", Regular, b"prefix_command = evil"),
            ("cache/0/1/abcdefR", Regular, b"object"),
            ("cache/0/stats", Regular, b"1"),
            ("cache/0/../../src/main.c", Regular, b"evil"),
            ("cache/z/abcdef", Regular, b"x"),
            ("cache/tmp/abcdef", Regular, b"x"),
            ("cache/0/link", Symlink, b""),
            ("src/main.c", Regular, b"evil"),
            ("/cache/0/1/ab", Regular, b"evil"),
        ]);
        let mut kept = Vec::new();
        assert_eq!(repack(&from[..], &mut kept, 10_240).unwrap(), (2, 7));
        let mut names = Vec::new();
        for entry in tar::Archive::new(&kept[..]).entries().unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.header().mode().unwrap(), 0o644);
            names.push(entry.path().unwrap().to_string_lossy().into_owned());
        }
        assert_eq!(names, ["cache/0/1/abcdefR", "cache/0/stats"]);
        assert!(matches!(repack(&from[..], io::sink(), 10_239), Err(PackError::TooLarge(10_239))));
        assert!(matches!(
            repack(&from[..from.len() - 1500], io::sink(), 99_999),
            Err(PackError::Tar(_))
        ));
    }
}
