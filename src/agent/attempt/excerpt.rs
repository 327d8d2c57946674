//! The lines of source around the first error: what a person would open the file for.
//!
//! They are read from the source as it was fetched, never from the sandbox. A file that is not in
//! it was made by the build; then what the compiler quoted of it stays.

use super::context::Context;
use crate::{
    agent::ports::{FetchedSource, Inspection},
    protocol::{DiagnosticView, SourceLine},
};

/// Lines that are shown before and after.
const AROUND: u32 = 1;
/// The longest line that is kept, in bytes.
const MAX_TEXT: usize = 1024;

/// Puts the lines around an error into it, where its file is in the source.
pub(super) async fn add(
    cx: &Context,
    source: &dyn FetchedSource,
    found: &Inspection,
    error: &mut DiagnosticView,
) {
    if error.line == 0 || !found.listing.contains(error.file.as_bytes()) {
        return;
    }
    // Without the file the error says enough: reading it must not make the attempt worse.
    if let Ok(Some(bytes)) = source.read_file(&error.file, cx.ending.stopped()).await {
        let lines = around(&bytes, error.line);
        if !lines.is_empty() {
            error.excerpt = lines;
        }
    }
}

fn around(bytes: &[u8], line: u32) -> Vec<SourceLine> {
    let first = line.saturating_sub(AROUND).max(1);
    let lines = bytes.split(|&byte| byte == b'\n').zip(1_u32..);
    let wanted = lines.skip_while(|(_, number)| *number < first);
    let wanted = wanted.take_while(|(_, number)| *number <= line.saturating_add(AROUND));
    let mut lines: Vec<SourceLine> =
        wanted.map(|(text, line)| SourceLine { line, text: shown(text) }).collect();
    // After the last line's end there is nothing, which is not a line.
    if bytes.ends_with(b"\n") && lines.last().is_some_and(|last| last.text.is_empty()) {
        let count = memchr::memchr_iter(b'\n', bytes).count();
        lines.retain(|one| one.line as usize <= count);
    }
    lines
}

fn shown(text: &[u8]) -> String {
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let mut text = String::from_utf8_lossy(&text[..text.len().min(MAX_TEXT)]).into_owned();
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_around_are_those_that_are_there() {
        let text = b"one\ntwo\r\nthr\xffee\nfour\n";
        for (line, expected) in [
            (1, &[(1, "one"), (2, "two")][..]),
            (2, &[(1, "one"), (2, "two"), (3, "thr\u{fffd}ee")]),
            (4, &[(3, "thr\u{fffd}ee"), (4, "four")]),
            (5, &[(4, "four")]),
            (9, &[]),
            (u32::MAX, &[]),
        ] {
            let lines = around(text, line);
            let lines: Vec<_> = lines.iter().map(|one| (one.line, one.text.as_str())).collect();
            assert_eq!(lines, expected, "{line}");
        }
        assert_eq!(around(b"", 1), [SourceLine { line: 1, text: String::new() }]);
        assert_eq!(around(&[b'x'; 5000], 1)[0].text.len(), MAX_TEXT);
    }
}
