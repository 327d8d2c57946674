//! Lines before and after a diagnostic that belong to it: include chains, the function, where a
//! template was needed, notes, and where a linker saw a symbol.

use super::compiler::split_place;
use super::record::Related;

/// What such a line is.
pub(super) enum Around {
    /// It belongs to the diagnostic that comes.
    Before(Related),
    /// It belongs to the diagnostic before it.
    After(Related),
}

/// Reads such a line; `continues` says that the lines before it were of an include chain.
pub(super) fn read(line: &str, continues: bool) -> Option<Around> {
    included(line, continues)
        .or_else(|| enclosing(line))
        .or_else(|| required(line))
        .map(Around::Before)
        .or_else(|| linker(line).map(Around::After))
}

/// `In file included from x.h:3,` and `                 from a.c:1:`.
fn included(line: &str, continues: bool) -> Option<Related> {
    let place = match line.strip_prefix("In file included from ") {
        Some(place) => place,
        None if continues => line.strip_prefix("      ")?.trim_start().strip_prefix("from ")?,
        None => return None,
    };
    let place = place.trim_end().trim_end_matches([',', ':']);
    related(place, "included from here")
}

/// `a.c: In function ‘f’:`, `a.cc: In instantiation of ‘…’:`.
fn enclosing(line: &str) -> Option<Related> {
    let (file, rest) = line.split_once(": In ")?;
    let text = rest.trim_end().strip_suffix(':')?;
    (!file.is_empty() && !file.contains(": ")).then(|| Related {
        file: Some(file.to_owned()),
        message: format!("in {text}"),
        ..Related::default()
    })
}

/// `a.cc:12:5:   required from here`, `a.h:3:9:   in ‘constexpr’ expansion of ‘…’`.
fn required(line: &str) -> Option<Related> {
    let (place, text) = line.split_once(":   ")?;
    let text = text.trim();
    let known = ["required ", "recursively required ", "in "];
    known.iter().any(|start| text.starts_with(start)).then(|| related(place, text))?
}

/// lld's and mold's `>>> referenced by l.c:3`, `>>> defined at m.c:1`, `>>> defined in a.o`.
fn linker(line: &str) -> Option<Related> {
    let text = line.strip_prefix(">>> ")?.trim();
    for (start, message) in [
        ("referenced by ", "referenced here"),
        ("defined at ", "defined here"),
        ("defined in ", "defined here"),
    ] {
        if let Some(place) = text.strip_prefix(start) {
            let place = place.split(" (").next().unwrap_or(place);
            // An object in the compiler's temporary folder has another name each time.
            let is_object = place.starts_with("/tmp/") || place.ends_with(')');
            return (!is_object).then(|| {
                related(place, message).unwrap_or_else(|| Related {
                    file: Some(place.to_owned()),
                    message: message.to_owned(),
                    ..Related::default()
                })
            });
        }
    }
    None
}

fn related(place: &str, message: &str) -> Option<Related> {
    let (file, line, column) = split_place(place)?;
    let file = Some(file?.to_owned());
    Some(Related { file, line, column, message: message.to_owned(), origin: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_around_have_a_place_and_a_side() {
        for (line, expected) in [
            ("In file included from x.h:3,", "< x.h:3 included from here"),
            ("                 from a.c:1:", "< a.c:1 included from here"),
            ("In file included from b.c:1:10:", "< b.c:1 included from here"),
            ("a.c: In function ‘f’:", "< a.c:0 in function ‘f’"),
            (
                "a.cc: In instantiation of ‘T f(T) [with T = X]’:",
                "< a.cc:0 in instantiation of ‘T f(T) [with T = X]’",
            ),
            ("a.cc:12:5:   required from here", "< a.cc:12 required from here"),
            (">>> referenced by l.c:3 (src/l.c:3)", "> l.c:3 referenced here"),
            (">>> defined at m1.c", "> m1.c:0 defined here"),
            (">>> defined in /tmp/ccx.o", ""),
            (">>>               /tmp/l-1.o:(main)", ""),
            ("checking: In what", ""),
            ("plain", ""),
        ] {
            let shown = |one: Related| {
                format!("{}:{} {}", one.file.unwrap(), one.line.unwrap_or(0), one.message)
            };
            let text = match read(line, true) {
                Some(Around::Before(one)) => format!("< {}", shown(one)),
                Some(Around::After(one)) => format!("> {}", shown(one)),
                None => String::new(),
            };
            assert_eq!(text, expected, "{line}");
        }
    }
}
