//! Values that must be nowhere: looked for in files, answers and processes.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

/// What is looked for.
#[derive(Debug)]
pub(crate) struct Canaries(Vec<Vec<u8>>);

impl Canaries {
    pub(crate) fn new(texts: impl IntoIterator<Item = String>) -> Self {
        Self(texts.into_iter().map(String::into_bytes).collect())
    }

    fn found(&self, bytes: &[u8]) -> Option<&[u8]> {
        self.0.iter().map(Vec::as_slice).find(|one| memchr::memmem::find(bytes, one).is_some())
    }

    #[track_caller]
    pub(crate) fn are_not_in(&self, what: &str, bytes: &[u8]) {
        let found = self.found(bytes);
        assert!(found.is_none(), "{} is in {what}", String::from_utf8_lossy(found.unwrap()));
    }

    /// Every file below a folder, what is packed unpacked; how many these are.
    pub(crate) fn are_not_below(&self, folder: &Path) -> usize {
        let mut count = 0;
        let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                    continue;
                }
                let Ok(bytes) = fs::read(&path) else { continue };
                self.are_not_in(&path.display().to_string(), &bytes);
                if bytes.starts_with(&[0x1f, 0x8b]) {
                    let mut unpacked = Vec::new();
                    flate2::read::MultiGzDecoder::new(&bytes[..])
                        .read_to_end(&mut unpacked)
                        .unwrap();
                    self.are_not_in(&format!("{}, unpacked", path.display()), &unpacked);
                }
                count += 1;
            }
        }
        count
    }

    /// Processes of this machine that have one in a file of /proc.
    pub(crate) fn processes_with(&self, file: &str) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let number = entry.file_name().to_string_lossy().into_owned();
            if !number.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            let Ok(bytes) = fs::read(entry.path().join(file)) else { continue };
            if self.found(&bytes).is_some() {
                let group = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
                found.push(format!("{number} {group}"));
            }
        }
        found
    }
}
