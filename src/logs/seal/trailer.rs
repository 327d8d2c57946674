//! The trailer: an empty gzip member whose extra field says where the index lies.
//!
//! Its size is fixed, so that one read of an object's end finds everything; and as it is a member
//! of its own, the object stays a valid gzip file.

/// The trailer's size.
pub const TRAILER_BYTES: usize = 42;

/// Deflate, with an extra field of 20 bytes: subfield `kL` with 16 bytes of payload.
const HEAD: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 20, 0, b'k', b'L', 16, 0];
/// An empty deflate stream, its CRC-32 and its length.
const TAIL: [u8; 10] = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The trailer for an index at `at`, `len` bytes long, which inflates to `raw` bytes.
pub(super) fn encode(at: u64, len: u32, raw: u32) -> [u8; TRAILER_BYTES] {
    let mut trailer = [0; TRAILER_BYTES];
    trailer[..16].copy_from_slice(&HEAD);
    trailer[16..24].copy_from_slice(&at.to_le_bytes());
    trailer[24..28].copy_from_slice(&len.to_le_bytes());
    trailer[28..32].copy_from_slice(&raw.to_le_bytes());
    trailer[32..].copy_from_slice(&TAIL);
    trailer
}

/// What a trailer says: where the index is, how long, and what it inflates to.
pub(super) fn decode(trailer: &[u8; TRAILER_BYTES]) -> Option<(u64, u32, u32)> {
    let (head, rest) = trailer.split_first_chunk::<16>()?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let (raw, tail) = rest.split_first_chunk::<4>()?;
    let ours = *head == HEAD && *tail == TAIL;
    let number = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
    ours.then(|| (u64::from_le_bytes(*at), number(len), number(raw)))
}
