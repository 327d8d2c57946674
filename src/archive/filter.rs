//! What of a hostile tar is kept: the files that were asked for, and nothing that could surprise.
//!
//! Kept are regular files; symlinks whose relative target is, by its text, another path that was
//! asked for; and hard links to a file that was kept before. Because no kept path lies below
//! another, no kept symlink can redirect a kept path, and a target's text is where it leads.
//! Everything else that was not asked for, or cannot be kept, is skipped and reported. Declared
//! sizes count, also of what is skipped, before a byte is read. Nothing is ever materialized.

use std::{
    collections::BTreeSet,
    io::{self, Read},
};

use super::{
    ArtifactPath,
    path::escape,
    tar_reader::{TarError, TarKind, TarReader},
};

/// Who may read and run it survives; set-user-id, sticky and others' write bits do not.
const MODE_MASK: u32 = 0o755;

/// The most that a tar may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Content of all files together.
    pub bytes: u64,
    /// Entries of any kind.
    pub entries: u64,
}

/// The tar is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It cannot be read: whoever made it failed; trying again can help.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// The files are larger than allowed.
    #[error("the artifacts are larger than {0} bytes: keep fewer, or raise limits.artifact_bytes")]
    TooManyBytes(u64),
    /// There are more entries than allowed.
    #[error("more than {0} artifacts: keep fewer, or raise limits.artifact_files")]
    TooManyEntries(u64),
    /// One name came twice.
    #[error("the tar holds {0} twice")]
    Duplicate(ArtifactPath),
    /// A hard link leads to what was not kept.
    #[error("{path} is a hard link to {target}, which is not among the artifacts before it")]
    HardLink {
        /// The link.
        path: ArtifactPath,
        /// Where it leads, as text.
        target: String,
    },
    /// The paths that were asked for exclude each other.
    #[error("{0} cannot be both a file and a folder of other artifacts")]
    Nested(ArtifactPath),
}

/// An entry that is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its path.
    pub path: ArtifactPath,
    /// Its mode, already masked.
    pub mode: u32,
    /// What it is.
    pub content: Content,
}

/// What a kept entry is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// A file of this size; its bytes are read from the filter.
    File(u64),
    /// A symlink with this target.
    Symlink(Vec<u8>),
    /// The same file as the one that was kept before under this path.
    HardLink(ArtifactPath),
}

/// An entry that was left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Skipped {
    /// Its name as text.
    pub name: String,
    /// Why.
    pub reason: &'static str,
}

/// Reads a tar and yields what is kept.
#[derive(Debug)]
pub struct Filter<R> {
    tar: TarReader<R>,
    asked: BTreeSet<ArtifactPath>,
    seen: BTreeSet<ArtifactPath>,
    files: BTreeSet<ArtifactPath>,
    left: Bounds,
    bounds: Bounds,
    skipped: Vec<Skipped>,
}

impl<R: Read> Filter<R> {
    /// A filter over `input` that keeps the paths in `asked` within `bounds`.
    pub fn new(
        input: R,
        asked: BTreeSet<ArtifactPath>,
        bounds: Bounds,
    ) -> Result<Self, FilterError> {
        for path in &asked {
            if let Some(above) = path.ancestors().find(|above| asked.contains(above)) {
                return Err(FilterError::Nested(above));
            }
        }
        if asked.len() as u64 > bounds.entries {
            return Err(FilterError::TooManyEntries(bounds.entries));
        }
        let tar = TarReader::new(input);
        let (seen, files) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { tar, asked, seen, files, left: bounds, bounds, skipped: Vec::new() })
    }

    /// The next entry that is kept, or none at the tar's end.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, FilterError> {
        while let Some(entry) = self.tar.next_entry()? {
            let most = self.bounds;
            let left = &mut self.left;
            left.entries =
                left.entries.checked_sub(1).ok_or(FilterError::TooManyEntries(most.entries))?;
            left.bytes =
                left.bytes.checked_sub(entry.size).ok_or(FilterError::TooManyBytes(most.bytes))?;
            if entry.kind == TarKind::Directory {
                continue;
            }
            let path = match ArtifactPath::from_tar_name(&entry.name) {
                Ok(path) if self.asked.contains(&path) => path,
                Ok(_) => {
                    self.skip(&entry.name, "was not asked for");
                    continue;
                }
                Err(error) => {
                    self.skip(&entry.name, error.problem);
                    continue;
                }
            };
            if !self.seen.insert(path.clone()) {
                return Err(FilterError::Duplicate(path));
            }
            match self.content(&path, entry.kind, entry.size)? {
                Ok(content) => {
                    return Ok(Some(Entry { path, mode: entry.mode & MODE_MASK, content }));
                }
                Err(reason) => self.skip(&entry.name, reason),
            }
        }
        Ok(None)
    }

    /// What was left out so far.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// What was asked for and did not come.
    pub fn missing(&self) -> impl Iterator<Item = &ArtifactPath> {
        self.asked.difference(&self.seen)
    }

    fn skip(&mut self, name: &[u8], reason: &'static str) {
        self.skipped.push(Skipped { name: escape(name), reason });
    }

    fn content(
        &mut self,
        path: &ArtifactPath,
        kind: TarKind,
        size: u64,
    ) -> Result<Result<Content, &'static str>, FilterError> {
        Ok(match kind {
            TarKind::File => {
                self.files.insert(path.clone());
                Ok(Content::File(size))
            }
            TarKind::Symlink(target) => match path.resolve_link(&target) {
                Some(to) if to != *path && self.asked.contains(&to) => Ok(Content::Symlink(target)),
                _ => Err("is a symlink that leads out of the artifacts"),
            },
            TarKind::HardLink(target) => match ArtifactPath::from_tar_name(&target) {
                Ok(to) if self.files.contains(&to) => Ok(Content::HardLink(to)),
                _ => {
                    let target = escape(&target);
                    return Err(FilterError::HardLink { path: path.clone(), target });
                }
            },
            TarKind::Other | TarKind::Directory => Err("is a pipe, a socket or a device"),
        })
    }
}

/// Reads the content of the file that was yielded last.
impl<R: Read> Read for Filter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tar.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tar of entries: name, type, link target, content.
    fn tar(entries: &[(&str, char, &str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, kind, link, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
            header.set_entry_type(tar::EntryType::new(u8::try_from(*kind).unwrap()));
            header.set_size(content.len() as u64);
            header.set_mode(0o7777);
            header.set_cksum();
            out.extend_from_slice(header.as_bytes());
            out.extend_from_slice(content);
            out.resize(out.len().next_multiple_of(512), 0);
        }
        out.resize(out.len() + 1024, 0);
        out
    }

    const ROOMY: Bounds = Bounds { bytes: 100, entries: 20 };

    /// What is kept (`path=content`, `path->target`, `path==path`) and skipped, or the error.
    fn check(tar: &[u8], asked: &[&str], bounds: Bounds) -> Result<(Vec<String>, usize), String> {
        let asked = asked.iter().map(|path| path.parse().unwrap()).collect();
        let run = || {
            let mut filter = Filter::new(tar, asked, bounds)?;
            let mut kept = Vec::new();
            while let Some(Entry { path, mode, content }) = filter.next_entry()? {
                assert_eq!(mode, 0o755);
                kept.push(match content {
                    Content::File(_) => {
                        let mut text = String::new();
                        filter.read_to_string(&mut text).map_err(TarError::from)?;
                        format!("{path}={text}")
                    }
                    Content::Symlink(to) => format!("{path}->{}", escape(&to)),
                    Content::HardLink(to) => format!("{path}=={to}"),
                });
            }
            Ok::<_, FilterError>((kept, filter.skipped().len()))
        };
        run().map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_was_asked_for_and_is_harmless_is_kept() {
        let hostile = tar(&[
            ("./", '5', "", b""),
            ("./a", '0', "", b"A"),
            ("b", '0', "", b"not asked"),
            ("d/link", '2', "../a", b""),
            ("d/out", '2', "../../a", b""),
            ("d/abs", '2', "/etc/shadow", b""),
            ("d/self", '2', "self", b""),
            ("d/other", '2', "../b", b""),
            ("hard", '1', "./a", b""),
            ("fifo", '6', "", b""),
            ("null", '3', "", b""),
            ("/a", '0', "", b"x"),
            ("../a", '0', "", b"x"),
            ("d/../a", '0', "", b"x"),
            ("", '0', "", b"x"),
        ]);
        let asked = ["a", "d/link", "d/out", "d/abs", "d/self", "d/other", "hard", "fifo", "null"];
        let (kept, skipped) = check(&hostile, &asked, ROOMY).unwrap();
        assert_eq!(kept, ["a=A", "d/link->../a", "hard==a"]);
        assert_eq!(skipped, 11);
    }

    #[test]
    fn bounds_hold_at_the_limit_and_break_beyond_it() {
        let two = tar(&[("a", '0', "", b"12345"), ("b", '0', "", b"12345")]);
        for (bytes, entries, fits) in [(10, 2, true), (9, 2, false), (10, 1, false)] {
            let result = check(&two, &["a"], Bounds { bytes, entries });
            assert_eq!(result.is_ok(), fits, "{bytes} {entries}");
        }
        // A terabyte that is only declared ends it before anything is read.
        let mut sparse = tar(&[("a", '0', "", b"")]);
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes().copy_from_slice(&sparse[..512]);
        header.set_size(1 << 40);
        header.set_cksum();
        sparse[..512].copy_from_slice(header.as_bytes());
        let error = check(&sparse, &["a"], ROOMY).unwrap_err();
        assert!(error.contains("larger than 100 bytes"), "{error}");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (what, entries, asked) in [
            ("a name twice", &[("a", '0', "", &b"1"[..]), ("./a", '0', "", b"2")][..], &["a"][..]),
            ("hard link out", &[("a", '1', "/etc/passwd", b"")], &["a"]),
            ("hard link to itself", &[("a", '1', "a", b"")], &["a"]),
            ("hard link forward", &[("a", '1', "b", b""), ("b", '0', "", b"x")], &["a", "b"]),
            ("hard link to what is not kept", &[("b", '0', "", b""), ("a", '1', "b", b"")], &["a"]),
            ("hard link to a symlink", &[("l", '2', "a", b""), ("a", '1', "l", b"")], &["a", "l"]),
            ("a file that is a folder", &[("a", '0', "", b"")], &["a", "a/b"]),
        ] {
            assert!(check(&tar(entries), asked, ROOMY).is_err(), "{what}");
        }
    }
}
