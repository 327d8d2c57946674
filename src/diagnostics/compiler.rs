//! Lines of compilers and assemblers: `file:line:column: severity: message [-Wflag]`.
//!
//! gcc, clang, the GNU assembler, bison, flex and the preprocessor all follow the GNU standard's
//! form; columns, the line and even the file can be missing.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::{
    linker,
    record::{Diagnostic, Related},
};
use crate::model::{DiagnosticKind, Severity};

/// What the severity is called; none is a note.
const SEVERITIES: &[(&str, Option<Severity>)] = &[
    ("fatal error: ", Some(Severity::Fatal)),
    ("Fatal error: ", Some(Severity::Fatal)),
    ("internal compiler error: ", Some(Severity::Fatal)),
    ("sorry, unimplemented: ", Some(Severity::Error)),
    ("error: ", Some(Severity::Error)),
    ("Error: ", Some(Severity::Error)),
    ("warning: ", Some(Severity::Warning)),
    ("Warning: ", Some(Severity::Warning)),
    ("note: ", None),
];

/// Finds the first of them, and of those that begin there the longest.
static FINDER: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .build(SEVERITIES.iter().map(|(word, _)| word))
        .expect("nine short words make a small automaton")
});

/// What a compiler's line is.
pub(super) enum Line {
    /// A diagnostic.
    Diagnostic(Diagnostic),
    /// A note on the one before it.
    Note(Related),
}

/// Files that are read by what makes a build, not by a compiler.
const SCRIPTS: &[&str] = &["configure.ac", "configure.in", "Makefile.am", "aclocal.m4"];

/// Programs that say things of their own, without a place in a file.
const COMPILERS: &[&str] =
    &["cc1", "cc1plus", "lto1", "as", "lto-wrapper", "cpp", "llvm-ar", "ar", "ranlib"];

/// The diagnostic or the note on this line, if it is one.
pub(super) fn read(line: &str) -> Option<Line> {
    let found = FINDER.find(line)?;
    let (word, severity) = SEVERITIES[found.pattern().as_usize()];
    let at = found.start();
    // The GNU linker says `file.c:3: warning: …` as well, but begins with its own path.
    let place = line[..at].strip_suffix(": ").or_else(|| line[..at].strip_suffix(':'));
    let rest = line[found.end()..].trim_end();
    let Some(severity) = severity else {
        let (file, line, column) = split_place(place?)?;
        let file = Some(file?.to_owned());
        let message = rest.to_owned();
        return Some(Line::Note(Related { file, line, column, message, origin: None }));
    };
    let (message, flag) = split_flag(rest);
    let (file, line, column) = match place {
        Some(place) => split_place(place)?,
        // clang without a file: `error: no such file or directory: 'x.c'`.
        None if at == 0 && severity != Severity::Warning && word.starts_with(['e', 'f']) => {
            (None, None, None)
        }
        None => return None,
    };
    let message = match word {
        "internal compiler error: " => format!("internal compiler error: {message}"),
        _ => message.to_owned(),
    };
    let is_script = file.is_some_and(|file| {
        let name = file.rsplit('/').next().unwrap_or(file);
        SCRIPTS.contains(&name) || name.rsplit_once('.').is_some_and(|(_, end)| end == "m4")
    });
    let kind = if is_script {
        DiagnosticKind::Configure
    } else if file.is_some() && linker::is_phrase(&message) {
        // gold names the source as a compiler does: `l.c:3: error: undefined reference to 'g'`.
        DiagnosticKind::Link
    } else {
        DiagnosticKind::Compile
    };
    let file = file.map(str::to_owned);
    Some(Line::Diagnostic(Diagnostic { kind, severity, file, line, column, message, flag }))
}

/// A file, a line and a column.
pub(super) type Place<'a> = (Option<&'a str>, Option<u32>, Option<u32>);

/// `file:12:3`, `file:12`, or a compiler's own name.
pub(super) fn split_place(place: &str) -> Option<Place<'_>> {
    let number = |text: &str| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok()).flatten()
    };
    if let Some((head, last)) = place.rsplit_once(':')
        && let Some(last) = number(last)
    {
        if let Some((file, line)) = head.rsplit_once(':')
            && let Some(line) = number(line)
            && is_file(file)
        {
            return Some((Some(file), Some(line), Some(last)));
        }
        return is_file(head).then_some((Some(head), Some(last), None));
    }
    let program = place.rsplit('/').next().unwrap_or(place);
    is_compiler(program).then_some((None, None, None))
}

/// Whether this can be the name of a source file: not a linker's path or a sentence.
fn is_file(text: &str) -> bool {
    let program = text.split(": ").next().unwrap_or(text);
    !text.is_empty()
        && !text.contains(": ")
        && !linker::is_linker(program)
        && !text.starts_with("make")
        && !text.starts_with("CMake ")
}

/// `gcc`, `x86_64-w64-mingw32-g++-12`, `clang-19`, `cc1`: something that compiles.
fn is_compiler(program: &str) -> bool {
    let base = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    let end = base.rsplit('-').next().unwrap_or(base);
    COMPILERS.contains(&base)
        || COMPILERS.contains(&program)
        || ["gcc", "g++", "cc", "c++", "clang", "clang++", "tcc"].contains(&end)
}

/// The message and the flag in brackets at its end: `[-Wx]`, `[-Werror=x]`, `[-Werror,-Wx]`.
fn split_flag(text: &str) -> (&str, Option<String>) {
    let Some((message, flag)) = text
        .strip_suffix(']')
        .and_then(|text| text.rsplit_once(" [-W"))
        .filter(|(_, flag)| !flag.contains([' ', ']', '[']))
    else {
        return (text, None);
    };
    let flag = match (flag.strip_prefix("error="), flag.strip_prefix("error,-W")) {
        (Some(gcc), _) => gcc,
        (None, Some(clang)) => clang,
        (None, None) => flag,
    };
    (message, Some(format!("-W{flag}")))
}
