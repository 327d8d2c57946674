//! A pack of a few objects and its index, in memory: version 2 of both formats (gitformat-pack).
//!
//! Objects are stored whole. Deltas would save little on what is packed here, commits and trees, and
//! libgit2 gives out no index without writing files, which this process has no place for.

use std::io::{self, Write};

use flate2::{Compression, Crc, write::ZlibEncoder};
use git2::{ObjectType, Oid};
use sha1::{Digest, Sha1};

const ENTRIES_OFFSET: usize = 12;

/// A pack while objects are added.
#[derive(Debug)]
pub(super) struct Pack {
    bytes: Vec<u8>,
    entries: Vec<(Oid, u32, u32)>,
}

/// A finished one.
#[derive(Debug)]
pub(super) struct Packed {
    /// What its files are called, without their endings.
    pub(super) name: String,
    pub(super) pack: Vec<u8>,
    pub(super) index: Vec<u8>,
}

impl Pack {
    pub(super) fn new() -> Self {
        // The number of objects is written at the end.
        Self { bytes: [&b"PACK\0\0\0\x02"[..], &[0; 4]].concat(), entries: Vec::new() }
    }

    /// Adds an object, which must not be in it yet.
    pub(super) fn add(&mut self, id: Oid, kind: ObjectType, data: &[u8]) -> io::Result<()> {
        let start = self.bytes.len();
        let offset = u32::try_from(start).map_err(io::Error::other)?;
        self.bytes.extend(header(kind, data.len()));
        let mut encoder = ZlibEncoder::new(&mut self.bytes, Compression::fast());
        encoder.write_all(data)?;
        encoder.finish()?;
        let mut crc = Crc::new();
        crc.update(&self.bytes[start..]);
        self.entries.push((id, crc.sum(), offset));
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn finish(mut self) -> Packed {
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.bytes[ENTRIES_OFFSET - 4..ENTRIES_OFFSET].copy_from_slice(&count.to_be_bytes());
        let checksum = Sha1::digest(&self.bytes);
        self.bytes.extend_from_slice(&checksum);

        self.entries.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        let mut index = b"\xfftOc\0\0\0\x02".to_vec();
        for first in 0..=u8::MAX {
            let up_to = self.entries.partition_point(|entry| entry.0.as_bytes()[0] <= first);
            index.extend(u32::try_from(up_to).unwrap_or(u32::MAX).to_be_bytes());
        }
        self.entries.iter().for_each(|entry| index.extend_from_slice(entry.0.as_bytes()));
        self.entries.iter().for_each(|entry| index.extend(entry.1.to_be_bytes()));
        self.entries.iter().for_each(|entry| index.extend(entry.2.to_be_bytes()));
        index.extend_from_slice(&checksum);
        let of_index = Sha1::digest(&index);
        index.extend_from_slice(&of_index);
        Packed { name: format!("pack-{}", hex::encode(checksum)), pack: self.bytes, index }
    }
}

/// Kind and size, seven bits a byte but for the first, which has four of the size.
fn header(kind: ObjectType, size: usize) -> Vec<u8> {
    let kind: u8 = match kind {
        ObjectType::Commit => 1,
        ObjectType::Tree => 2,
        ObjectType::Blob => 3,
        _ => 4,
    };
    let low = |size: usize, bits: u8| u8::try_from(size & ((1 << bits) - 1)).unwrap_or(0);
    let mut header = vec![kind << 4 | low(size, 4)];
    let mut rest = size >> 4;
    while rest > 0 {
        if let Some(last) = header.last_mut() {
            *last |= 0x80;
        }
        header.push(low(rest, 7));
        rest >>= 7;
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libgit2_reads_what_was_packed() {
        let folder = tempfile::tempdir().unwrap();
        let repository = git2::Repository::init_bare(folder.path()).unwrap();
        let objects: Vec<Vec<u8>> =
            [0_usize, 1, 15, 16, 2_047, 2_048, 300_000].map(|size| vec![b'x'; size]).into();
        let mut pack = Pack::new();
        let mut ids = Vec::new();
        for data in &objects {
            let id = Oid::hash_object(ObjectType::Blob, data).unwrap();
            pack.add(id, ObjectType::Blob, data).unwrap();
            ids.push(id);
        }
        let packed = pack.finish();
        for (end, bytes) in [("pack", &packed.pack), ("idx", &packed.index)] {
            let path = folder.path().join(format!("objects/pack/{}.{end}", packed.name));
            std::fs::write(path, bytes).unwrap();
        }
        let odb = repository.odb().unwrap();
        for (id, data) in ids.iter().zip(&objects) {
            assert_eq!(odb.read(*id).unwrap().data(), data);
        }
        let mut found = 0;
        odb.foreach(|_| {
            found += 1;
            true
        })
        .unwrap();
        assert_eq!(found, objects.len());
    }
}
