//! Writes a source as a tar, straight from the object database.
//!
//! The form is what the sandbox's holder takes without surprises: uncompressed; first entry `src/`;
//! directories explicit; symlinks after everything else, so that nothing can be written through one;
//! names byte for byte (GNU long names, never PAX text); one owner and one time. The end marker is
//! written only when everything before it was right, so a tar that was cut off is seen as such.

use std::io::{self, Write};

use git2::Oid;
use tar::{EntryType, Header};

use super::{
    dotgit::{self, Item},
    walk::{Source, Walked, damaged},
    wire::{Failure, FailureKind, TreeKind, TreeRequest},
};

/// The user and group that builds run as.
const OWNER: u64 = 10_240;
/// The record size that tar readers expect the whole to be a multiple of.
const RECORD: usize = 10_240;
const BLOCK: usize = 512;
const ROOT: &[u8] = b"src/";
/// The largest time that fits into a header's eleven octal digits.
const MAX_TIME: u64 = 0o77_777_777_777;

pub(super) fn write(request: TreeRequest, out: impl Write) -> Result<(), Failure> {
    let wish = request.git.clone();
    let source = Source::open(request)?;
    let entries = source.walk()?;
    let (repository, commit) = source.root();
    let id = Oid::from_str(commit.as_str()).map_err(|e| damaged(&e))?;
    let time = repository.find_commit(id).map_err(|e| damaged(&e))?.time().seconds();
    let time = u64::try_from(time).unwrap_or(0).min(MAX_TIME);

    let mut tar = Tar { out, written: 0, time };
    tar.entry(EntryType::Directory, ROOT, 0o755, b"").map_err(|e| gone(&e))?;
    let (links, others): (Vec<_>, Vec<_>) =
        entries.iter().partition(|entry| entry.kind == TreeKind::Symlink);
    for entry in others {
        write_entry(&mut tar, &source, entry)?;
    }
    if let Some(wish) = wish {
        let items = dotgit::compose(&source, &entries, &wish, time)?;
        // Later than all files: git then trusts the times that the index has of them.
        tar.time = (time + 1).min(MAX_TIME);
        items.iter().try_for_each(|item| write_item(&mut tar, item)).map_err(|e| gone(&e))?;
        tar.time = time;
    }
    for entry in links {
        write_entry(&mut tar, &source, entry)?;
    }
    tar.finish().map_err(|e| gone(&e))
}

fn write_entry(tar: &mut Tar<impl Write>, source: &Source, entry: &Walked) -> Result<(), Failure> {
    let mut path = [ROOT, &entry.path].concat();
    let mode = if entry.kind == TreeKind::File { 0o644 } else { 0o755 };
    match entry.kind {
        TreeKind::Directory | TreeKind::Submodule => {
            path.push(b'/');
            tar.entry(EntryType::Directory, &path, mode, b"")
        }
        TreeKind::File | TreeKind::Executable => {
            source.read(entry, |data| tar.entry(EntryType::Regular, &path, mode, data))?
        }
        TreeKind::Symlink => {
            let target = source.read(entry, <[u8]>::to_vec)?;
            if target.contains(&0) {
                let text = "the source is refused: a symlink's target has a NUL byte";
                return Err(Failure::new(FailureKind::RefusedTree, text));
            }
            tar.link(&path, &target)
        }
    }
    .map_err(|e| gone(&e))
}

fn write_item(tar: &mut Tar<impl Write>, item: &Item) -> io::Result<()> {
    let at = |path: &str| [ROOT, b".git/", path.as_bytes()].concat();
    match item {
        Item::Folder(path) => tar.entry(EntryType::Directory, &at(path), 0o755, b""),
        Item::File(path, data) => tar.entry(EntryType::Regular, &at(path), 0o644, data),
    }
}

/// The reader went away, or took no more.
fn gone(error: &io::Error) -> Failure {
    Failure::new(FailureKind::Internal, format!("writing the tar failed: {error}"))
}

struct Tar<W> {
    out: W,
    /// Bytes of the current record.
    written: usize,
    time: u64,
}

impl<W: Write> Tar<W> {
    fn entry(&mut self, kind: EntryType, path: &[u8], mode: u32, data: &[u8]) -> io::Result<()> {
        self.long(EntryType::GNULongName, path)?;
        self.header(kind, path, mode, data.len(), b"")?;
        self.data(data)
    }

    fn link(&mut self, path: &[u8], target: &[u8]) -> io::Result<()> {
        self.long(EntryType::GNULongLink, target)?;
        self.long(EntryType::GNULongName, path)?;
        self.header(EntryType::Symlink, path, 0o777, 0, target)
    }

    /// The extra entry that carries a name which does not fit into a header.
    fn long(&mut self, kind: EntryType, name: &[u8]) -> io::Result<()> {
        if name.len() < 100 {
            return Ok(());
        }
        let data = [name, b"\0"].concat();
        self.header(kind, b"././@LongLink", 0o644, data.len(), b"")?;
        self.data(&data)
    }

    fn header(
        &mut self,
        kind: EntryType,
        path: &[u8],
        mode: u32,
        size: usize,
        target: &[u8],
    ) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(OWNER);
        header.set_gid(OWNER);
        header.set_mtime(self.time);
        header.set_size(size as u64);
        let fields = header.as_old_mut();
        let fit = |name: &[u8]| name.len().min(100);
        fields.name[..fit(path)].copy_from_slice(&path[..fit(path)]);
        fields.linkname[..fit(target)].copy_from_slice(&target[..fit(target)]);
        header.set_cksum();
        self.put(header.as_bytes())
    }

    fn data(&mut self, data: &[u8]) -> io::Result<()> {
        self.put(data)?;
        self.pad(BLOCK)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.put(&[0; 2 * BLOCK])?;
        self.pad(RECORD)?;
        self.out.flush()
    }

    fn pad(&mut self, to: usize) -> io::Result<()> {
        let rest = self.written.next_multiple_of(to) - self.written;
        self.put(&[0; RECORD][..rest])
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.written = (self.written + bytes.len()) % RECORD;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn long_and_odd_names_arrive_byte_for_byte_and_the_end_is_padded() {
        let long = [&b"src/"[..], &[b'a'; 200], b"/", &[0xff; 200]].concat();
        let target = [b'.'; 300];
        let mut tar = Tar { out: Vec::new(), written: 0, time: 12 };
        tar.entry(EntryType::Regular, &long, 0o755, b"hello").unwrap();
        tar.link(b"src/..//link", &target).unwrap();
        tar.finish().unwrap();
        assert_eq!(tar.out.len() % RECORD, 0);

        let mut archive = tar::Archive::new(tar.out.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let link = entry.link_name_bytes().map(|name| name.to_vec());
            seen.push((entry.path_bytes().to_vec(), link, content));
            assert_eq!(entry.header().mtime().unwrap(), 12);
            assert_eq!(entry.header().uid().unwrap(), OWNER);
        }
        let expected = vec![
            (long, None, "hello".to_owned()),
            (b"src/..//link".to_vec(), Some(target.to_vec()), String::new()),
        ];
        assert_eq!(seen, expected);
    }
}
