//! The whole way in: a hostile tar becomes the archive, in one pass over a bounded buffer.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
};

use super::{
    ArtifactPath, Bounds, FilterError, PackError, Packed,
    filter::{Filter, Skipped},
    pack::Packer,
};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Order {
    /// The files to keep; the tar must hold them in this order (sorted by bytes).
    pub paths: BTreeSet<ArtifactPath>,
    /// The most that the tar may hold.
    pub bounds: Bounds,
    /// The time that every entry gets, in seconds since the epoch.
    pub modified: i64,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repacked {
    /// The archive.
    pub packed: Packed,
    /// Entries that were left out.
    pub skipped: Vec<Skipped>,
    /// Paths that were asked for and did not come.
    pub missing: Vec<ArtifactPath>,
}

/// The tar could not be made into an archive. What was written so far is worthless.
#[derive(Debug, thiserror::Error)]
pub enum RepackError {
    /// The tar is not accepted.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The archive cannot be written.
    #[error(transparent)]
    Pack(#[from] PackError),
}

impl RepackError {
    /// Whether the build's files are beyond the bounds: the one case that is the build's fault.
    pub const fn is_limit(&self) -> bool {
        matches!(self, Self::Filter(FilterError::TooManyBytes(_) | FilterError::TooManyEntries(_)))
    }
}

/// Reads a tar from `input`, writes what `order` asks for as an archive to `output`.
pub fn repack(input: impl Read, output: impl Write, order: Order) -> Result<Repacked, RepackError> {
    let mut filter = Filter::new(input, order.paths, order.bounds)?;
    let mut packer = Packer::new(output, order.modified);
    while let Some(entry) = filter.next_entry()? {
        packer.add(entry, &mut filter)?;
    }
    let missing = filter.missing().cloned().collect();
    let skipped = filter.skipped().to_vec();
    let (_, packed) = packer.finish()?;
    Ok(Repacked { packed, skipped, missing })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(paths: &[&str]) -> Order {
        let paths = paths.iter().map(|path| path.parse().unwrap()).collect();
        Order { paths, bounds: Bounds { bytes: 1 << 20, entries: 100 }, modified: 7 }
    }

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o6777);
            header.set_mtime(u64::MAX);
            header.set_uid(1000);
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn what_was_asked_for_is_packed_and_the_rest_is_reported() {
        let long = "d/".repeat(120) + "f";
        let input = tar(&[("a", b"A"), ("b", b"B"), (&long, b"#!/bin/sh\n")]);
        let mut archive = Vec::new();
        let out = repack(&input[..], &mut archive, order(&["a", &long, "gone"])).unwrap();
        let names: Vec<_> = out.packed.files.iter().map(|file| file.path.to_string()).collect();
        assert_eq!(names, ["a", &long]);
        assert_eq!(out.missing, ["gone".parse().unwrap()]);
        assert_eq!(out.skipped.len(), 1);
        assert_eq!(out.packed.archive_bytes, archive.len() as u64);
        // Owners, times and odd mode bits of the input leave no trace.
        let mut plain = tar::Builder::new(Vec::new());
        for (name, content) in [("a", &b"A"[..]), (&long, b"#!/bin/sh\n")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            plain.append_data(&mut header, name, content).unwrap();
        }
        let plain = plain.into_inner().unwrap();
        let again = repack(&plain[..], Vec::new(), order(&["a", &long])).unwrap();
        assert_eq!(again.packed, out.packed);
    }

    #[test]
    fn bad_input_is_told_from_too_much() {
        let input = tar(&[("b", &[0; 3000]), ("a", b"")]);
        let small = Order { bounds: Bounds { bytes: 2999, entries: 9 }, ..order(&["b"]) };
        assert!(repack(&input[..], Vec::new(), small).unwrap_err().is_limit());
        for (what, input, paths) in [
            ("cut off", &input[..2000], &["b"][..]),
            ("unsorted", &input[..], &["a", "b"]),
            ("empty", &[][..], &[]),
        ] {
            let error = repack(input, Vec::new(), order(paths)).unwrap_err();
            assert!(!error.is_limit(), "{what}");
        }
    }
}
