//! Marks in a build's output: where each step begins and ends, told by the driver shell.
//!
//! A mark is `RS nonce ; payload RS` (RS is the byte 0x1e), written in one piece on both streams.
//! It has no line break of its own, so it can stand behind output that does not end with one, and
//! taking it out leaves exactly the bytes that the build wrote. The nonce is random for each
//! attempt, so ordinary output never has it; a build that reads it out of its driver can write
//! marks of its own, which is why marks are advisory.

use bytes::{Bytes, BytesMut};

/// Opens and closes a mark: "record separator", which build tools do not write.
const RS: u8 = 0x1e;
/// The longest payload; ours are three numbers.
const MAX_PAYLOAD: usize = 64;

/// What the driver says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    /// A step begins.
    Start(u16),
    /// A step ended with this exit status.
    End(u16, i32),
    /// What the container used: peak memory in bytes, processor time in microseconds; 0 if not
    /// measured.
    Used { peak_memory: u64, cpu_micros: u64 },
    /// What the compiler cache was good for.
    Cache { hits: u64, misses: u64 },
}

impl Mark {
    fn parse(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        let mut parts = text.split(';');
        let mark = match parts.next()? {
            "s" => Self::Start(parts.next()?.parse().ok()?),
            "e" => Self::End(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?),
            "u" => {
                let mut number = || parts.next().map(|part| part.parse().unwrap_or(0));
                Self::Used { peak_memory: number()?, cpu_micros: number()? }
            }
            "c" => {
                let mut number = || parts.next()?.parse().ok();
                Self::Cache { hits: number()?, misses: number()? }
            }
            _ => return None,
        };
        parts.next().is_none().then_some(mark)
    }
}

/// A piece of one stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    /// Bytes that the build wrote.
    Bytes(Bytes),
    /// A mark that stood here.
    Mark(Mark),
}

/// Takes the marks out of one stream, however it is cut into chunks.
#[derive(Debug)]
pub(super) struct MarkReader {
    opening: Vec<u8>,
    /// What may be the beginning of a mark; shorter than the longest mark.
    held: BytesMut,
}

enum Found {
    Mark(Mark, usize),
    Unfinished,
    Nothing,
}

impl MarkReader {
    /// A reader for marks with this nonce.
    pub(super) fn new(nonce: &str) -> Self {
        let opening = [&[RS], nonce.as_bytes(), b";"].concat();
        Self { opening, held: BytesMut::new() }
    }

    /// Takes the next chunk and appends what it holds to `pieces`.
    pub(super) fn feed(&mut self, chunk: Bytes, pieces: &mut Vec<Piece>) {
        let chunk = if self.held.is_empty() {
            chunk
        } else {
            self.held.extend_from_slice(&chunk);
            self.held.split().freeze()
        };
        let (mut begin, mut at) = (0, 0);
        while let Some(found) = chunk[at..].iter().position(|&byte| byte == RS) {
            at += found;
            match self.look(&chunk[at..]) {
                Found::Nothing => at += 1,
                Found::Mark(mark, length) => {
                    push(pieces, chunk.slice(begin..at));
                    pieces.push(Piece::Mark(mark));
                    at += length;
                    begin = at;
                }
                Found::Unfinished => {
                    push(pieces, chunk.slice(begin..at));
                    self.held.extend_from_slice(&chunk[at..]);
                    return;
                }
            }
        }
        push(pieces, chunk.slice(begin..));
    }

    /// The stream is over: what looked like the beginning of a mark is output after all.
    pub(super) fn finish(&mut self, pieces: &mut Vec<Piece>) {
        push(pieces, self.held.split().freeze());
    }

    /// What begins with the RS at the front of `bytes`.
    fn look(&self, bytes: &[u8]) -> Found {
        let opening = &self.opening;
        if bytes.len() < opening.len() {
            return if opening.starts_with(bytes) { Found::Unfinished } else { Found::Nothing };
        }
        let Some(rest) = bytes.strip_prefix(&opening[..]) else { return Found::Nothing };
        match rest.iter().take(MAX_PAYLOAD + 1).position(|&byte| byte == RS) {
            Some(end) => match Mark::parse(&rest[..end]) {
                Some(mark) => Found::Mark(mark, opening.len() + end + 1),
                None => Found::Nothing,
            },
            None if rest.len() > MAX_PAYLOAD => Found::Nothing,
            None => Found::Unfinished,
        }
    }
}

fn push(pieces: &mut Vec<Piece>, bytes: Bytes) {
    if !bytes.is_empty() {
        pieces.push(Piece::Bytes(bytes));
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const NONCE: &str = "0123456789abcdef0123456789abcdef";

    fn read(chunks: &[&[u8]]) -> Vec<Piece> {
        let (mut reader, mut pieces) = (MarkReader::new(NONCE), Vec::new());
        for chunk in chunks {
            reader.feed(Bytes::copy_from_slice(chunk), &mut pieces);
        }
        reader.finish(&mut pieces);
        pieces
    }

    /// The output with the marks taken out, and each mark with the number of bytes before it.
    fn flatten(pieces: Vec<Piece>) -> (Vec<u8>, Vec<(usize, Mark)>) {
        let (mut bytes, mut marks) = (Vec::new(), Vec::new());
        for piece in pieces {
            match piece {
                Piece::Bytes(more) => bytes.extend_from_slice(&more),
                Piece::Mark(mark) => marks.push((bytes.len(), mark)),
            }
        }
        (bytes, marks)
    }

    fn wire(mark: Mark) -> Vec<u8> {
        let payload = match mark {
            Mark::Start(step) => format!("s;{step}"),
            Mark::End(step, code) => format!("e;{step};{code}"),
            Mark::Used { peak_memory, cpu_micros } => format!("u;{peak_memory};{cpu_micros}"),
            Mark::Cache { hits, misses } => format!("c;{hits};{misses}"),
        };
        format!("\x1e{NONCE};{payload}\x1e").into_bytes()
    }

    fn any_mark() -> impl Strategy<Value = Mark> {
        prop_oneof![
            any::<u16>().prop_map(Mark::Start),
            (any::<u16>(), any::<i32>()).prop_map(|(step, code)| Mark::End(step, code)),
            (any::<u64>(), any::<u64>())
                .prop_map(|(peak_memory, cpu_micros)| Mark::Used { peak_memory, cpu_micros }),
            (any::<u64>(), any::<u64>()).prop_map(|(hits, misses)| Mark::Cache { hits, misses }),
        ]
    }

    /// Output that is likely to look like the beginning of a mark.
    fn any_output() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            vec(any::<u8>(), 0..40),
            vec(Just(RS), 0..4),
            (0..34_usize).prop_map(|cut| format!("\x1e{NONCE};").into_bytes()[..cut].to_vec()),
            vec(prop_oneof![Just(RS), Just(b'0'), Just(b'1'), Just(b';')], 0..20),
        ]
    }

    proptest! {
        #[test]
        fn any_output_in_any_chunks_comes_through_exactly(
            parts in vec((any_output(), any_mark()), 0..6),
            tail in any_output(),
            cuts in vec(1..50_usize, 1..60),
        ) {
            let (mut all, mut expected, mut marks) = (Vec::new(), Vec::new(), Vec::new());
            for (output, mark) in &parts {
                all.extend_from_slice(output);
                expected.extend_from_slice(output);
                marks.push((expected.len(), *mark));
                all.extend(wire(*mark));
            }
            all.extend_from_slice(&tail);
            expected.extend_from_slice(&tail);
            let (mut chunks, mut rest, mut turn) = (Vec::new(), &all[..], 0);
            while !rest.is_empty() {
                let (chunk, more) = rest.split_at(cuts[turn % cuts.len()].min(rest.len()));
                chunks.push(chunk);
                (rest, turn) = (more, turn + 1);
            }
            prop_assert_eq!(flatten(read(&chunks)), (expected, marks));
        }
    }

    #[test]
    fn what_only_looks_like_a_mark_is_output() {
        for text in [
            format!("\x1e{NONCE};x;1\x1e"),
            format!("\x1e{NONCE};s;70000\x1e"),
            format!("\x1e{NONCE};s;1;2\x1e"),
            format!("\x1e{NONCE};{}", "9".repeat(200)),
            "\x1e0000;s;1\x1e".to_owned(),
            format!("\x1e{NONCE}"),
        ] {
            let (bytes, marks) = flatten(read(&[text.as_bytes()]));
            assert_eq!((bytes, marks), (text.clone().into_bytes(), vec![]), "{text:?}");
        }
    }

    #[test]
    fn a_lone_separator_does_not_hold_back_what_follows() {
        let (mut reader, mut pieces) = (MarkReader::new(NONCE), Vec::new());
        reader.feed(Bytes::from_static(b"a\x1eb"), &mut pieces);
        assert_eq!(pieces, [Piece::Bytes(Bytes::from_static(b"a\x1eb"))]);
    }
}
