//! The streaming parser: raw bytes in, a summary out.
//!
//! Output arrives in pieces that end anywhere. A line is looked at once, when it is complete; of a
//! line that does not end, the first 16 KiB count, so memory and time stay linear and small.

use super::{
    Diagnostic, Diagnostics, FlagCount, Severity, ansi, compiler, linker,
    symptom::Symptom,
    tools::{self, Said},
};

/// The longest line that is looked at; the rest of a longer one is skipped.
const MAX_LINE: usize = 16 * 1024;
/// The longest message, file or flag that is kept, in bytes.
const MAX_TEXT: usize = 1024;

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
    pending: Option<Diagnostic>,
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
        if let Some(error) = other.found.first_error.take() {
            self.found.add(error, &mut self.flags);
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
        self.found
    }

    fn end_line(&mut self) {
        if self.pending.is_none() && !can_matter(&self.line) {
            self.line.clear();
            return;
        }
        let text = ansi::plain(&self.line);
        self.line.clear();
        if is_quoted_source(&text) {
            return;
        }
        if self.found.symptom.is_none() {
            self.found.symptom = Symptom::in_line(&text);
        }
        if let Some(head) = &mut self.pending {
            match text.trim() {
                // An empty line comes between the head and its message.
                "" if head.message.is_empty() => return,
                message if text.starts_with(' ') && head.message.is_empty() => {
                    message.clone_into(&mut head.message);
                    self.flush();
                    return;
                }
                _ => self.flush(),
            }
        }
        if let Some(found) = compiler::read(&text).or_else(|| linker::read(&text)) {
            self.add(found);
            return;
        }
        match tools::read(&text) {
            Some(Said::All(found)) => self.add(found),
            Some(Said::Head(head)) => self.pending = Some(head),
            None => {}
        }
    }

    fn flush(&mut self) {
        if let Some(mut head) = self.pending.take() {
            if head.message.is_empty() {
                let severity = if head.severity == Severity::Warning { "warning" } else { "error" };
                head.message = format!("CMake {severity}");
            }
            self.add(head);
        }
    }

    fn add(&mut self, mut found: Diagnostic) {
        cut(&mut found.message);
        if let Some(file) = &mut found.file {
            cut(file);
        }
        if let Some(flag) = &mut found.flag {
            cut(flag);
        }
        self.found.add(found, &mut self.flags);
    }
}

/// Whether a line can be one of those that are looked for, so that an endless output of others costs
/// next to nothing: they have a colon, or are what a shell says of a signal (`Bad system call`).
fn can_matter(line: &[u8]) -> bool {
    line.contains(&b':')
        || line.first().is_some_and(|&first| first.is_ascii_uppercase() || first == b'\x1b')
}

/// `    2 | int f(void);`: gcc and clang quote the code they complain about, and code can say anything.
fn is_quoted_source(line: &str) -> bool {
    line.split_once(" |").is_some_and(|(number, _)| {
        number.starts_with(' ') && number.trim_start().bytes().all(|b| b.is_ascii_digit())
    })
}

fn cut(text: &mut String) {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
    }
}

#[cfg(test)]
mod tests;
