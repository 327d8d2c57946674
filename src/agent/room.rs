//! Folders of files that can be had again: bounded, the least recently used go first.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::model::Timestamp;

/// How the name of a file ends while it is written.
pub(super) const PART: &str = "part";

/// Removes the least recently used until the rest has at most `most` bytes; never `newest`.
pub(super) fn make_room(folder: &Path, most: u64, newest: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some((meta.modified().ok()?, meta.len(), entry.path()))
        })
        .filter(|(.., path)| path.extension().is_none_or(|end| end != PART))
        .collect();
    files.sort();
    let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in files {
        if total <= most {
            break;
        }
        // Whoever reads it has it open, and reads on.
        if path != newest && fs::remove_file(&path).is_ok() {
            total -= bytes;
        }
    }
}

/// Notes that a file was used.
pub(super) fn touch(file: &fs::File, now: Timestamp) -> io::Result<()> {
    let since = Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or(0));
    file.set_modified(SystemTime::UNIX_EPOCH + since)
}
