//! Names of things that can be looked up: checked, because a message can hold anything.

use super::{Missing, MissingKind};

/// The longest name that is believed.
const MAX_NAME: usize = 128;

/// A thing of this kind, if the text is a name of one.
pub(super) fn checked(kind: MissingKind, text: &str) -> Option<Missing> {
    let text = text.trim().trim_matches(['\'', '"', '`', '‘', '’', '<', '>', ',', ';', '“', '”']);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-+./:@".contains(c);
    let fits = !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(allowed);
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    (fits && starts).then(|| Missing { kind, name: text.to_owned() })
}

/// A header, as it is included.
pub(super) fn header(text: &str) -> Option<Missing> {
    let one = checked(MissingKind::Header, text)?;
    (!one.name.contains("..")).then_some(one)
}

/// Whether a word is a header by its ending.
pub(super) fn is_header(word: &str) -> bool {
    word.rsplit_once('.').is_some_and(|(_, end)| ["h", "hpp"].contains(&end))
}

/// A library, as it follows `-l`.
pub(super) fn library(text: &str) -> Option<Missing> {
    let text = text.trim();
    let exact = text.strip_prefix(":lib").map(|file| file.split(".so").next().unwrap_or(file));
    let text = exact.map_or(text, |file| file.strip_suffix(".a").unwrap_or(file));
    checked(MissingKind::Library, text)
}

/// A program, or a macro that a configure script runs as if it were one.
pub(super) fn program_or_macro(text: &str) -> Option<Missing> {
    if let Some(found) = of_macro(text) {
        return Some(found);
    }
    // A script of the repository that is not there is not something to install.
    let is_system = text.starts_with("/bin/") || text.starts_with("/usr/");
    if text.contains('/') && !is_system {
        return None;
    }
    checked(MissingKind::Program, text.rsplit('/').next()?)
}

/// An m4 macro by the look of its name: `AX_PTHREAD`, `AM_PATH_GTK`, `PKG_CHECK_MODULES(FOO,`.
pub(super) fn of_macro(text: &str) -> Option<Missing> {
    let text = text.trim().trim_matches(['`', '\'', '"']);
    let name = text.split(['(', ',', ' ', '.']).next()?;
    let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let looks = name.bytes().all(upper) && name.contains('_') && name.len() > 4;
    if looks { checked(MissingKind::Macro, name) } else { None }
}

/// A pkg-config module, with what follows it cut off: `libfoo >= 1.2`, `libfoo>=1.2`.
pub(super) fn module(text: &str) -> Option<Missing> {
    let end = text.find(['<', '>', '=', '!', ' ']).unwrap_or(text.len());
    checked(MissingKind::PkgConfig, &text[..end])
}

/// The modules of a requirement: `libfoo >= 1.2 libbar, baz = 3`.
pub(super) fn modules(text: &str) -> Vec<Missing> {
    let mut found = Vec::new();
    let mut words = text.split([' ', ',', '\t']).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if ["<", ">", "=", "<=", ">=", "!="].contains(&word) {
            words.next();
        } else if let Some(one) = module(word) {
            found.push(one);
        }
    }
    found
}

/// What stands between the first two quotation marks, of whatever form.
pub(super) fn quoted(text: &str) -> Option<&str> {
    let marks = ['"', '\'', '`', '‘', '“'];
    let (at, mark) = text.char_indices().find(|(_, c)| marks.contains(c))?;
    let rest = &text[at + mark.len_utf8()..];
    let end = rest.find(['"', '\'', '’', '”'])?;
    Some(&rest[..end])
}
