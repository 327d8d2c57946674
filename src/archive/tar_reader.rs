//! Reads a tar from somebody who may mean harm, entry by entry and strictly.
//!
//! The `tar` crate decodes the fields, but its iterator is too lenient for this: it reads long
//! names of any declared length into memory, splits PAX records at newlines that may be part of a
//! name, and takes an archive without its end for whole. Here whatever two readers could
//! understand differently is an error: sparse files, sizes on links, two names for one entry.

use std::io::{self, Read};

use tar::{EntryType, Header};

const BLOCK: usize = 512;
/// The longest extension record (a long name, PAX attributes): two paths of 4 KiB and some more.
const MAX_EXTENSION: u64 = 64 * 1024;
/// Zero blocks that may follow the end: GNU tar fills up to its record size, 10 KiB by default.
const MAX_PADDING: u64 = 1 << 20;

/// The tar cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// Reading failed below.
    #[error("reading the tar: {0}")]
    Io(#[from] io::Error),
    /// It ends too early.
    #[error("the tar is cut off")]
    Truncated,
    /// It is not a tar, or one that readers disagree about.
    #[error("the tar is malformed: {0}")]
    Malformed(&'static str),
}

/// An entry's header, with long names resolved. Everything in it is hostile.
#[derive(Clone, Debug)]
pub struct TarEntry {
    /// Its name.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: TarKind,
    /// Bytes of content that follow.
    pub size: u64,
    /// Mode bits as written.
    pub mode: u32,
}

/// What an entry is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TarKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symlink with this target.
    Symlink(Vec<u8>),
    /// A hard link to the entry of this name.
    HardLink(Vec<u8>),
    /// A pipe or device.
    Other,
}

/// Reads entries and their content.
#[derive(Debug)]
pub struct TarReader<R> {
    inner: R,
    /// Content bytes of the current entry that were not read yet.
    content: u64,
    /// Filler after the content.
    padding: u64,
}

impl<R: Read> TarReader<R> {
    /// A reader over `inner`.
    pub fn new(inner: R) -> Self {
        Self { inner, content: 0, padding: 0 }
    }

    /// The next entry, or none at the archive's proper end. What was not read of the one before
    /// is skipped.
    pub fn next_entry(&mut self) -> Result<Option<TarEntry>, TarError> {
        let mut extension = Extension::default();
        loop {
            self.skip_content()?;
            let Some(header) = self.header()? else {
                if extension.is_empty() {
                    return Ok(None);
                }
                return Err(TarError::Malformed("an extension describes no entry"));
            };
            let size = header.entry_size().map_err(|_| TarError::Malformed("bad size"))?;
            match header.entry_type() {
                EntryType::GNULongName => {
                    set(&mut extension.name, trim_nul(self.extension(size)?))?;
                }
                EntryType::GNULongLink => {
                    set(&mut extension.link, trim_nul(self.extension(size)?))?;
                }
                EntryType::XHeader => extension.take_pax(&self.extension(size)?)?,
                EntryType::XGlobalHeader => {
                    // git and others write a comment; anything else would change later entries.
                    let record = self.extension(size)?;
                    if pax_records(&record)?.iter().any(|(key, _)| *key != b"comment") {
                        return Err(TarError::Malformed("global attributes"));
                    }
                }
                kind => return self.entry(&header, kind, size, extension).map(Some),
            }
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        kind: EntryType,
        size: u64,
        extension: Extension,
    ) -> Result<TarEntry, TarError> {
        let name = extension.name.unwrap_or_else(|| header.path_bytes().into_owned());
        let link = extension
            .link
            .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
            .unwrap_or_default();
        let size = extension.size.unwrap_or(size);
        let kind = match kind {
            EntryType::Regular if name.ends_with(b"/") => TarKind::Directory,
            EntryType::Regular => TarKind::File,
            EntryType::Directory => TarKind::Directory,
            EntryType::Symlink => TarKind::Symlink(link),
            EntryType::Link => TarKind::HardLink(link),
            EntryType::Fifo | EntryType::Char | EntryType::Block => TarKind::Other,
            EntryType::GNUSparse => return Err(TarError::Malformed("a sparse file")),
            _ => return Err(TarError::Malformed("an entry of unknown type")),
        };
        if kind != TarKind::File && size != 0 {
            return Err(TarError::Malformed("content where there can be none"));
        }
        let mode = header.mode().map_err(|_| TarError::Malformed("bad mode"))?;
        self.expect_content(size)?;
        Ok(TarEntry { name, kind, size, mode })
    }

    fn expect_content(&mut self, size: u64) -> Result<(), TarError> {
        let padded = size.checked_next_multiple_of(BLOCK as u64);
        let padded = padded.ok_or(TarError::Malformed("bad size"))?;
        (self.content, self.padding) = (size, padded - size);
        Ok(())
    }

    fn skip_content(&mut self) -> Result<(), TarError> {
        let left = self
            .content
            .checked_add(std::mem::take(&mut self.padding))
            .ok_or(TarError::Malformed("bad size"))?;
        self.content = 0;
        let skipped = io::copy(&mut (&mut self.inner).take(left), &mut io::sink())?;
        if skipped == left { Ok(()) } else { Err(TarError::Truncated) }
    }

    /// The next header; none at the end, which is two zero blocks and nothing but zeros after it.
    fn header(&mut self) -> Result<Option<Header>, TarError> {
        let mut header = Header::new_old();
        self.block(header.as_mut_bytes())?;
        if header.as_bytes().iter().all(|&b| b == 0) {
            self.block(header.as_mut_bytes())?;
            let mut rest = Vec::new();
            (&mut self.inner).take(MAX_PADDING).read_to_end(&mut rest)?;
            let full = rest.len() as u64 == MAX_PADDING;
            if full || header.as_bytes().iter().chain(&rest).any(|&b| b != 0) {
                return Err(TarError::Malformed("something follows its end"));
            }
            return Ok(None);
        }
        let bytes = header.as_bytes();
        let sum: u32 = bytes[..148].iter().chain(&bytes[156..]).map(|&b| u32::from(b)).sum();
        match header.cksum() {
            Ok(expected) if expected == sum + 8 * u32::from(b' ') => Ok(Some(header)),
            _ => Err(TarError::Malformed("a header's checksum is wrong")),
        }
    }

    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<(), TarError> {
        self.inner.read_exact(block).map_err(cut_off)
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        if size > MAX_EXTENSION {
            return Err(TarError::Malformed("an extension is too long"));
        }
        self.expect_content(size)?;
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map_err(cut_off)?;
        Ok(bytes)
    }
}

/// Reads the current entry's content. An archive that ends inside it is an error.
impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.content).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.inner.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.content -= read as u64;
        Ok(read)
    }
}

fn cut_off(error: io::Error) -> TarError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => TarError::Truncated,
        _ => TarError::Io(error),
    }
}

/// What extension records say about the entry after them.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    pax: bool,
}

impl Extension {
    fn is_empty(&self) -> bool {
        self.name.is_none() && self.link.is_none() && !self.pax
    }

    fn take_pax(&mut self, record: &[u8]) -> Result<(), TarError> {
        if std::mem::replace(&mut self.pax, true) {
            return Err(TarError::Malformed("two attribute records for one entry"));
        }
        for (key, value) in pax_records(record)? {
            match key {
                b"path" => set(&mut self.name, value.to_vec())?,
                b"linkpath" => set(&mut self.link, value.to_vec())?,
                b"size" => {
                    let size = decimal(value).ok_or(TarError::Malformed("bad size"))?;
                    set(&mut self.size, size)?;
                }
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err(TarError::Malformed("a sparse file"));
                }
                // Times, owners, extended attributes: nothing of them is kept.
                _ => {}
            }
        }
        Ok(())
    }
}

fn set<T>(slot: &mut Option<T>, value: T) -> Result<(), TarError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(TarError::Malformed("one attribute given twice")),
    }
}

fn trim_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

/// A key and its value.
type Record<'a> = (&'a [u8], &'a [u8]);

/// The records of a PAX header: `length key=value\n`, the length counting all of it.
fn pax_records(mut bytes: &[u8]) -> Result<Vec<Record<'_>>, TarError> {
    let bad = || TarError::Malformed("bad attribute record");
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().take(20).position(|&b| b == b' ').ok_or_else(bad)?;
        let length = decimal(&bytes[..space]).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(bad)?;
        let record = bytes.get(space + 1..length).ok_or_else(bad)?;
        let record = record.strip_suffix(b"\n").ok_or_else(bad)?;
        let equals = record.iter().position(|&b| b == b'=').ok_or_else(bad)?;
        records.push((&record[..equals], &record[equals + 1..]));
        bytes = &bytes[length..];
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: EntryType, name: &[u8], size: u64) -> Vec<u8> {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    fn entry(kind: EntryType, name: &[u8], content: &[u8]) -> Vec<u8> {
        let mut bytes = header(kind, name, content.len() as u64);
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    fn end() -> Vec<u8> {
        vec![0; 2 * BLOCK]
    }

    type NameAndContent = (Vec<u8>, Vec<u8>);

    fn read(tar: &[u8]) -> Result<Vec<NameAndContent>, TarError> {
        let mut reader = TarReader::new(tar);
        let mut entries = Vec::new();
        while let Some(entry) = reader.next_entry()? {
            let mut content = Vec::new();
            reader.read_to_end(&mut content)?;
            entries.push((entry.name, content));
        }
        Ok(entries)
    }

    #[test]
    fn long_and_odd_names_come_through() {
        use EntryType::{GNULongName, Regular, XGlobalHeader, XHeader};
        let long = b"d/".repeat(1000);
        let long = [&long[..], b"f"].concat();
        let pax = b"13 path=a\nb\xff\n10 size=1\n";
        for (tar, name) in [
            ([entry(Regular, b"plain", b"x"), end()].concat(), &b"plain"[..]),
            ([entry(GNULongName, b"l", &long), entry(Regular, b"d", b"x"), end()].concat(), &long),
            ([entry(XHeader, b"p", pax), entry(Regular, b"d", b"x"), end()].concat(), b"a\nb\xff"),
            (
                [entry(XGlobalHeader, b"g", b"13 comment=x\n"), entry(Regular, b"d", b"x"), end()]
                    .concat(),
                b"d",
            ),
        ] {
            assert_eq!(read(&tar).unwrap(), [(name.to_vec(), b"x".to_vec())]);
        }
    }

    #[test]
    fn what_readers_could_disagree_about_is_refused() {
        use EntryType::{
            Continuous, Directory, GNULongName, GNUSparse, Regular, Symlink, XGlobalHeader, XHeader,
        };
        let file = || entry(Regular, b"f", b"x");
        let mut sum = file();
        sum[0] ^= 1;
        let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
            ("wrong checksum", vec![sum, end()]),
            ("sparse", vec![entry(GNUSparse, b"s", b"x"), end()]),
            ("unknown type", vec![entry(Continuous, b"s", b"x"), end()]),
            ("pax sparse", vec![entry(XHeader, b"p", b"22 GNU.sparse.major=1\n"), file(), end()]),
            ("global size", vec![entry(XGlobalHeader, b"g", b"10 size=1\n"), file(), end()]),
            (
                "two long names",
                vec![entry(GNULongName, b"l", b"a"), entry(GNULongName, b"l", b"b"), file(), end()],
            ),
            (
                "two kinds of long name",
                vec![
                    entry(GNULongName, b"l", b"a"),
                    entry(XHeader, b"p", b"10 path=b\n"),
                    file(),
                    end(),
                ],
            ),
            ("two pax", vec![entry(XHeader, b"p", b""), entry(XHeader, b"p", b""), file(), end()]),
            ("path twice", vec![entry(XHeader, b"p", b"10 path=b\n10 path=c\n"), file(), end()]),
            (
                "pax size beyond",
                vec![entry(XHeader, b"p", b"29 size=18446744073709551615\n"), file(), end()],
            ),
            ("pax negative", vec![entry(XHeader, b"p", b"11 size=-1\n"), file(), end()]),
            ("pax bad length", vec![entry(XHeader, b"p", b"99 path=b\n"), file(), end()]),
            ("pax no equals", vec![entry(XHeader, b"p", b"9 path b\n"), file(), end()]),
            ("pax huge", vec![header(XHeader, b"p", 1 << 40), file(), end()]),
            ("long name huge", vec![header(GNULongName, b"p", 1 << 40), file(), end()]),
            ("pax for nothing", vec![file(), entry(XHeader, b"p", b"10 path=b\n"), end()]),
            ("size on a symlink", vec![entry(Symlink, b"s", b"x"), end()]),
            ("size on a directory", vec![entry(Directory, b"s", b"x"), end()]),
            ("no end", vec![file()]),
            ("half an end", vec![file(), vec![0; BLOCK]]),
            ("junk after the end", vec![file(), end(), b"junk".to_vec()]),
            ("an entry after the end", vec![file(), end(), file(), end()]),
            ("an entry after half an end", vec![file(), vec![0; BLOCK], file(), end()]),
            ("zeros without end", vec![file(), vec![0; 2 << 20]]),
            ("nothing", vec![]),
            ("noise", vec![vec![7; 2048]]),
        ];
        for (what, parts) in cases {
            assert!(read(&parts.concat()).is_err(), "{what}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let tar = [entry(EntryType::Regular, b"f", &[7; 700]), end()].concat();
        assert!(read(&tar).is_ok());
        for cut in 0..tar.len() {
            assert!(read(&tar[..cut]).is_err(), "{cut}");
        }
    }
}
