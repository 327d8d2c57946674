//! What compilers, linkers and build tools said, by file and line.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use crate::{
    cli::{
        sanitize,
        style::{Style, paint},
        text,
    },
    model::{FileOrigin, Severity},
    protocol::{DiagnosticEntry, DiagnosticPlace, JobDiagnostics, SeverityFilter},
};

/// The most places that are shown with one: the rest is in `--json`.
const RELATED: usize = 4;

/// The diagnostics of one job.
pub(in crate::cli) fn diagnostics(
    said: &JobDiagnostics,
    wanted: Option<SeverityFilter>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let id = paint(Style::Bold, &said.job.to_string());
    let errors = text::count(said.errors, "error", "errors");
    let warnings = text::count(said.warnings, "warning", "warnings");
    writeln!(out, "job {id} ({}): {errors}, {warnings}", said.toolchain)?;
    // In the order of files, those that named none last; within a file by line.
    let mut files: BTreeMap<(bool, &str), Vec<&DiagnosticEntry>> = BTreeMap::new();
    for one in &said.diagnostics {
        let file = one.place.as_ref().map_or("", |place| &place.file);
        files.entry((file.is_empty(), file)).or_default().push(one);
    }
    for ((_, file), mut all) in files {
        all.sort_by_key(|one| one.place.as_ref().map(|place| (place.line, place.column)));
        writeln!(out)?;
        if !file.is_empty() {
            let origin = all[0].place.as_ref().and_then(|place| place.origin);
            let marker = match origin {
                Some(FileOrigin::Generated) => " (made by the build)",
                Some(FileOrigin::System) => " (of the image)",
                Some(FileOrigin::Repository) | None => "",
            };
            writeln!(out, "{}{marker}", paint(Style::Bold, &sanitize::text(file)))?;
        }
        all.into_iter().try_for_each(|one| entry(one, out))?;
    }
    if said.omitted > 0 {
        writeln!(out, "\n{} more were not kept", said.omitted)?;
    }
    if said.diagnostics.is_empty() {
        let what = match wanted {
            Some(SeverityFilter::Error) => "no error",
            Some(SeverityFilter::Warning) => "no warning",
            None => "nothing",
        };
        writeln!(out, "\n{what} to show")?;
    }
    Ok(())
}

fn entry(one: &DiagnosticEntry, out: &mut dyn Write) -> io::Result<()> {
    let (style, word) = match one.severity {
        Severity::Warning => (Style::Yellow, "warning:"),
        Severity::Error => (Style::Red, "error:"),
        Severity::Fatal => (Style::Red, "fatal error:"),
    };
    let at = one.place.as_ref().map(numbers).unwrap_or_default();
    let gap = if at.is_empty() { "" } else { "  " };
    write!(out, "  {at}{gap}{} {}", paint(style, word), sanitize::text(&one.message))?;
    if let Some(flag) = &one.flag {
        write!(out, " [{}]", sanitize::text(flag))?;
    }
    if one.count > 1 {
        write!(out, " ×{}", one.count)?;
    }
    writeln!(out)?;
    for related in one.related.iter().take(RELATED) {
        let place = related.place.as_ref();
        let file = place.map(|place| sanitize::text(&place.file)).unwrap_or_default();
        let at = place.map(numbers).unwrap_or_default();
        let colon = if at.is_empty() { "" } else { ":" };
        writeln!(out, "      {file}{colon}{at}: {}", sanitize::text(&related.message))?;
    }
    match one.related.len().saturating_sub(RELATED) {
        0 => Ok(()),
        more => {
            writeln!(out, "      and {}", text::count(more as u64, "more place", "more places"))
        }
    }
}

/// `12:5`, `12`, or nothing.
fn numbers(place: &DiagnosticPlace) -> String {
    match (place.line, place.column) {
        (Some(line), Some(column)) => format!("{line}:{column}"),
        (Some(line), None) => line.to_string(),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_come_in_order_and_hostile_text_is_tamed() {
        let said: JobDiagnostics = serde_json::from_value(json!({
            "job": "01KB0Q6M3V8W2T5XJ4C9ZR7HN2", "attempt": 1,
            "commit": "0123456789abcdef0123456789abcdef01234567", "toolchain": "gcc:14",
            "compiler": "gcc 14.2.0", "errors": 2, "warnings": 3, "omitted": 7,
            "diagnostics": [
                {"severity": "error", "kind": "link", "step": "compile",
                 "message": "undefined reference to `g'", "symbol": "g", "count": 2},
                {"severity": "warning", "kind": "compile", "step": "compile",
                 "place": {"file": "src/z.h", "origin": "repository", "line": 9, "column": 2},
                 "message": "unused\u{1b}]0;x\u{7} ‘a’", "flag": "-Wunused", "count": 3,
                 "related": [{"place": {"file": "src/a.c", "line": 1}, "message": "included from here"},
                    {"message": "1"}, {"message": "2"}, {"message": "3"}, {"message": "4"}]},
                {"severity": "fatal", "kind": "compile", "step": "compile",
                 "place": {"file": "gen\u{202e}.c", "origin": "generated", "line": 1},
                 "message": "x.h: No such file or directory", "count": 1},
            ],
        }))
        .unwrap();
        let mut out = Vec::new();
        diagnostics(&said, None, &mut out).unwrap();
        let text = anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string();
        assert_eq!(
            text,
            "job 01KB0Q6M3V8W2T5XJ4C9ZR7HN2 (gcc:14): 2 errors, 3 warnings\n\
             \n\
             gen.c (made by the build)\n\
             \x20 1  fatal error: x.h: No such file or directory\n\
             \n\
             src/z.h\n\
             \x20 9:2  warning: unused ‘a’ [-Wunused] ×3\n\
             \x20     src/a.c:1: included from here\n\
             \x20     : 1\n\
             \x20     : 2\n\
             \x20     : 3\n\
             \x20     and 1 more place\n\
             \n\
             \x20 error: undefined reference to `g' ×2\n\
             \n\
             7 more were not kept\n"
        );
    }
}
