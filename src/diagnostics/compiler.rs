//! Lines of compilers and assemblers: `file:line:column: severity: message [-Wflag]`.
//!
//! gcc, clang, the GNU assembler, bison, flex and the preprocessor all follow the GNU standard's
//! form; columns, the line and even the file can be missing.

use super::{Diagnostic, DiagnosticKind, Severity};

/// What the severity is called, the longest first where one is the beginning of another.
const SEVERITIES: &[(&str, Severity)] = &[
    ("fatal error: ", Severity::Fatal),
    ("Fatal error: ", Severity::Fatal),
    ("internal compiler error: ", Severity::Fatal),
    ("sorry, unimplemented: ", Severity::Error),
    ("error: ", Severity::Error),
    ("Error: ", Severity::Error),
    ("warning: ", Severity::Warning),
    ("Warning: ", Severity::Warning),
];

/// Programs that say things of their own, without a place in a file.
const COMPILERS: &[&str] =
    &["cc1", "cc1plus", "lto1", "as", "lto-wrapper", "cpp", "llvm-ar", "ar", "ranlib"];

/// The diagnostic on this line, if it is one.
pub(super) fn read(line: &str) -> Option<Diagnostic> {
    let (at, word, severity) = SEVERITIES
        .iter()
        .filter_map(|&(word, severity)| Some((line.find(word)?, word, severity)))
        .min_by_key(|&(at, word, _)| (at, std::cmp::Reverse(word.len())))?;
    // The GNU linker says `file.c:3: warning: …` as well, but begins with its own path.
    let place = line[..at].strip_suffix(": ").or_else(|| line[..at].strip_suffix(':'));
    let rest = line[at + word.len()..].trim_end();
    let (message, flag) = split_flag(rest);
    let Some(place) = place else {
        // clang without a file: `error: no such file or directory: 'x.c'`.
        return (at == 0 && severity != Severity::Warning && word.starts_with(['e', 'f'])).then(
            || Diagnostic {
                kind: DiagnosticKind::Compile,
                severity,
                file: None,
                line: None,
                column: None,
                message: message.to_owned(),
                flag,
            },
        );
    };
    let (file, line, column) = split_place(place)?;
    let message = match word {
        "internal compiler error: " => format!("internal compiler error: {message}"),
        _ => message.to_owned(),
    };
    Some(Diagnostic {
        kind: DiagnosticKind::Compile,
        severity,
        file: file.map(str::to_owned),
        line,
        column,
        message,
        flag,
    })
}

/// `file:12:3`, `file:12`, or a compiler's own name.
fn split_place(place: &str) -> Option<(Option<&str>, Option<u32>, Option<u32>)> {
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
        && !super::linker::is_linker(program)
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
