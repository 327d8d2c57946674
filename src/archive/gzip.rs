//! Gzip members written and read one by one.
//!
//! A file of several members is valid for every gunzip, and each member can be inflated without
//! the others: that is what gives random access to archives and logs. The compressor's state is
//! kept from member to member (making it anew costs more than compressing a small file). Members
//! carry no time and no name, so the same bytes give the same output.

use std::io::{self, Write};

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

/// Every member begins so: deflate, no flags, no time, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// CRC-32 and length, at a member's end.
const FOOTER_BYTES: usize = 8;
/// Compressed bytes that are gathered before they are written on.
const BUFFER_BYTES: usize = 64 * 1024;

/// The bytes are not a gzip member that was written here, or not the one that was expected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("damaged gzip member: {0}")]
pub struct GzipError(&'static str);

/// Writes members to `W`.
#[derive(Debug)]
pub struct MemberWriter<W> {
    inner: W,
    compress: Compress,
    crc: Crc,
    buffer: Vec<u8>,
    flushed: u64,
    open: bool,
}

impl<W: Write> MemberWriter<W> {
    /// A writer that compresses at `level`, 0 to 9.
    pub fn new(inner: W, level: u32) -> Self {
        Self {
            inner,
            compress: Compress::new(Compression::new(level), false),
            crc: Crc::new(),
            buffer: Vec::with_capacity(BUFFER_BYTES),
            flushed: 0,
            open: false,
        }
    }

    /// Where compressed bytes go.
    pub fn inner_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// Compressed bytes of all members so far; exact between members.
    pub fn offset(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    /// Uncompressed bytes of the open member.
    pub fn raw_bytes(&self) -> u64 {
        if self.open { self.compress.total_in() } else { 0 }
    }

    /// Adds bytes to the open member, or begins one.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if !self.open {
            self.put(&HEADER)?;
            self.compress.reset();
            self.crc.reset();
            self.open = true;
        }
        self.crc.update(bytes);
        while !bytes.is_empty() {
            self.make_room()?;
            let before = self.compress.total_in();
            self.compress.compress_vec(bytes, &mut self.buffer, FlushCompress::None)?;
            let taken = usize::try_from(self.compress.total_in() - before)
                .expect("it takes no more than it is given");
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Ends the open member, if there is one.
    pub fn end_member(&mut self) -> io::Result<()> {
        if !self.open {
            return Ok(());
        }
        loop {
            self.make_room()?;
            let status =
                self.compress.compress_vec(&[], &mut self.buffer, FlushCompress::Finish)?;
            if status == Status::StreamEnd {
                break;
            }
        }
        self.put(&self.crc.sum().to_le_bytes())?;
        self.put(&self.crc.amount().to_le_bytes())?;
        self.open = false;
        Ok(())
    }

    /// Writes bytes between members as they are: they must be members themselves.
    pub fn put_raw(&mut self, member: &[u8]) -> io::Result<()> {
        self.end_member()?;
        self.put(member)
    }

    /// Ends the last member, flushes, and gives the writer back.
    pub fn finish(mut self) -> io::Result<W> {
        self.end_member()?;
        self.flush_buffer()?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.capacity() - self.buffer.len() < bytes.len() {
            self.flush_buffer()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn make_room(&mut self) -> io::Result<()> {
        if self.buffer.len() == self.buffer.capacity() { self.flush_buffer() } else { Ok(()) }
    }

    fn flush_buffer(&mut self) -> io::Result<()> {
        self.inner.write_all(&self.buffer)?;
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// The content of one whole member, which must be exactly `raw_bytes` long. Memory is bounded by
/// `raw_bytes`, which the caller bounds.
pub fn inflate(member: &[u8], raw_bytes: usize) -> Result<Vec<u8>, GzipError> {
    let rest = member.strip_prefix(&HEADER).ok_or(GzipError("it does not begin as one"))?;
    let (body, footer) =
        rest.split_last_chunk::<FOOTER_BYTES>().ok_or(GzipError("it is cut off"))?;
    // One byte of room more than expected: too much is noticed, and the end is seen at once.
    let mut raw = Vec::with_capacity(raw_bytes + 1);
    let mut decompress = Decompress::new(false);
    let status = decompress
        .decompress_vec(body, &mut raw, FlushDecompress::Finish)
        .map_err(|_| GzipError("its deflate stream is invalid"))?;
    if raw.len() > raw_bytes || (status != Status::StreamEnd && raw.len() == raw.capacity()) {
        return Err(GzipError("it holds more than its index says"));
    }
    if status != Status::StreamEnd || decompress.total_in() != body.len() as u64 {
        return Err(GzipError("its length is wrong"));
    }
    if raw.len() < raw_bytes {
        return Err(GzipError("it holds less than its index says"));
    }
    let mut crc = Crc::new();
    crc.update(&raw);
    if footer[..4] != crc.sum().to_le_bytes() || footer[4..] != crc.amount().to_le_bytes() {
        return Err(GzipError("its checksum does not match"));
    }
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn members(parts: &[Vec<u8>]) -> (Vec<u8>, Vec<u64>) {
        let mut writer = MemberWriter::new(Vec::new(), 1);
        let mut ends = Vec::new();
        for part in parts {
            writer.write(part).unwrap();
            writer.end_member().unwrap();
            ends.push(writer.offset());
        }
        (writer.finish().unwrap(), ends)
    }

    proptest! {
        #[test]
        fn members_concatenate_and_stand_alone(parts in vec(vec(any::<u8>(), 0..3000), 0..6)) {
            let (file, ends) = members(&parts);
            let mut whole = Vec::new();
            flate2::read::MultiGzDecoder::new(&file[..]).read_to_end(&mut whole).unwrap_or_default();
            prop_assert_eq!(whole, parts.concat());
            let mut start = 0;
            for (part, end) in parts.iter().zip(ends) {
                let end = usize::try_from(end).unwrap();
                if !part.is_empty() {
                    prop_assert_eq!(&inflate(&file[start..end], part.len()).unwrap(), part);
                }
                start = end;
            }
        }

        /// The bits that fill a deflate stream's last byte mean nothing: damage there changes nothing.
        #[test]
        fn damage_is_noticed_or_changes_nothing(part in vec(any::<u8>(), 1..500), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let (mut file, _) = members(std::slice::from_ref(&part));
            let at = at.index(file.len());
            file[at] ^= flip;
            if let Ok(read) = inflate(&file, part.len()) {
                prop_assert_eq!(read, part);
            }
        }
    }

    /// Beside the property, which a reader that notices nothing but a changed content would pass.
    #[test]
    fn damage_where_every_bit_counts_is_noticed() {
        let (file, _) = members(&[b"hello".to_vec()]);
        let footer = file.len() - FOOTER_BYTES..file.len();
        for at in (0..HEADER.len()).chain(footer) {
            for bit in 0..8 {
                let mut damaged = file.clone();
                damaged[at] ^= 1 << bit;
                assert!(inflate(&damaged, 5).is_err(), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_member_must_hold_exactly_what_was_said() {
        let (bomb, _) = members(&[vec![0; 50_000_000]]);
        let bomb_error = GzipError("it holds more than its index says");
        assert_eq!(inflate(&bomb, 1000), Err(bomb_error));
        let (file, _) = members(&[b"hello".to_vec()]);
        for said in [0, 4, 6, 100] {
            assert!(inflate(&file, said).is_err(), "{said}");
        }
        for cut in 0..file.len() {
            assert!(inflate(&file[..cut], 5).is_err(), "{cut}");
        }
        assert!(inflate(&[&file[..], &file[..]].concat(), 10).is_err());
    }
}
