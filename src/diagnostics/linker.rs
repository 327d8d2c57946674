//! Lines of linkers: GNU ld, gold, lld, mold, and the compiler drivers that sum them up.

use super::record::{Diagnostic, Related};
use crate::model::{DiagnosticKind, Severity};

/// What a linker is called, with or without a triple before it.
const LINKERS: &[&str] =
    &["ld", "ld.bfd", "ld.gold", "ld.lld", "ld64.lld", "lld-link", "mold", "collect2", "lld"];

/// What only a linker says, after `file:(section): ` or its own name.
const PHRASES: &[&str] = &[
    "undefined reference to ",
    "undefined symbol: ",
    "undefined symbol ",
    "multiple definition of ",
    "duplicate symbol: ",
    "cannot find -l",
    "unable to find library -l",
    "library not found",
    "cannot find ",
    "relocation truncated to fit",
    "linker command failed",
    "ld returned ",
    "DSO missing from command line",
    "cannot open output file",
    "file format not recognized",
    "file in wrong format",
    "skipping incompatible",
    "recompile with -fPIC",
];

/// The diagnostic on this line, if it is one.
pub(super) fn read(line: &str) -> Option<Diagnostic> {
    let (program, said) = line.split_once(": ")?;
    let name = program.rsplit('/').next().unwrap_or(program);
    let driver = ["clang", "clang++"].iter().any(|driver| name.starts_with(driver));
    let from_linker = is_linker(program);
    if driver && !said.starts_with("error: linker command failed")
        || !driver && !from_linker && !is_section(program)
    {
        return None;
    }
    let (severity, message) =
        match (said.strip_prefix("error: "), said.strip_prefix("fatal error: ")) {
            (Some(message), _) => (Severity::Error, message),
            (None, Some(message)) => (Severity::Fatal, message),
            // A path or a place can come first: `ld: main.o: undefined reference to 'g'`.
            (None, None) if said.contains("warning: ") => (Severity::Warning, said),
            (None, None) => (Severity::Error, said),
        };
    let known = PHRASES.iter().filter_map(|phrase| message.find(phrase)).min();
    let explicit = said.len() != message.len();
    let at = match known {
        Some(at) => at,
        None if explicit => 0,
        None if severity == Severity::Warning && from_linker => message.find("warning: ")? + 9,
        None => return None,
    };
    // "skipping incompatible" is one of many tries; "cannot find" follows if none works.
    if message[at..].starts_with("skipping incompatible") {
        return None;
    }
    let (file, line) = place(if from_linker { &message[..at] } else { program });
    Some(Diagnostic {
        kind: DiagnosticKind::Link,
        severity: if known.is_some()
            && severity == Severity::Warning
            && !message.contains("warning: ")
        {
            Severity::Error
        } else {
            severity
        },
        file,
        line,
        column: None,
        message: message[at..].trim_end().to_owned(),
        flag: None,
    })
}

/// Whether a message begins as only a linker's does.
pub(super) fn is_phrase(message: &str) -> bool {
    PHRASES.iter().any(|phrase| message.starts_with(phrase))
}

/// The symbol that a linker's message is about.
pub(super) fn symbol(found: &Diagnostic) -> Option<String> {
    if found.kind != DiagnosticKind::Link {
        return None;
    }
    let message = &found.message;
    let starts = ["undefined reference to ", "multiple definition of "];
    if let Some(rest) = starts.iter().find_map(|start| message.strip_prefix(start)) {
        let rest = rest.strip_prefix(['`', '\'', '‘'])?;
        return Some(rest.split(['\'', '’']).next()?.to_owned());
    }
    let starts = ["undefined symbol: ", "duplicate symbol: "];
    let rest = starts.iter().find_map(|start| message.strip_prefix(start))?;
    Some(rest.trim().to_owned())
}

/// Cuts what a message says of a second place off: `…; m1.o:m1.c:(.text+0x0): first defined here`,
/// and mold's objects, whose names are others each time: `duplicate symbol: a.o: b.o: name`.
pub(super) fn second_place(message: &mut String) -> Option<Related> {
    if let Some(rest) = message.strip_prefix("duplicate symbol: ")
        && let Some((_, name)) = rest.rsplit_once(": ")
    {
        *message = format!("duplicate symbol: {name}");
        return None;
    }
    if !message.starts_with("multiple definition of ") {
        return None;
    }
    let (at, rest) = (message.find("; ")?, message.split_once("; ")?.1);
    let text = rest.strip_suffix(": first defined here");
    let (file, line) = text.map(place).unwrap_or_default();
    let related = file.map(|file| Related {
        file: Some(file),
        line,
        message: "first defined here".to_owned(),
        ..Related::default()
    });
    message.truncate(at);
    related
}

/// Whether a program of this path is a linker.
pub(super) fn is_linker(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    LINKERS.iter().any(|linker| {
        name == *linker
            || name.strip_suffix(linker).is_some_and(|triple| triple.ends_with('-'))
            || name.strip_prefix(linker).is_some_and(|version| {
                version.strip_prefix('-').is_some_and(|v| v.bytes().all(|b| b.is_ascii_digit()))
            })
    })
}

/// `l.c:(.text+0x5)`: a place as GNU ld writes it on the lines after its own name.
fn is_section(program: &str) -> bool {
    program.ends_with(')') && program.contains(":(")
        || place(program).1.is_some()
        // gold: `l.c:function main: error: undefined reference to 'g'`.
        || program.contains(":function ")
}

/// The file and the line in `dir/l.c:(.text+0x5)` or `dir/l.c:12`; an object file is not a place.
fn place(text: &str) -> (Option<String>, Option<u32>) {
    let text = text.trim().trim_end_matches(':');
    let text = text.split(":(").next().unwrap_or(text);
    let text = text.split(":function ").next().unwrap_or(text);
    let text = text.rsplit(": ").next().unwrap_or(text);
    match text.rsplit_once(':') {
        Some((file, line)) if !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()) => {
            // The object comes first: `two.o:two.c:1`, `libx.a(two.o):two.c:1`.
            let source = file.rsplit_once(".o:").or_else(|| file.rsplit_once(".o):"));
            let file = source.map_or(file, |(_, source)| source);
            (Some(file.to_owned()), line.parse().ok())
        }
        Some((_, file)) if is_source(file) => (Some(file.to_owned()), None),
        _ if is_source(text) => (Some(text.to_owned()), None),
        _ => (None, None),
    }
}

fn is_source(file: &str) -> bool {
    let end = file.rsplit('.').next().unwrap_or_default();
    ["c", "cc", "cpp", "cxx", "C", "m", "S", "s", "f", "f90"].contains(&end) && end != file
}
