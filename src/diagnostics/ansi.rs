//! Takes terminal sequences out of a line: colors, `\e[K`, hyperlinks.
//!
//! gcc writes `\e[K` after every color and links flags with OSC 8. What remains of a hyperlink is
//! its text. A sequence that does not end on the line takes the rest of the line with it.

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

/// The line as text, without sequences and control characters; invalid UTF-8 is replaced.
pub(super) fn plain(line: &[u8]) -> String {
    if line.iter().all(|&b| b >= 0x20 || b == b'\t') {
        return String::from_utf8_lossy(line).into_owned();
    }
    let mut kept = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((&first, after)) = rest.split_first() {
        rest = match (first, after.first()) {
            (ESC, Some(b'[')) => after_csi(&after[1..]),
            (ESC, Some(b']')) => after_osc(&after[1..]),
            // Other two-byte sequences, such as `\e(`: both bytes go.
            (ESC, Some(_)) => &after[1..],
            // A progress bar overwrites the line: what counts is what it shows last.
            (b'\r', Some(_)) => {
                kept.clear();
                after
            }
            _ => {
                if first >= 0x20 || first == b'\t' {
                    kept.push(first);
                }
                after
            }
        };
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// What follows a control sequence: parameters, then one final byte `@` to `~`.
fn after_csi(text: &[u8]) -> &[u8] {
    text.iter().position(|b| (0x40..=0x7e).contains(b)).map_or(&[], |at| &text[at + 1..])
}

/// What follows an operating system command: it ends with BEL or `\e\`.
fn after_osc(text: &[u8]) -> &[u8] {
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            BEL => return &text[at + 1..],
            ESC if text.get(at + 1) == Some(&b'\\') => return &text[at + 2..],
            _ => {}
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_remains() {
        for (line, expected) in [
            (&b"plain\ttext"[..], "plain\ttext"),
            (
                b"\x1b[01m\x1b[Ka.c:2:35:\x1b[m\x1b[K \x1b[01;31m\x1b[Kerror: \x1b[m\x1b[Kx",
                "a.c:2:35: error: x",
            ),
            (b"[\x1b]8;;https://gcc.gnu.org/x\x07-Wall\x1b]8;;\x07]", "[-Wall]"),
            (b"[\x1b]8;;https://gcc.gnu.org/x\x1b\\-Wall\x1b]8;;\x1b\\]", "[-Wall]"),
            (b"10%\r20%\rdone", "done"),
            (b"line\r", "line"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            (b"a\x1b", "a"),
            (b"a\x1b[31", "a"),
            (b"a\x1b]8;;x", "a"),
            (b"a\x00b", "ab"),
        ] {
            assert_eq!(plain(line), expected, "{line:?}");
        }
    }
}
