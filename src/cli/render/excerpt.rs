//! The first error of a job, with the source around it and a mark below the place.

use std::io::{self, Write};

use anstream::adapter::strip_str;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::{
    cli::{
        sanitize,
        style::{Style, paint},
        table::cut,
    },
    protocol::{DiagnosticView, Job},
};

/// Where tabs stop, here and in the columns that gcc counts.
const TAB: usize = 8;
/// How much of a source line is shown.
const MOST_COLUMNS: usize = 100;
/// How much of it stands before the mark where the line is cut on the left.
const BEFORE: usize = 40;

/// The newest attempt's first error, as compilers write it, with the lines around it; nothing if it
/// has none.
pub(in crate::cli) fn first_error(job: &Job, out: &mut dyn Write) -> io::Result<()> {
    let Some(error) = error_of(job) else { return Ok(()) };
    let mut place = sanitize::text(&error.file);
    for number in [error.line, error.column].into_iter().take_while(|number| *number > 0) {
        place = format!("{place}:{number}");
    }
    if !place.is_empty() {
        place = format!("{}: ", paint(Style::Bold, &place));
    }
    writeln!(out, "  {place}{} {}", paint(Style::Red, "error:"), sanitize::text(&error.message))?;
    let is_clang =
        job.summary.toolchain.as_ref().is_some_and(|name| name.as_str().contains("clang"));
    lines(error, if is_clang { Unit::Bytes } else { Unit::Columns }, out)
}

/// Whether the source around the first error is known.
pub(in crate::cli) fn has_excerpt(job: &Job) -> bool {
    error_of(job).is_some_and(|error| !error.excerpt.is_empty())
}

fn error_of(job: &Job) -> Option<&DiagnosticView> {
    job.attempts.last()?.diagnostics.as_ref()?.first_error.as_ref()
}

/// What a compiler counts to say where in a line something is.
#[derive(Clone, Copy, Debug)]
enum Unit {
    /// clang: bytes.
    Bytes,
    /// gcc: columns of a terminal, tabs up to the next stop.
    Columns,
}

fn lines(error: &DiagnosticView, unit: Unit, out: &mut dyn Write) -> io::Result<()> {
    let digits = error.excerpt.iter().map(|line| line.line.to_string().len()).max().unwrap_or(0);
    let marked = error.excerpt.iter().find(|line| line.line == error.line);
    let mark = marked
        .filter(|_| error.column > 0)
        .map(|line| place(&line.text, usize::try_from(error.column).unwrap_or(1) - 1, unit));
    // All lines are cut alike, so that they still stand below each other.
    let skipped = mark.filter(|mark| *mark >= MOST_COLUMNS).map_or(0, |mark| mark - BEFORE);
    for line in &error.excerpt {
        let bar = paint(Style::Dim, &format!("{:>width$} |", line.line, width = digits + 4));
        let text = shown(&line.text, skipped);
        writeln!(out, "{}", format!("{bar} {text}").trim_end())?;
        if let Some(mark) = mark.filter(|_| line.line == error.line) {
            let bar = paint(Style::Dim, &format!("{:>width$} |", "", width = digits + 4));
            writeln!(out, "{bar} {}{}", " ".repeat(mark - skipped), paint(Style::Red, "^"))?;
        }
    }
    Ok(())
}

/// A source line without what a terminal would act on, tabs as spaces, `skipped` columns left out.
fn shown(text: &str, skipped: usize) -> String {
    let plain = spread(&sanitize::text(text));
    let mut left = skipped;
    let rest: String = plain
        .chars()
        .skip_while(|c| {
            let skip = left > 0;
            left = left.saturating_sub(c.width().unwrap_or(0));
            skip
        })
        .collect();
    cut(&rest, MOST_COLUMNS)
}

/// Tabs as the spaces they stand for.
fn spread(text: &str) -> String {
    let mut spread = String::new();
    for c in text.chars() {
        match c {
            '\t' => spread.push_str(&" ".repeat(TAB - spread.width() % TAB)),
            c => spread.push(c),
        }
    }
    spread
}

/// The column, from 0, at which something stands that a compiler says is `at`, from 0.
fn place(text: &str, at: usize, unit: Unit) -> usize {
    match unit {
        Unit::Columns => at.min(spread(&sanitize::text(text)).width()),
        Unit::Bytes => {
            let end = text.char_indices().map(|(index, _)| index).find(|index| *index >= at);
            let before = strip_str(&text[..end.unwrap_or(text.len())]).to_string();
            spread(&sanitize::text(&before)).width()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::SourceLine;

    fn check(text: &str, column: u32, unit: Unit) -> Vec<String> {
        let excerpt = vec![SourceLine { line: 9, text: text.to_owned() }];
        let error = DiagnosticView { line: 9, column, excerpt, ..DiagnosticView::default() };
        let mut out = Vec::new();
        lines(&error, unit, &mut out).unwrap();
        let text = strip_str(&String::from_utf8(out).unwrap()).to_string();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_mark_stands_below_the_place_whatever_is_before_it() {
        for (text, column, unit, expected) in [
            ("int x", 5, Unit::Columns, ["    9 | int x", "      |     ^"]),
            ("\tx", 9, Unit::Columns, ["    9 |         x", "      |         ^"]),
            ("\tx", 2, Unit::Bytes, ["    9 |         x", "      |         ^"]),
            ("é = x", 6, Unit::Bytes, ["    9 | é = x", "      |     ^"]),
            ("日 x", 4, Unit::Columns, ["    9 | 日 x", "      |    ^"]),
            ("x\u{1b}[2J", 1, Unit::Columns, ["    9 | x", "      | ^"]),
            ("x", 99, Unit::Columns, ["    9 | x", "      |  ^"]),
        ] {
            assert_eq!(check(text, column, unit), expected, "{text:?}");
        }
        assert_eq!(check("x", 0, Unit::Columns), ["    9 | x"]);
    }

    #[test]
    fn of_a_long_line_the_part_with_the_mark_is_shown() {
        let text = format!("{}here{}", "a".repeat(500), "b".repeat(500));
        let shown = check(&text, 501, Unit::Columns);
        let mark = shown[1].find('^').unwrap();
        assert_eq!(&shown[0][mark..mark + 4], "here");
        assert!(shown.iter().all(|line| line.width() < 120), "{shown:?}");
    }
}
