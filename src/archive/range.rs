//! Which bytes of an archive hold a part of a file, and getting them out.
//!
//! A file's members inflate to 1 MiB each, header first; so a byte's member is a division away.
//! Each member is inflated alone, with memory and work bounded by what the manifest says.

use std::{io, ops::Range};

use super::{
    ManifestEntry,
    gzip::{GzipError, inflate},
    pack::MEMBER_BYTES,
};

/// A part of a file cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// The range is not inside the file.
    #[error("bytes {0:?} are not inside the file")]
    Outside(Range<u64>),
    /// The manifest contradicts itself: it was not checked.
    #[error("the manifest's entry does not fit the file")]
    Manifest,
    /// The archive is not what the manifest says.
    #[error("the archive is damaged: {0}")]
    Damaged(#[from] GzipError),
    /// Reading the archive failed.
    #[error("reading the archive: {0}")]
    Io(#[from] io::Error),
}

/// One member to fetch, and what of it is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slice {
    /// Its bytes in the archive.
    pub compressed: Range<u64>,
    /// What it inflates to.
    pub raw_bytes: usize,
    /// What is wanted of that.
    pub take: Range<usize>,
}

impl ManifestEntry {
    /// The members that hold bytes `range` of this file, in order.
    pub fn slices(&self, range: Range<u64>) -> Result<Vec<Slice>, RangeError> {
        if range.start > range.end || range.end > self.size {
            return Err(RangeError::Outside(range));
        }
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let total = self.raw_bytes().ok_or(RangeError::Manifest)?;
        let skip = u64::from(self.skip);
        let (start, end) = (range.start + skip, range.end + skip);
        let mut slices = Vec::new();
        let (mut offset, mut raw_start) = (self.offset, 0);
        for &length in &self.members {
            if raw_start >= end {
                break;
            }
            let next = offset.checked_add(u64::from(length)).ok_or(RangeError::Manifest)?;
            let raw_end = total.min(raw_start + MEMBER_BYTES);
            if raw_end > start {
                let local = |at: u64| {
                    let at = at.clamp(raw_start, raw_end) - raw_start;
                    usize::try_from(at).expect("a member is at most 1 MiB")
                };
                slices.push(Slice {
                    compressed: offset..next,
                    raw_bytes: local(raw_end),
                    take: local(start)..local(end),
                });
            }
            (offset, raw_start) = (next, raw_end);
        }
        // Too few members would otherwise cut the answer short.
        if raw_start < end {
            return Err(RangeError::Manifest);
        }
        Ok(slices)
    }
}

impl Slice {
    /// What is wanted, out of the member's compressed bytes.
    pub fn open(&self, member: &[u8]) -> Result<Vec<u8>, RangeError> {
        let mut raw = inflate(member, self.raw_bytes)?;
        raw.truncate(self.take.end);
        raw.drain(..self.take.start);
        Ok(raw)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read};

    use proptest::{collection, prelude::*, sample::Index};

    use super::*;
    use crate::archive::{
        ArtifactPath, Digest, FileKind, Manifest, ManifestHeader, PackError,
        filter::{Content, Entry},
        pack::{Packed, Packer},
    };

    type Change = fn(&mut Manifest);
    type Files = BTreeMap<ArtifactPath, Vec<u8>>;

    fn file(path: &ArtifactPath, content: &[u8]) -> Entry {
        Entry { path: path.clone(), mode: 0o644, content: Content::File(content.len() as u64) }
    }

    fn pack(files: &Files) -> (Vec<u8>, Packed) {
        let mut packer = Packer::new(Vec::new(), 1_700_000_000);
        for (path, content) in files {
            packer.add(file(path, content), &mut &content[..]).unwrap();
        }
        packer.finish().unwrap()
    }

    fn manifest(packed: Packed) -> Manifest {
        let header = ManifestHeader {
            revision: "r".to_owned(),
            toolchain: "gcc:14".to_owned(),
            image: "sha256:0".to_owned(),
            compiler: None,
            job: "j".to_owned(),
            attempt: 1,
            modified: 0,
        };
        Manifest::new(header, packed)
    }

    fn part(archive: &[u8], entry: &ManifestEntry, range: Range<u64>) -> Vec<u8> {
        let slices = entry.slices(range).unwrap();
        let bytes = |range: &Range<u64>| {
            &archive[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
        };
        slices.iter().flat_map(|slice| slice.open(bytes(&slice.compressed)).unwrap()).collect()
    }

    fn any_files() -> impl Strategy<Value = Files> {
        let path = prop_oneof!["[a-z]{1,3}", "[a-c]\\.d/[a-z\\xff]{1,3}", "[a-z]{120,180}"]
            .prop_map(|text| text.parse().unwrap());
        let size = prop_oneof![
            4 => 0..3000_usize,
            2 => (1 << 20) - 1500..(1 << 20) + 10_usize,
            1 => 2_000_000..2_200_000_usize,
        ];
        let content = (size, any::<u8>(), 1..5000_usize).prop_map(|(size, seed, period)| {
            let byte = |at: usize| u8::try_from((at / 7 + at % period) % 251).unwrap();
            (0..size).map(|at| byte(at).wrapping_add(seed)).collect()
        });
        collection::btree_map(path, content, 0..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn any_range_of_any_file_is_a_slice_of_it(
            files in any_files(),
            cuts in collection::vec((any::<Index>(), any::<Index>()), 4),
        ) {
            let (archive, packed) = pack(&files);
            let manifest = manifest(packed);
            prop_assert_eq!(manifest.check(), Ok(()));
            let text = serde_json::to_string(&manifest).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Manifest>(&text).unwrap(), &manifest);
            for (path, content) in &files {
                let entry = manifest.file(path).unwrap();
                prop_assert_eq!(entry.sha256, Digest::of(content));
                prop_assert_eq!(&part(&archive, entry, 0..entry.size), content);
                for (a, b) in &cuts {
                    let (a, b) = (a.index(content.len() + 1), b.index(content.len() + 1));
                    let (a, b) = (a.min(b), a.max(b));
                    prop_assert_eq!(&part(&archive, entry, a as u64..b as u64), &content[a..b]);
                }
                let beyond = entry.slices(0..entry.size + 1);
                prop_assert!(matches!(beyond, Err(RangeError::Outside(_))));
            }
        }

        #[test]
        fn any_tar_reads_the_whole_archive(files in any_files()) {
            let (archive, packed) = pack(&files);
            prop_assert_eq!(&pack(&files), &(archive.clone(), packed.clone()));
            prop_assert_eq!(packed.archive_bytes, archive.len() as u64);
            let mut tar = Vec::new();
            flate2::read::MultiGzDecoder::new(&archive[..]).read_to_end(&mut tar).unwrap();
            prop_assert_eq!(Digest::of(&tar), packed.tar_sha256);
            prop_assert_eq!(tar.len() as u64, packed.tar_bytes);
            let mut found = Files::new();
            for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
                let mut entry = entry.unwrap();
                prop_assert_eq!(entry.header().mtime().unwrap(), 1_700_000_000);
                prop_assert_eq!(entry.header().uid().unwrap(), 0);
                let path = ArtifactPath::from_bytes(&entry.path_bytes()).unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                found.insert(path, content);
            }
            prop_assert_eq!(found, files);
        }
    }

    #[test]
    fn links_name_what_they_lead_to() {
        let path = |text: &str| text.parse::<ArtifactPath>().unwrap();
        let entry = |at: &str, content| Entry { path: path(at), mode: 0o755, content };
        let mut packer = Packer::new(Vec::new(), -5);
        let none = &mut io::empty();
        let elf = [&b"\x7fELF\x02\x01"[..], &[0; 10], b"\x03\0", &[0; 46]].concat();
        packer.add(entry("lib.so", Content::Symlink(b"lib.so.1".to_vec())), none).unwrap();
        packer.add(entry("lib.so.1", Content::File(64)), &mut &elf[..]).unwrap();
        packer.add(entry("libhard.so", Content::HardLink(path("lib.so.1"))), none).unwrap();
        packer.add(entry("loop", Content::Symlink(b"loop2".to_vec())), none).unwrap();
        packer.add(entry("loop2", Content::Symlink(b"./loop".to_vec())), none).unwrap();
        let (archive, packed) = packer.finish().unwrap();
        let manifest = manifest(packed);
        manifest.check().unwrap();
        for name in ["lib.so", "lib.so.1", "libhard.so"] {
            let entry = manifest.file(&path(name)).unwrap();
            assert_eq!(entry.kind, FileKind::SharedLibrary);
            assert_eq!(part(&archive, entry, 1..4), b"ELF", "{name}");
        }
        assert!(manifest.file(&path("loop")).is_none());
        assert!(manifest.file(&path("none")).is_none());
    }

    #[test]
    fn what_cannot_be_packed_is_an_error() {
        let path = |text: &str| text.parse::<ArtifactPath>().unwrap();
        let mut packer = Packer::new(Vec::new(), 0);
        packer.add(file(&path("b"), b"x"), &mut &b"x"[..]).unwrap();
        for again in ["a", "b"] {
            let error = packer.add(file(&path(again), b""), &mut io::empty()).unwrap_err();
            assert!(matches!(error, PackError::OutOfOrder(_)));
        }
        let link = Entry { content: Content::HardLink(path("z")), ..file(&path("c"), b"") };
        let error = packer.add(link, &mut io::empty()).unwrap_err();
        assert!(matches!(error, PackError::HardLink(_)));
        let error = packer.add(file(&path("d"), b"long"), &mut &b"lon"[..]).unwrap_err();
        assert!(matches!(error, PackError::Short(_)));
    }

    #[test]
    fn a_manifest_that_cannot_be_true_is_refused() {
        let files: Files = [("a", 10), ("b", 3_000_000), ("d/e", 1)]
            .map(|(name, size)| (name.parse().unwrap(), vec![1; size]))
            .into();
        let (_, packed) = pack(&files);
        let good = manifest(packed);
        let changes: [(&str, Change); 13] = [
            ("version", |m| m.version = 2),
            ("order", |m| m.files.swap(0, 1)),
            ("twice", |m| m.files[1] = m.files[0].clone()),
            ("below a file", |m| m.files[1].path = "a/b".parse().unwrap()),
            ("mode", |m| m.files[0].mode = 0o4755),
            ("target of a file", |m| m.files[0].target = Some("b".to_owned())),
            ("symlink without target", |m| m.files[0].kind = FileKind::Symlink),
            ("size", |m| m.files[0].size = u64::MAX),
            ("other size", |m| m.files[1].size = 10),
            ("skip", |m| m.files[0].skip = 100),
            ("offset", |m| m.files[0].offset = u64::MAX),
            ("members", |m| m.files[1].members[1] = u32::MAX),
            ("fewer members", |m| m.files[1].members.truncate(2)),
        ];
        for (what, change) in changes {
            let mut bad = good.clone();
            change(&mut bad);
            assert!(bad.check().is_err(), "{what}");
            for entry in &bad.files {
                let _ = entry.slices(0..entry.size);
            }
        }
    }
}
