//! The tar that a tree is sent, kept and unpacked as: pure functions from an entry to its blocks.
//!
//! What readers take without surprises: uncompressed inside, folders explicit, names byte for byte
//! (GNU long names, never PAX text), one owner and one time.

use tar::{EntryType, Header};

use super::{TreeEntry, TreeKind};

const BLOCK: u64 = 512;
/// The record size that tar readers expect the whole to be a multiple of.
const RECORD: u64 = 10_240;
/// What fits into the name and link fields of a header with its NUL byte.
const FIELD: usize = 100;
/// The user and group that builds run as.
const BUILDER: u64 = 10_240;

/// What all entries of a tar have in common.
#[derive(Clone, Copy, Debug)]
pub struct TarForm {
    prefix: &'static [u8],
    owner: u64,
    time: u64,
}

impl TarForm {
    /// The form that is sent and kept: no time, no owner.
    pub const CANONICAL: Self = Self { prefix: b"", owner: 0, time: 0 };

    /// The form that a sandbox unpacks: below `src/`, owned by whoever builds, with one time in
    /// seconds since the epoch.
    pub const fn of_source(time: u64) -> Self {
        Self { prefix: b"src/", owner: BUILDER, time }
    }

    /// What stands before an entry's content.
    pub fn header(&self, entry: &TreeEntry) -> Vec<u8> {
        let mut name = [self.prefix, entry.path.as_bytes()].concat();
        let mut blocks = Vec::with_capacity(2 * 512);
        match &entry.kind {
            TreeKind::File { executable, size, .. } => {
                self.long(EntryType::GNULongName, &name, &mut blocks);
                let mode = if *executable { 0o755 } else { 0o644 };
                self.block((EntryType::Regular, mode, *size), &name, b"", &mut blocks);
            }
            TreeKind::Symlink(target) => {
                self.long(EntryType::GNULongLink, target, &mut blocks);
                self.long(EntryType::GNULongName, &name, &mut blocks);
                self.block((EntryType::Symlink, 0o777, 0), &name, target, &mut blocks);
            }
            TreeKind::Directory => {
                name.push(b'/');
                self.long(EntryType::GNULongName, &name, &mut blocks);
                self.block((EntryType::Directory, 0o755, 0), &name, b"", &mut blocks);
            }
        }
        blocks
    }

    /// What stands before everything: the folder that the prefix names, if there is one.
    pub fn begin(&self) -> Vec<u8> {
        let mut blocks = Vec::new();
        if !self.prefix.is_empty() {
            self.block((EntryType::Directory, 0o755, 0), self.prefix, b"", &mut blocks);
        }
        blocks
    }

    /// What follows the content of a file.
    pub fn padding(size: u64) -> &'static [u8] {
        let rest = size.next_multiple_of(BLOCK) - size;
        &[0; 512][..usize::try_from(rest).expect("less than a block")]
    }

    /// The end, after `written` bytes: without it, a tar that was cut off would look whole.
    pub fn end(written: u64) -> Vec<u8> {
        let whole = (written + 2 * BLOCK).next_multiple_of(RECORD);
        vec![0; usize::try_from(whole - written).expect("a record and two blocks at most")]
    }

    /// The extra entry that carries a name which does not fit into a header.
    fn long(&self, kind: EntryType, name: &[u8], blocks: &mut Vec<u8>) {
        if name.len() < FIELD {
            return;
        }
        let size = name.len() as u64 + 1;
        self.block((kind, 0o644, size), b"././@LongLink", b"", blocks);
        blocks.extend_from_slice(name);
        blocks.push(0);
        blocks.extend_from_slice(Self::padding(size));
    }

    fn block(
        &self,
        (kind, mode, size): (EntryType, u32, u64),
        name: &[u8],
        target: &[u8],
        blocks: &mut Vec<u8>,
    ) {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(self.owner);
        header.set_gid(self.owner);
        header.set_mtime(self.time);
        header.set_size(size);
        let fields = header.as_old_mut();
        let fit = |name: &[u8]| name.len().min(FIELD);
        fields.name[..fit(name)].copy_from_slice(&name[..fit(name)]);
        fields.linkname[..fit(target)].copy_from_slice(&target[..fit(target)]);
        header.set_cksum();
        blocks.extend_from_slice(header.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{
        ArtifactPath, Digest,
        tar_reader::{TarKind, TarReader},
    };

    #[test]
    fn what_is_written_reads_back_byte_for_byte() {
        let long = [&[b'a'; 200][..], b"/", &[0xff; 200]].concat();
        let kinds = [
            (TreeKind::File { executable: true, size: 5, sha256: Digest::of(b"hello") }, 0o755),
            (TreeKind::Symlink(vec![b'.'; 300]), 0o777),
            (TreeKind::Directory, 0o755),
        ];
        let form = TarForm::of_source(12);
        let mut tar = form.begin();
        for (kind, _) in &kinds {
            let path = ArtifactPath::from_bytes(&long).unwrap();
            tar.extend(form.header(&TreeEntry { path, kind: kind.clone() }));
            if let TreeKind::File { size, .. } = kind {
                tar.extend(b"hello");
                tar.extend(TarForm::padding(*size));
            }
        }
        tar.extend(TarForm::end(tar.len() as u64));
        assert_eq!(tar.len() as u64 % RECORD, 0);

        let mut reader = TarReader::new(&tar[..]);
        let first = reader.next_entry().unwrap().unwrap();
        assert_eq!((first.name.as_slice(), first.kind), (&b"src/"[..], TarKind::Directory));
        for (kind, mode) in kinds {
            let entry = reader.next_entry().unwrap().unwrap();
            let name = entry.name.strip_suffix(b"/").unwrap_or(&entry.name);
            assert_eq!(name, [&b"src/"[..], &long].concat());
            assert_eq!(entry.mode, mode);
            match (kind, entry.kind) {
                (TreeKind::File { size, .. }, TarKind::File) => assert_eq!(entry.size, size),
                (TreeKind::Symlink(target), TarKind::Symlink(read)) => assert_eq!(read, target),
                (TreeKind::Directory, TarKind::Directory) => {}
                (kind, read) => panic!("{kind:?} became {read:?}"),
            }
        }
        assert!(reader.next_entry().unwrap().is_none());
    }
}
