//! The streaming parser: raw bytes in, everything that was said out.
//!
//! Output arrives in pieces that end anywhere. A line is looked at once, when it is complete; of a
//! line that does not end, the first 16 KiB count, so memory and time stay linear and small.

use super::{
    ansi,
    around::{self, Around},
    compiler::{self, Line},
    interest,
    kept::Kept,
    linker,
    missing::Search,
    places::{Places, SourceTree},
    record::{self, Diagnostic, Diagnostics, Entry, FlagCount, QuotedLine, Related},
    symptom::Symptom,
    tools::{self, Said},
};
use crate::model::{DiagnosticKind, Severity, Stream};

/// The longest line that is looked at; the rest of a longer one is skipped.
const MAX_LINE: usize = 16 * 1024;
/// The longest message, file or flag that is kept, in bytes.
const MAX_TEXT: usize = 1024;
/// The most lines of quoted source that are kept.
const MAX_QUOTED: usize = 3;
/// Lines after an error among which its source is quoted.
const QUOTES_WITHIN: u8 = 8;
/// The most lines that lead to a diagnostic.
const MAX_BEFORE: usize = 16;

/// Reads the output of one step of a build.
#[derive(Debug, Default)]
pub struct Parser {
    /// stderr, where compilers speak, then stdout: its lines do not interleave with the other's.
    streams: [Reader; 2],
    found: Diagnostics,
    flags: Vec<FlagCount>,
    kept: Kept,
    places: Places,
    /// Bytes of lines that were looked at.
    #[cfg(test)]
    work: usize,
}

/// What a step said.
#[derive(Debug, Default)]
pub struct Found {
    /// In short.
    pub summary: Diagnostics,
    /// Every different error and warning, in the order they were said first; bounded.
    pub entries: Vec<Entry>,
    /// How many were said beyond that.
    pub omitted: u64,
}

/// What is remembered of one stream.
#[derive(Debug, Default)]
struct Reader {
    line: Vec<u8>,
    /// A head such as `CMake Error at CMakeLists.txt:3 (message):` whose message comes next.
    pending: Option<Pending>,
    /// What leads to the diagnostic that comes.
    before: Vec<Related>,
    /// The entry that notes belong to; none if they were kept with an earlier one like it.
    last: Option<usize>,
    first_error: Option<Diagnostic>,
    quoted: Vec<QuotedLine>,
    /// Lines that may still quote the source of the first error.
    quotes: u8,
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
    /// A parser for a build of this source.
    pub fn new(tree: SourceTree) -> Self {
        Self { places: Places::new(tree), ..Self::default() }
    }

    /// The same for one of so many, which together keep no more than one alone may.
    #[must_use]
    pub fn one_of(mut self, many: usize) -> Self {
        self.kept.share(many);
        self
    }

    /// Takes the next piece of a stream.
    pub fn feed(&mut self, stream: Stream, bytes: &[u8]) {
        let at = usize::from(stream == Stream::Stdout);
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (piece, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            if self.streams[at].line.is_empty() {
                self.line(at, &piece[..piece.len().min(MAX_LINE)]);
            } else {
                self.streams[at].hold(piece);
                self.held_line(at);
            }
        }
        self.streams[at].hold(rest);
    }

    /// The output is over.
    pub fn finish(mut self) -> Found {
        for at in 0..self.streams.len() {
            if !self.streams[at].line.is_empty() {
                self.held_line(at);
            }
            self.flush(at);
        }
        let Self { streams: [err, out], mut found, flags, kept, .. } = self;
        // Of two that explain as much, the one on stderr counts.
        let outdoes =
            |out: &Diagnostic, err: &Diagnostic| record::weight(out) > record::weight(err);
        let is_out = match (&out.first_error, &err.first_error) {
            (Some(out), Some(err)) => outdoes(out, err),
            (out, _) => out.is_some(),
        };
        let (first, quoted) =
            if is_out { (out.first_error, out.quoted) } else { (err.first_error, err.quoted) };
        let mut search = err.search;
        search.join(out.search);
        found.missing = search.finish(first.as_ref());
        (found.first_error, found.quoted) = (first, quoted);
        found.rank(flags);
        let (entries, omitted) = kept.finish();
        Found { summary: found, entries, omitted }
    }

    fn held_line(&mut self, at: usize) {
        let line = std::mem::take(&mut self.streams[at].line);
        self.line(at, &line);
        // The room is used again.
        self.streams[at].line = line;
        self.streams[at].line.clear();
    }

    fn line(&mut self, at: usize, line: &[u8]) {
        #[cfg(test)]
        {
            self.work += line.len();
        }
        if !self.streams[at].waits() && !interest::holds(line) {
            return;
        }
        let text = ansi::plain(line);
        if let Some(quoted) = quoted_source(&text) {
            self.streams[at].quote(quoted);
            return;
        }
        self.streams[at].quotes = self.streams[at].quotes.saturating_sub(1);
        if self.found.symptom.is_none() {
            self.found.symptom = Symptom::in_line(&text);
        }
        if self.takes(at, &text) || self.places.hear(&text) {
            return;
        }
        if let Some(around) = around::read(&text, !self.streams[at].before.is_empty()) {
            self.relate(at, around);
            return;
        }
        match compiler::read(&text) {
            Some(Line::Note(note)) => {
                // What led to a note is not what leads to the next diagnostic.
                self.streams[at].before.clear();
                self.relate(at, Around::After(note));
                return;
            }
            Some(Line::Diagnostic(found)) => return self.add(at, found, None),
            None => {}
        }
        if let Some(found) = linker::read(&text) {
            return self.add(at, found, None);
        }
        match tools::read(&text) {
            Some(Said::All(found)) => self.add(at, found, None),
            Some(Said::Head(head, command)) => {
                self.streams[at].pending = Some(Pending { head, command, is_whole: false });
            }
            None => self.streams[at].search.line(&text),
        }
    }

    /// Whether the line belongs to the message that is on its way; any other line ends that.
    fn takes(&mut self, at: usize, text: &str) -> bool {
        let reader = &mut self.streams[at];
        let Some(pending) = &mut reader.pending else { return false };
        let message = &mut pending.head.message;
        match text.trim() {
            // An empty line comes between the head and its message as well.
            "" => pending.is_whole = !message.is_empty(),
            _ if !text.starts_with(' ') => {
                self.flush(at);
                return false;
            }
            line if pending.is_whole => reader.search.listed(message, line),
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

    fn flush(&mut self, at: usize) {
        if let Some(Pending { mut head, command, .. }) = self.streams[at].pending.take() {
            if head.message.is_empty() {
                let severity = if head.severity == Severity::Warning { "warning" } else { "error" };
                head.message = format!("CMake {severity}");
            }
            self.add(at, head, command.as_deref());
        }
    }

    fn relate(&mut self, at: usize, around: Around) {
        match around {
            Around::Before(mut one) => {
                self.place(&mut one);
                let before = &mut self.streams[at].before;
                if before.len() < MAX_BEFORE {
                    before.push(one);
                }
            }
            Around::After(mut one) => {
                if let Some(last) = self.streams[at].last {
                    self.place(&mut one);
                    self.kept.relate(last, one);
                }
            }
        }
    }

    fn place(&mut self, one: &mut Related) {
        cut(&mut one.message);
        if let Some(file) = &mut one.file {
            cut(file);
            (*file, one.origin) = self.places.map(file);
        }
    }

    fn add(&mut self, at: usize, mut found: Diagnostic, command: Option<&str>) {
        let mut second = None;
        if found.kind == DiagnosticKind::Link {
            second = linker::second_place(&mut found.message);
        }
        let mut origin = None;
        if let Some(file) = &mut found.file {
            cut(file);
            (*file, origin) = self.places.map(file);
        }
        cut(&mut found.message);
        if let Some(flag) = &mut found.flag {
            cut(flag);
        }
        if let Some(second) = &mut second {
            self.place(second);
        }
        let before = std::mem::take(&mut self.streams[at].before);
        self.found.count(&found, &mut self.flags);
        if record::counts(&found) {
            let last = self.kept.add(&found, origin, before);
            if let (Some(last), Some(second)) = (last, second) {
                self.kept.relate(last, second);
            }
            self.streams[at].last = last;
        }
        let reader = &mut self.streams[at];
        reader.search.error(&found, command);
        reader.quotes = 0;
        if found.severity != Severity::Warning {
            let first = reader.first_error.as_ref();
            if first.is_none_or(|first| record::weight(&found) > record::weight(first)) {
                reader.first_error = Some(found);
                reader.quoted.clear();
                reader.quotes = QUOTES_WITHIN;
            }
        }
    }
}

impl Reader {
    fn hold(&mut self, piece: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.line.len());
        self.line.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// Whether what comes next matters whatever it is.
    fn waits(&self) -> bool {
        self.pending.is_some() || self.quotes > 0 || !self.before.is_empty()
    }

    fn quote(&mut self, quoted: Quoted) {
        if let Quoted::Line(line) = quoted
            && self.quotes > 0
            && self.quoted.len() < MAX_QUOTED
        {
            self.quoted.push(line);
        }
    }
}

/// A line of a quotation.
enum Quoted {
    /// The code.
    Line(QuotedLine),
    /// What points into it: `      |     ^`.
    Marks,
}

/// `    2 | int f(void);`: gcc and clang quote the code they complain about, and code can say anything.
fn quoted_source(text: &str) -> Option<Quoted> {
    let (number, code) = text.split_once(" |")?;
    let digits = number.trim_start();
    if !number.starts_with(' ') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let Ok(line) = digits.parse() else { return Some(Quoted::Marks) };
    let mut text = code.strip_prefix(' ').unwrap_or(code).to_owned();
    cut(&mut text);
    Some(Quoted::Line(QuotedLine { line, text }))
}

fn cut(text: &mut String) {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
    }
}

#[cfg(test)]
mod tests;
