//! The streaming parser: raw bytes in, a summary out.
//!
//! Output arrives in pieces that end anywhere. A line is looked at once, when it is complete; of a
//! line that does not end, the first 16 KiB count, so memory and time stay linear and small.

use super::{
    Diagnostic, Diagnostics, FlagCount, QuotedLine, Severity, ansi, compiler, linker,
    missing::Search,
    symptom::Symptom,
    tools::{self, Said},
};

/// The longest line that is looked at; the rest of a longer one is skipped.
const MAX_LINE: usize = 16 * 1024;
/// The longest message, file or flag that is kept, in bytes.
const MAX_TEXT: usize = 1024;
/// The most lines of quoted source that are kept.
const MAX_QUOTED: usize = 3;

/// Reads the output of one stream of a build.
///
/// stdout and stderr are separate pipes whose lines do not interleave: use a parser for each
/// and join them with [`Parser::finish_with`].
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    found: Diagnostics,
    flags: Vec<FlagCount>,
    /// A head such as `CMake Error at CMakeLists.txt:3 (message):` whose message comes next.
    pending: Option<Pending>,
    /// Whether the lines that come quote the source of the first error.
    quotes: bool,
    search: Search,
}

/// A message of CMake, on its way.
#[derive(Debug)]
struct Pending {
    head: Diagnostic,
    command: Option<String>,
    /// Whether its first paragraph is over, which is what is kept.
    is_whole: bool,
}

impl Parser {
    /// A parser that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut pieces = bytes.split(|&b| b == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let room = MAX_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if pieces.peek().is_some() {
                self.end_line();
            }
        }
    }

    /// What was found so far, in complete lines.
    pub fn so_far(&self) -> &Diagnostics {
        &self.found
    }

    /// The last line ends here, and with it the output.
    pub fn finish(mut self) -> Diagnostics {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.flush();
        self.found.rank(self.flags);
        self.found.missing = self.search.finish(self.found.first_error.as_ref());
        self.found
    }

    /// The end of two streams of one job, `self` being the one that rules the first error.
    pub fn finish_with(mut self, other: Self) -> Diagnostics {
        let mut other = other;
        for parser in [&mut self, &mut other] {
            if !parser.line.is_empty() {
                parser.end_line();
            }
            parser.flush();
        }
        let errors = self.found.errors + other.found.errors;
        if let Some(error) = other.found.first_error.take()
            && self.found.add(error, &mut self.flags)
        {
            self.found.quoted = other.found.quoted;
        }
        self.found.errors = errors;
        self.found.warnings += other.found.warnings;
        self.found.symptom = self.found.symptom.or(other.found.symptom);
        for theirs in other.flags {
            match self.flags.iter_mut().find(|ours| ours.flag == theirs.flag) {
                Some(ours) => ours.count += theirs.count,
                None => self.flags.push(theirs),
            }
        }
        self.found.rank(self.flags);
        self.search.join(other.search);
        self.found.missing = self.search.finish(self.found.first_error.as_ref());
        self.found
    }

    fn end_line(&mut self) {
        if self.pending.is_none() && !self.quotes && !can_matter(&self.line) {
            self.line.clear();
            return;
        }
        let text = ansi::plain(&self.line);
        self.line.clear();
        if let Some(quoted) = quoted_source(&text) {
            if self.quotes && self.found.quoted.len() < MAX_QUOTED {
                self.found.quoted.extend(quoted);
            }
            return;
        }
        if self.found.symptom.is_none() {
            self.found.symptom = Symptom::in_line(&text);
        }
        if self.takes(&text) {
            return;
        }
        if let Some(found) = compiler::read(&text).or_else(|| linker::read(&text)) {
            self.add(found, None);
            return;
        }
        match tools::read(&text) {
            Some(Said::All(found)) => self.add(found, None),
            Some(Said::Head(head, command)) => {
                self.pending = Some(Pending { head, command, is_whole: false });
            }
            None => self.search.line(&text),
        }
    }

    /// Whether the line belongs to the message that is on its way; any other line ends that.
    fn takes(&mut self, text: &str) -> bool {
        let Some(pending) = &mut self.pending else { return false };
        let message = &mut pending.head.message;
        match text.trim() {
            // An empty line comes between the head and its message as well.
            "" => pending.is_whole = !message.is_empty(),
            _ if !text.starts_with(' ') => {
                self.flush();
                return false;
            }
            line if pending.is_whole => self.search.listed(message, line),
            line if message.len() < MAX_TEXT => {
                if !message.is_empty() {
                    message.push(' ');
                }
                message.push_str(line);
            }
            _ => {}
        }
        true
    }

    fn flush(&mut self) {
        if let Some(Pending { mut head, command, .. }) = self.pending.take() {
            if head.message.is_empty() {
                let severity = if head.severity == Severity::Warning { "warning" } else { "error" };
                head.message = format!("CMake {severity}");
            }
            self.add(head, command.as_deref());
        }
    }

    fn add(&mut self, mut found: Diagnostic, command: Option<&str>) {
        cut(&mut found.message);
        if let Some(file) = &mut found.file {
            cut(file);
        }
        if let Some(flag) = &mut found.flag {
            cut(flag);
        }
        self.search.error(&found, command);
        self.quotes = self.found.add(found, &mut self.flags);
        if self.quotes {
            self.found.quoted.clear();
        }
    }
}

/// Whether a line can be one of those that are looked for, so that an endless output of others costs
/// next to nothing: they have a colon, or are what a shell says of a signal (`Bad system call`).
fn can_matter(line: &[u8]) -> bool {
    line.contains(&b':')
        || line.first().is_some_and(|&first| first.is_ascii_uppercase() || first == b'\x1b')
        || Search::can_matter(line)
}

/// `    2 | int f(void);`: gcc and clang quote the code they complain about, and code can say anything.
/// The line is none where only marks follow: `      |     ^`.
fn quoted_source(text: &str) -> Option<Option<QuotedLine>> {
    let (number, code) = text.split_once(" |")?;
    let digits = number.trim_start();
    if number.len() == digits.len() && !digits.is_empty()
        || !digits.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let Ok(line) = digits.parse() else { return Some(None) };
    let mut text = code.strip_prefix(' ').unwrap_or(code).to_owned();
    cut(&mut text);
    Some(Some(QuotedLine { line, text }))
}

fn cut(text: &mut String) {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
    }
}

#[cfg(test)]
mod tests;
