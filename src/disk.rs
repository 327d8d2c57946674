//! Space on the disks of this machine, and the rule that some of it stays free: agents and servers stop
//! taking work before a disk is full, since what runs then still has to be written down.

use std::path::{Path, PathBuf};

/// The rule, and where it holds.
#[derive(Clone, Debug)]
pub struct Space {
    /// Where space is needed.
    pub places: Vec<PathBuf>,
    /// The least that has to be free there, in bytes.
    pub least: u64,
    /// The setting that says so.
    pub setting: &'static str,
    /// Bytes that are free where a path is; nothing if that cannot be said.
    pub free: fn(&Path) -> Option<u64>,
}

impl Space {
    /// Where nothing has to be free.
    pub fn unlimited() -> Self {
        Self { places: Vec::new(), least: 0, setting: "", free }
    }

    /// Where too little is free, in a sentence; nothing if there is enough. What is not known is not
    /// held against it.
    pub fn shortage(&self) -> Option<String> {
        self.places.iter().find_map(|place| {
            let free = (self.free)(place)?;
            (free < self.least).then(|| {
                format!(
                    "{} MiB are free at {}, and {} MiB have to be ({})",
                    free >> 20,
                    place.display(),
                    self.least >> 20,
                    self.setting
                )
            })
        })
    }
}

/// Bytes that are free for everybody where a path is.
pub fn free(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
