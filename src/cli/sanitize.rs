//! Text that somebody else wrote, made fit for a terminal.
//!
//! A build log or a commit message may carry escape sequences that move the cursor, set the
//! window's title, fill the clipboard, or make a terminal type. Only colors pass, and only in
//! logs; characters that reverse the direction of text go, too, because they make a line read
//! other than it is.

/// The longest color sequence that passes; what compilers write is under 20.
const MAX_SGR: usize = 64;

const ESCAPE: char = '\u{1b}';
const RESET: &str = "\u{1b}[0m";

/// One line of a log, without its end: colors stay, and end with the line.
pub(super) fn log_line(bytes: &[u8]) -> String {
    clean(&String::from_utf8_lossy(bytes), true)
}

/// Text that is shown within a line: no escape sequences at all, line ends become spaces.
pub(super) fn text(text: &str) -> String {
    clean(text, false)
}

fn clean(text: &str, colors: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut colored = false;
    let mut at = 0;
    // Where the last string ends, if that is known; a string that begins later has no end.
    let mut ends = None;
    while let Some(&c) = chars.get(at) {
        if c == ESCAPE {
            let (len, sgr) = match chars.get(at + 1) {
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    let ends = *ends.get_or_insert_with(|| last_end(&chars));
                    (string(&chars[at..], at < ends), None)
                }
                _ => escape(&chars[at..]),
            };
            if let Some(params) = sgr.filter(|_| colors) {
                out.push_str("\u{1b}[");
                out.push_str(&params);
                out.push('m');
                colored = !matches!(params.as_str(), "" | "0");
            }
            at += len;
            continue;
        }
        match c {
            '\t' => out.push(c),
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => out.push(' '),
            _ if c.is_control() || is_direction(c) => {}
            _ => out.push(c),
        }
        at += 1;
    }
    if colored {
        out.push_str(RESET);
    }
    out
}

/// How long the escape sequence at the start of `chars` is, and the parameters of a color.
fn escape(chars: &[char]) -> (usize, Option<String>) {
    match chars.get(1) {
        Some('[') => {
            let body = &chars[2..];
            let end = body.iter().position(|c| !matches!(c, '\u{20}'..='\u{3f}'));
            match end.map(|end| (end, body[end])) {
                Some((end, 'm'))
                    if end <= MAX_SGR
                        && body[..end].iter().all(|c| matches!(c, '0'..='9' | ';' | ':')) =>
                {
                    (end + 3, Some(body[..end].iter().collect()))
                }
                Some((end, '\u{40}'..='\u{7e}')) => (end + 3, None),
                // Broken off: what follows is looked at by itself.
                Some((end, _)) => (end + 2, None),
                None => (chars.len(), None),
            }
        }
        Some('\u{20}'..='\u{2f}') => {
            let end = chars[1..].iter().position(|c| !matches!(c, '\u{20}'..='\u{2f}'));
            match end {
                Some(end) if matches!(chars[end + 1], '\u{30}'..='\u{7e}') => (end + 2, None),
                Some(end) => (end + 1, None),
                None => (chars.len(), None),
            }
        }
        Some('\u{30}'..='\u{7e}') => (2, None),
        _ => (1, None),
    }
}

/// How long the string at the start of `chars` is: a title, a link, the clipboard, device control. Up
/// to its end, if it has one; only its first two characters if not.
fn string(chars: &[char], has_end: bool) -> usize {
    let end = |at: &usize| end_at(chars, *at);
    let found = if has_end { (2..chars.len()).find(end) } else { None };
    found.map_or(2, |at| if chars[at] == ESCAPE { at + 2 } else { at + 1 })
}

/// Where the last end of a string is; looked for once, because a line can begin very many strings
/// and end none of them.
fn last_end(chars: &[char]) -> usize {
    (0..chars.len()).rev().find(|&at| end_at(chars, at)).unwrap_or(0)
}

fn end_at(chars: &[char], at: usize) -> bool {
    match chars[at] {
        '\u{7}' | '\u{9c}' => true,
        ESCAPE => chars.get(at + 1) == Some(&'\\'),
        _ => false,
    }
}

/// Whether a character changes the direction of the text around it.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_colors_pass() {
        for (given, expected) in [
            ("plain\ttext", "plain\ttext"),
            ("\u{1b}[31mred\u{1b}[0m", "\u{1b}[31mred\u{1b}[0m"),
            ("\u{1b}[01;31m\u{1b}[Kerror:\u{1b}[m\u{1b}[K x", "\u{1b}[01;31merror:\u{1b}[m x"),
            ("\u{1b}[38;5;9mopen", "\u{1b}[38;5;9mopen\u{1b}[0m"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;https://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}]52;c;aGk=", "52;c;aGk="),
            ("\u{1b}[2J\u{1b}[1;1Hx\u{1b}[1A\u{1b}[?25l", "x"),
            ("\u{1b}[31;1 m\u{1b}[>4m\u{1b}[?1mx", "x"),
            ("\u{1b}P1;2|x\u{1b}\\y", "y"),
            ("\u{1b}c\u{1b}(B\u{1b}#8x", "x"),
            ("\u{9b}31mx\u{9d}0;t\u{9c}", "31mx0;t"),
            ("a\u{8}\u{8}b\u{7f}\u{0}c", "abc"),
            ("\u{1b}[3\u{1b}[32mx", "\u{1b}[32mx\u{1b}[0m"),
            ("\u{1b}", ""),
            ("\u{1b}[", ""),
            ("safe\u{202e}txt.exe", "safetxt.exe"),
        ] {
            assert_eq!(log_line(given.as_bytes()), expected, "{given:?}");
        }
        assert_eq!(log_line(b"\xff\x9b31m"), "\u{fffd}\u{fffd}31m");
        assert_eq!(text("a\u{1b}[31mb\nc\r"), "ab c ");
    }

    #[test]
    fn strings_without_an_end_take_no_long_time() {
        let line = format!("\u{7}{}", "\u{1b}]".repeat(500_000));
        assert_eq!(log_line(line.as_bytes()), "");
    }

    proptest! {
        #[test]
        fn whatever_comes_nothing_but_colors_is_left(
            noise in "[\u{1b}\\[\\]0-9;:mHJ\u{7}\\\\a \u{9b}P?\n\t\u{202e}é]{0,60}"
        ) {
            let out = log_line(noise.as_bytes());
            let mut rest = out.as_str();
            while let Some(at) = rest.find(ESCAPE) {
                let tail = rest[at + 1..].strip_prefix('[').unwrap();
                let end = tail.find(|c: char| !matches!(c, '0'..='9' | ';' | ':')).unwrap();
                prop_assert!(tail[end..].starts_with('m'), "{out:?}");
                rest = &tail[end + 1..];
            }
            let left = |c: char| (c.is_control() && c != ESCAPE && c != '\t') || is_direction(c);
            prop_assert!(!out.chars().any(left), "{out:?}");
            prop_assert!(!text(&noise).contains(ESCAPE));
        }
    }
}
