//! Lines of the tools around a compiler: CMake, configure, make, ninja, the shell.

use super::record::Diagnostic;
use crate::model::{DiagnosticKind, Severity};

/// What a line says.
pub(super) enum Said {
    /// Everything.
    All(Diagnostic),
    /// Where and how grave; the message is on lines that follow. The command is CMake's that failed.
    Head(Diagnostic, Option<String>),
}

/// The diagnostic on this line, if it is one.
pub(super) fn read(line: &str) -> Option<Said> {
    cmake(line)
        .or_else(|| configure(line).map(Said::All))
        .or_else(|| build_tool(line).map(Said::All))
        .or_else(|| missing_program(line).map(Said::All))
}

fn plain(kind: DiagnosticKind, severity: Severity, message: &str) -> Diagnostic {
    Diagnostic {
        kind,
        severity,
        file: None,
        line: None,
        column: None,
        message: message.trim().to_owned(),
        flag: None,
    }
}

/// `CMake Error at a/CMakeLists.txt:3 (message):`, `CMake Error: message`, and the same with
/// `Warning` or `Warning (dev)`.
fn cmake(line: &str) -> Option<Said> {
    let rest = line.strip_prefix("CMake ")?;
    let (severity, rest) = match (rest.strip_prefix("Error"), rest.strip_prefix("Warning")) {
        (Some(rest), _) => (Severity::Error, rest),
        (None, Some(rest)) => (Severity::Warning, rest),
        (None, None) => return None,
    };
    let rest = rest.strip_prefix(" (dev)").unwrap_or(rest);
    if let Some(place) = rest.strip_prefix(" at ").or_else(|| rest.strip_prefix(" in ")) {
        let place = place.trim_end().trim_end_matches(':');
        let (place, command) = place.split_once(" (").unwrap_or((place, ""));
        let command = command.strip_suffix(')').map(str::to_owned);
        let mut head = plain(DiagnosticKind::Configure, severity, "");
        match place.rsplit_once(':') {
            Some((file, number)) if number.parse::<u32>().is_ok() => {
                head.file = Some(file.to_owned());
                head.line = number.parse().ok();
            }
            _ => head.file = Some(place.to_owned()),
        }
        return Some(Said::Head(head, command));
    }
    let message = rest.strip_prefix(':')?;
    let said = plain(DiagnosticKind::Configure, severity, message);
    Some(if said.message.is_empty() { Said::Head(said, None) } else { Said::All(said) })
}

/// `configure: error: …`, `./configure: line 12: …` and Meson's `meson.build:3:0: ERROR: …`.
fn configure(line: &str) -> Option<Diagnostic> {
    if let Some((place, message)) = line.split_once(": ERROR: ")
        && place.contains("meson.build:")
    {
        let mut parts = place.split(':');
        let mut said = plain(DiagnosticKind::Configure, Severity::Error, message);
        said.file = parts.next().map(str::to_owned);
        said.line = parts.next().and_then(|number| number.parse().ok());
        said.column = parts.next().and_then(|number| number.parse().ok());
        return Some(said);
    }
    // With both streams in one, the question that got no answer stands before: `checking for x...`.
    let line = match line.split_once("... configure: error: ") {
        Some((question, _)) if question.starts_with("checking ") => &line[question.len() + 4..],
        _ => line,
    };
    let (program, rest) = line.split_once(": ")?;
    if program.rsplit('/').next() != Some("configure") {
        return None;
    }
    if let Some(message) = rest.strip_prefix("error: ") {
        return Some(plain(DiagnosticKind::Configure, Severity::Error, message));
    }
    if let Some(message) = rest.strip_prefix("WARNING: ") {
        return Some(plain(DiagnosticKind::Configure, Severity::Warning, message));
    }
    // Unexpanded macros and broken scripts: `./configure: line 2345: syntax error near …`.
    let (number, message) = rest.strip_prefix("line ").unwrap_or(rest).split_once(": ")?;
    let number = number.parse().ok()?;
    message.to_ascii_lowercase().contains("syntax error").then(|| Diagnostic {
        file: Some(program.to_owned()),
        line: Some(number),
        ..plain(DiagnosticKind::Configure, Severity::Error, message)
    })
}

/// `make[1]: *** [Makefile:3: a.o] Error 1`, `ninja: error: …`, `FAILED: a.o`.
fn build_tool(line: &str) -> Option<Diagnostic> {
    let build = |message: &str| plain(DiagnosticKind::Build, Severity::Error, message);
    if let Some(target) = line.strip_prefix("FAILED: ") {
        return Some(build(&format!("ninja could not make {}", target.trim())));
    }
    if let Some(message) =
        line.strip_prefix("ninja: error: ").or_else(|| line.strip_prefix("ninja: fatal: "))
    {
        return Some(build(message));
    }
    let (program, rest) = line.split_once(": *** ")?;
    // `Makefile:3: *** missing separator.  Stop.` has a place before the stars.
    if let Some((file, number)) = program.rsplit_once(':')
        && let Ok(number) = number.parse::<u32>()
    {
        let mut said = build(rest);
        said.file = Some(file.to_owned());
        said.line = Some(number);
        return Some(said);
    }
    let base = program.split('[').next().unwrap_or(program);
    ["make", "gmake", "bmake"].contains(&base.rsplit('/').next()?).then(|| build(rest))
}

/// `sh: 1: foo: not found`, `bash: line 3: foo: command not found`, `make: foo: No such file or
/// directory`, `/usr/bin/env: 'python': No such file or directory`.
fn missing_program(line: &str) -> Option<Diagnostic> {
    let (before, ending) = line.trim_end().rsplit_once(": ")?;
    let (head, program) = before.rsplit_once(": ")?;
    let first = head.split(':').next().unwrap_or(head);
    let first = first.rsplit('/').next().unwrap_or(first);
    let shell = ["sh", "bash", "dash", "ksh", "zsh"].contains(&first)
        || head.rsplit(':').next().is_some_and(is_line_number);
    let caller = first.split('[').next().unwrap_or(first);
    let found = match ending {
        "not found" | "command not found" => shell || caller == "make",
        "No such file or directory" => ["make", "gmake", "env"].contains(&caller),
        _ => false,
    };
    // make and env put both parts directly: `make: foo: No such file or directory`.
    found.then(|| {
        let program = program.trim_matches(['\'', '"', '`', '‘', '’']);
        plain(
            DiagnosticKind::Command,
            Severity::Error,
            &format!("the program {program} is not there"),
        )
    })
}

fn is_line_number(text: &str) -> bool {
    let text = text.trim();
    let text = text.strip_prefix("line ").unwrap_or(text);
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
