//! Takes a tree in from a tar that anybody may have made, plain or gzipped.
//!
//! Bounds hold while it is read: a bomb ends at the bound and not when memory or disk do. Content
//! goes to whoever asked as it comes; nothing here keeps more than a buffer of it.

use std::io::{self, BufRead as _, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::{Tree, TreeBounds, TreeEntry, TreeError, TreeKind};
use crate::archive::{
    ArtifactPath, Hasher,
    tar_reader::{TarEntry, TarError, TarKind, TarReader},
};

const BUFFER: usize = 64 * 1024;
/// How every gzip file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads a tar and hands each file over: first the entry with everything but its digest, then its
/// content piece by piece. The tree is checked as a whole at the end.
pub fn read_tree(
    tar: impl Read,
    bounds: &TreeBounds,
    mut take: impl FnMut(Piece<'_>) -> io::Result<()>,
) -> Result<Tree, TreeError> {
    let mut input = BufReader::with_capacity(BUFFER, tar);
    let head = input.fill_buf().map_err(|error| TreeError::Tar(error.into()))?;
    if head.starts_with(&GZIP) {
        let inflated = BufReader::with_capacity(BUFFER, MultiGzDecoder::new(input));
        entries(TarReader::new(inflated), bounds, &mut take)
    } else {
        entries(TarReader::new(input), bounds, &mut take)
    }
}

/// A piece of what is read.
#[derive(Debug)]
pub enum Piece<'a> {
    /// A file begins; its digest is not known yet.
    File(&'a TreeEntry),
    /// Some of its content.
    Content(&'a [u8]),
    /// It is whole.
    End,
}

fn entries(
    mut tar: TarReader<impl Read>,
    bounds: &TreeBounds,
    take: &mut impl FnMut(Piece<'_>) -> io::Result<()>,
) -> Result<Tree, TreeError> {
    let mut found: Vec<TreeEntry> = Vec::new();
    let mut buffer = vec![0; BUFFER];
    let mut bytes = 0_u64;
    while let Some(TarEntry { name, kind, size, mode }) = tar.next_entry()? {
        let name = name.strip_suffix(b"/").unwrap_or(&name);
        if matches!(name, b"." | b"") && kind == TarKind::Directory {
            continue;
        }
        let path = ArtifactPath::from_tar_name(name)
            .map_err(|error| TreeError::entry(name, error.problem))?;
        bounds.check_path(&path)?;
        bytes = bytes.saturating_add(size);
        bounds.check_amount(found.len() as u64 + 1, bytes)?;
        let kind = match kind {
            TarKind::File => {
                let executable = mode & 0o100 != 0;
                let sha256 = Hasher::default().finish();
                let mut entry =
                    TreeEntry { path, kind: TreeKind::File { executable, size, sha256 } };
                take(Piece::File(&entry)).map_err(TreeError::Sink)?;
                let sha256 = content(&mut tar, &mut buffer, take)?;
                entry.kind = TreeKind::File { executable, size, sha256 };
                found.push(entry);
                continue;
            }
            TarKind::Symlink(target) => {
                TreeBounds::check_target(&path, &target)?;
                TreeKind::Symlink(target)
            }
            TarKind::Directory => TreeKind::Directory,
            TarKind::HardLink(_) => {
                let problem = "it is a hard link: send the file itself (tar --hard-dereference)";
                return Err(TreeError::entry(path.as_bytes(), problem));
            }
            TarKind::Other => {
                let problem = "it is a pipe or a device, which no source has";
                return Err(TreeError::entry(path.as_bytes(), problem));
            }
        };
        found.push(TreeEntry { path, kind });
    }
    Tree::new(found, bounds)
}

fn content(
    tar: &mut TarReader<impl Read>,
    buffer: &mut [u8],
    take: &mut impl FnMut(Piece<'_>) -> io::Result<()>,
) -> Result<crate::archive::Digest, TreeError> {
    let mut hasher = Hasher::default();
    loop {
        let read = match tar.read(buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(TreeError::Tar(TarError::Truncated));
            }
            Err(error) => return Err(TreeError::Tar(error.into())),
        };
        hasher.update(&buffer[..read]);
        take(Piece::Content(&buffer[..read])).map_err(TreeError::Sink)?;
    }
    take(Piece::End).map_err(TreeError::Sink)?;
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use tar::{Builder, EntryType, Header};

    use super::*;
    use crate::archive::Digest;

    const BOUNDS: TreeBounds = TreeBounds { bytes: 5_000, entries: 10, depth: 4 };

    fn tar(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (index, (name, kind, content)) in entries.iter().enumerate() {
            let mut header = Header::new_gnu();
            let field = &mut header.as_old_mut().name;
            field[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o640);
            header.set_uid(index as u64);
            header.set_mtime(1_000 * index as u64);
            let data = if *kind == EntryType::Regular {
                content.as_bytes()
            } else {
                header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
                b""
            };
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, data).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(9));
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(tar: &[u8]) -> Result<(Tree, Vec<u8>), TreeError> {
        let mut content = Vec::new();
        let tree = read_tree(tar, &BOUNDS, |piece| {
            match piece {
                Piece::File(entry) => content.extend(entry.path.as_bytes()),
                Piece::Content(bytes) => content.extend(bytes),
                Piece::End => content.push(b';'),
            }
            Ok(())
        })?;
        Ok((tree, content))
    }

    #[test]
    fn order_times_owners_and_compression_do_not_count() {
        let (file, link) = (EntryType::Regular, EntryType::Symlink);
        let one =
            tar(&[("./", EntryType::Directory, ""), ("./a", file, "1"), ("./l", link, "../x")]);
        let two = tar(&[("l", link, "../x"), ("a", file, "1")]);
        let (tree, content) = read(&one).unwrap();
        assert_eq!(content, b"a1;");
        let content = Digest::of(b"1");
        assert_eq!(
            tree.entries()[0].kind,
            TreeKind::File { executable: false, size: 1, sha256: content }
        );
        for other in [two.clone(), gzip(&one), gzip(&two)] {
            assert_eq!(read(&other).unwrap().0.digest(), tree.digest());
        }
    }

    #[test]
    fn hostile_tars_are_refused_with_their_reason() {
        let file = EntryType::Regular;
        let good = tar(&[("a", file, &"x".repeat(2_000))]);
        let half = &good[..1_000];
        let packed = gzip(&good);
        let bomb = gzip(&tar(&[("a", file, &"\0".repeat(1_000_000))]));
        let many: Vec<String> = (0..11).map(|n| format!("f{n}")).collect();
        let many: Vec<_> = many.iter().map(|name| (&**name, file, "")).collect();
        let mut lying = good.clone();
        lying[124..136].copy_from_slice(b"00000007777\0");
        for (bytes, problem) in [
            (tar(&[("../a", file, "1")]), "refused because of \"../a\""),
            (tar(&[("/a", file, "1")]), "refused because of \"/a\""),
            (tar(&[("a/../b", file, "1")]), "refused because of"),
            (tar(&[(".git/config", file, "1")]), "stands for .git"),
            (tar(&[("a", file, "1"), ("a", file, "2")]), "twice"),
            (tar(&[("a", EntryType::Symlink, "/"), ("a/b", file, "2")]), "below it"),
            (tar(&[("a", file, "1"), ("b", EntryType::Link, "a")]), "hard link"),
            (tar(&[("a", EntryType::Fifo, "")]), "pipe or a device"),
            (tar(&[("a", EntryType::Char, "")]), "pipe or a device"),
            (tar(&[("a", EntryType::GNUSparse, "")]), "sparse"),
            (tar(&[("a/b/c/d/e/f", file, "1")]), "nested deeper"),
            (tar(&many), "more than 10"),
            (tar(&[]), "empty"),
            (bomb, "more than 0 MiB"),
            (half.to_vec(), "cut off"),
            (packed[..packed.len() / 2].to_vec(), "refused"),
            (lying, "checksum"),
            (b"hello".to_vec(), "cut off"),
            (Vec::new(), "cut off"),
            (gzip(b""), "cut off"),
            ([&good[..], b"trailing"].concat(), "follows its end"),
        ] {
            let error = read(&bytes).unwrap_err().to_string();
            assert!(error.contains(problem), "{error} / {problem}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let _ = read(&bytes);
            if bytes.len() > 1 {
                bytes[..2].copy_from_slice(&GZIP);
                let _ = read(&bytes);
            }
        }
    }
}
