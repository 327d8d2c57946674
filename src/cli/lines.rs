//! Whole lines out of pieces of a log, which end where they like.

/// The longest line that is waited for; what is longer is shown in pieces.
const MAX_LINE: usize = 64 * 1024;

/// Puts lines together.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    after_return: bool,
}

impl Lines {
    /// Takes bytes and gives the lines they complete, without their ends. A lone carriage return
    /// ends a line as well: on a terminal it would let the next text overwrite this.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for &byte in bytes {
            let was_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if was_return => {}
                b'\n' | b'\r' => lines.push(std::mem::take(&mut self.buffer)),
                _ => {
                    self.buffer.push(byte);
                    if self.buffer.len() >= MAX_LINE {
                        lines.push(std::mem::take(&mut self.buffer));
                    }
                }
            }
        }
        lines
    }

    /// What remains of a last line without an end.
    pub(super) fn rest(&mut self) -> Option<Vec<u8>> {
        self.after_return = false;
        (!self.buffer.is_empty()).then(|| std::mem::take(&mut self.buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&str], expected: &[&str]) {
        let mut lines = Lines::default();
        let mut got: Vec<Vec<u8>> =
            pieces.iter().flat_map(|piece| lines.push(piece.as_bytes())).collect();
        got.extend(lines.rest());
        let got: Vec<String> = got.iter().map(|l| String::from_utf8_lossy(l).into()).collect();
        assert_eq!(got, expected, "{pieces:?}");
    }

    #[test]
    fn lines_are_whole_wherever_pieces_end() {
        check(&[], &[]);
        check(&["a\nb\n"], &["a", "b"]);
        check(&["a", "b\n", "c"], &["ab", "c"]);
        check(&["a\r", "\nb"], &["a", "b"]);
        check(&["1%\r2%\r3%\n\n"], &["1%", "2%", "3%", ""]);
    }

    #[test]
    fn an_endless_line_is_not_kept_in_memory() {
        let mut lines = Lines::default();
        let got: usize = (0..10).map(|_| lines.push(&vec![b'x'; MAX_LINE / 2]).len()).sum();
        assert_eq!((got, lines.rest()), (5, None));
    }
}
