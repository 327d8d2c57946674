//! From a tar in any order to the canonical one, without ever holding it in memory.
//!
//! Each file is compressed once, as gzip members of its own, into a file without a name; when the
//! order of all entries is known, the members are copied out in that order. So a tree that comes
//! sorted costs no more than one that does not, and the object is the same for both.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufWriter, Read, Write},
    ops::Range,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use crate::archive::{
    ArtifactPath,
    gzip::MemberWriter,
    tree::{Piece, TarForm, Tree, TreeBounds, TreeEntry, TreeError, TreeKind, read_tree},
};

/// For speed: whoever uploads waits, and what is sent is rarely kept long.
const LEVEL: u32 = 1;
const BUFFER: usize = 256 * 1024;

/// A tree that was read to its end.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) tree: Tree,
    spool: File,
    /// Where the members of each file are.
    members: HashMap<ArtifactPath, Range<u64>>,
}

impl Taken {
    /// Reads a tree; content waits in a nameless file in `folder`.
    pub(super) fn read(
        tar: impl Read,
        bounds: &TreeBounds,
        folder: &Path,
    ) -> Result<Self, TreeError> {
        let spool = nameless(folder).map_err(TreeError::Sink)?;
        let copy = spool.try_clone().map_err(TreeError::Sink)?;
        let mut out = MemberWriter::new(BufWriter::with_capacity(BUFFER, copy), LEVEL);
        let mut members = HashMap::new();
        let (mut current, mut start, mut size) = (None, 0, 0);
        let tree = read_tree(tar, bounds, |piece| match piece {
            Piece::File(entry) => {
                start = out.offset();
                current = Some(entry.path.clone());
                if let TreeKind::File { size: bytes, .. } = entry.kind {
                    size = bytes;
                }
                out.write(&TarForm::CANONICAL.header(entry))
            }
            Piece::Content(bytes) => out.write(bytes),
            Piece::End => {
                out.write(TarForm::padding(size))?;
                out.end_member()?;
                if let Some(path) = current.take() {
                    members.insert(path, start..out.offset());
                }
                Ok(())
            }
        })?;
        out.finish().map_err(TreeError::Sink)?;
        Ok(Self { tree, spool, members })
    }

    /// Writes the canonical tar, gzipped.
    pub(super) fn write(&self, out: impl Write) -> io::Result<()> {
        let mut out = MemberWriter::new(out, LEVEL);
        let mut written = 0;
        for entry in self.tree.entries() {
            written += match &entry.kind {
                TreeKind::File { size, .. } => {
                    self.copy(entry, &mut out)?;
                    let header = TarForm::CANONICAL.header(entry).len() as u64;
                    header + size + TarForm::padding(*size).len() as u64
                }
                TreeKind::Symlink(_) | TreeKind::Directory => {
                    let header = TarForm::CANONICAL.header(entry);
                    out.write(&header)?;
                    header.len() as u64
                }
            };
        }
        out.write(&TarForm::end(written))?;
        out.finish().map(drop)
    }

    fn copy(&self, entry: &TreeEntry, out: &mut MemberWriter<impl Write>) -> io::Result<()> {
        let range = self.members.get(&entry.path).cloned();
        let Range { mut start, end } =
            range.ok_or_else(|| io::Error::other("a file of the tree was not spooled"))?;
        let mut buffer = vec![0; BUFFER];
        while start < end {
            let most = usize::try_from(end - start).unwrap_or(BUFFER).min(BUFFER);
            self.spool.read_exact_at(&mut buffer[..most], start)?;
            out.put_raw(&buffer[..most])?;
            start += most as u64;
        }
        Ok(())
    }
}

/// A file that is gone when the program is.
fn nameless(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!("upload-{:032x}", rand::random::<u128>()));
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Digest, names};

    const BOUNDS: TreeBounds = TreeBounds { bytes: 1 << 20, entries: 100, depth: 10 };

    fn tar(names: &[&str]) -> Vec<u8> {
        let mut tar = Vec::new();
        for name in names {
            assert_eq!(names::problem(name.as_bytes()), None);
            let content = name.repeat(1_000);
            let (size, sha256) = (content.len() as u64, Digest::of(content.as_bytes()));
            let path = ArtifactPath::from_bytes(name.as_bytes()).unwrap();
            let kind = TreeKind::File { executable: false, size, sha256 };
            tar.extend(TarForm::CANONICAL.header(&TreeEntry { path, kind }));
            tar.extend(content.bytes());
            tar.extend(TarForm::padding(size));
        }
        let end = TarForm::end(tar.len() as u64);
        tar.extend(end);
        tar
    }

    fn take(tar: &[u8]) -> (Tree, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let taken = Taken::read(tar, &BOUNDS, folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut object = Vec::new();
        taken.write(&mut object).unwrap();
        (taken.tree, object)
    }

    #[test]
    fn the_object_is_the_same_in_whatever_order_files_come_and_reads_back() {
        let (tree, object) = take(&tar(&["a", "b", "c"]));
        let (again, same) = take(&tar(&["c", "a", "b"]));
        assert_eq!((tree.digest(), &object), (again.digest(), &same));
        let (third, stable) = take(&object);
        assert_eq!((third.digest(), stable), (tree.digest(), object));
    }
}
