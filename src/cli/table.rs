//! Columns: as wide as what is in them, counted as a terminal shows it.

use std::io::{self, Write};

use anstream::adapter::strip_str;
use unicode_width::UnicodeWidthStr;

use super::style::{Style, paint};

/// A table whose rows have one cell for each heading.
#[derive(Debug)]
pub(super) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub(super) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row. Cells may have colors, and nothing else that a terminal acts on.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.headings.len());
        self.rows.push(cells);
    }

    /// Writes the table. Columns in which no row has anything are left out.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let used = |column: &usize| self.rows.iter().any(|row| !row[*column].is_empty());
        let columns: Vec<(usize, usize)> = (0..self.headings.len())
            .filter(used)
            .map(|column| {
                let cells = self.rows.iter().map(|row| width(&row[column]));
                (column, cells.chain([width(self.headings[column])]).max().unwrap_or(0))
            })
            .collect();
        let headings =
            self.headings.iter().map(|heading| paint(Style::Dim, heading)).collect::<Vec<_>>();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = String::new();
            let mut missing = 0;
            for &(column, wide) in &columns {
                line.push_str(&" ".repeat(missing));
                line.push_str(&row[column]);
                missing = wide.saturating_sub(width(&row[column])) + 2;
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// `text`, cut to at most `most` columns.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.width() <= most {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        if short.width() + c.to_string().width() + 1 > most {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

fn width(cell: &str) -> usize {
    strip_str(cell).to_string().width()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let mut table = Table::new(&["A", "EMPTY", "LONG"]);
        table.row(vec![paint(Style::Red, "x"), String::new(), "1".to_owned()]);
        table.row(vec!["日本".to_owned(), String::new(), String::new()]);
        table.row(vec!["four4".to_owned(), String::new(), "2".to_owned()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let text = strip_str(&String::from_utf8(out).unwrap()).to_string();
        assert_eq!(text, "A      LONG\nx      1\n日本\nfour4  2\n");
    }

    #[test]
    fn long_text_is_cut_with_a_mark() {
        for (text, expected) in
            [("short", "short"), ("longer text", "longe…"), ("日本語日", "日本…")]
        {
            assert_eq!(cut(text, 6), expected);
        }
    }
}
