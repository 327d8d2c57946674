//! The lowest lines of a terminal, drawn again and again.
//!
//! No line is ever wider than the terminal, so that each takes one row and the cursor finds back to
//! the first. A terminal that was made narrower in the meantime has wrapped what stands there; how
//! many rows that takes is counted anew before anything is drawn. Everything is one write, so that
//! nothing flickers.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use anstream::adapter::strip_str;
use terminal_size::{Height, Width};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Of a terminal that does not say how large it is.
const USUAL: Size = Size { columns: 80, rows: 24 };
/// Less than this cannot be drawn on in any useful way.
const LEAST_COLUMNS: usize = 4;

/// How large a terminal is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// The lines, and where they are drawn: the error output.
#[derive(Debug)]
pub(super) struct Screen {
    colors: bool,
    /// What stands there now.
    drawn: Vec<String>,
}

impl Screen {
    /// No lines yet.
    pub(super) fn new(colors: bool) -> Self {
        Self { colors, drawn: Vec::new() }
    }

    /// How many lines there can be, and how wide: asked anew each time, since it may change.
    pub(super) fn size() -> Size {
        terminal_size::terminal_size_of(io::stderr()).map_or(
            USUAL,
            |(Width(columns), Height(rows))| {
                Size { columns: usize::from(columns), rows: usize::from(rows) }.or_usual()
            },
        )
    }

    /// Puts these lines in the place of those that stand there.
    pub(super) fn draw(&mut self, lines: &[String]) {
        let size = Self::size();
        let lines: Vec<String> = lines
            .iter()
            .take(size.lines())
            .map(|line| {
                let line = fit(line, size.columns - 1);
                if self.colors { line } else { strip_str(&line).to_string() }
            })
            .collect();
        if lines == self.drawn && self.rows(size) == lines.len() {
            return;
        }
        let mut text = self.to_first(size);
        for line in &lines {
            text.push_str(line);
            text.push_str("\u{1b}[K\n");
        }
        text.push_str("\u{1b}[J");
        write(&text);
        self.drawn = lines;
    }

    /// Takes the lines away.
    pub(super) fn clear(&mut self) {
        if !self.drawn.is_empty() {
            write(&format!("{}\u{1b}[J", self.to_first(Self::size())));
            self.drawn.clear();
        }
    }

    /// Goes to where the first line begins.
    fn to_first(&self, size: Size) -> String {
        let mut text = "\r".to_owned();
        match self.rows(size) {
            0 => {}
            rows => {
                let _ = write!(text, "\u{1b}[{rows}A");
            }
        }
        text
    }

    /// How many rows the lines take on a terminal of this size.
    fn rows(&self, size: Size) -> usize {
        let rows =
            |line: &String| strip_str(line).to_string().width().div_ceil(size.columns).max(1);
        self.drawn.iter().map(rows).sum()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Size {
    /// How many lines can be drawn: the cursor stands below them.
    pub(super) fn lines(self) -> usize {
        self.rows.saturating_sub(1).max(1)
    }

    fn or_usual(self) -> Self {
        Self {
            columns: if self.columns < LEAST_COLUMNS { USUAL.columns } else { self.columns },
            rows: if self.rows == 0 { USUAL.rows } else { self.rows },
        }
    }
}

/// Nobody may be there to see it.
fn write(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes());
    let _ = err.flush();
}

/// A line, cut to `most` columns; colors pass and end with it.
fn fit(line: &str, most: usize) -> String {
    let line = line.replace('\t', " ");
    if strip_str(&line).to_string().width() <= most {
        return line;
    }
    let (mut short, mut width, mut in_escape) = (String::new(), 0, false);
    for c in line.chars() {
        if c == '\u{1b}' {
            in_escape = true;
        } else if !in_escape {
            width += c.width().unwrap_or(0);
            if width >= most {
                break;
            }
        }
        if in_escape && c == 'm' {
            in_escape = false;
        }
        short.push(c);
    }
    short.push_str("…\u{1b}[0m");
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_whatever_is_in_it() {
        for (line, most, expected) in [
            ("short", 10, "short"),
            ("exactly10c", 10, "exactly10c"),
            ("a longer line", 10, "a longer …\u{1b}[0m"),
            ("\u{1b}[31ma longer line\u{1b}[0m", 10, "\u{1b}[31ma longer …\u{1b}[0m"),
            ("日本語日本語", 6, "日本…\u{1b}[0m"),
            ("a\tb", 10, "a b"),
        ] {
            let fitted = fit(line, most);
            assert_eq!(fitted, expected, "{line:?}");
            assert!(strip_str(&fitted).to_string().width() <= most, "{line:?}");
        }
    }

    #[test]
    fn rows_are_counted_as_the_terminal_has_wrapped_them() {
        let mut screen = Screen::new(false);
        screen.drawn = vec!["x".repeat(79), String::new(), "x".repeat(20)];
        for (columns, rows) in [(80, 3), (79, 3), (40, 4), (20, 6)] {
            assert_eq!(screen.rows(Size { columns, rows: 24 }), rows, "{columns}");
        }
        screen.drawn.clear();
    }
}
