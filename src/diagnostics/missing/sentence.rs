//! What an error in an author's own words says is missing: "libevent headers not found, sorry".
//!
//! Only forms that are as good as sure: a header by its ending, a library by `-l` or `lib`, and only
//! in a sentence that says that something is not there.

use super::{Missing, name};

/// What such a sentence says of what it names.
const GONE: &[&str] = &[
    "not found",
    "not be found",
    "missing",
    "required",
    "requires",
    "cannot find",
    "can't find",
    "can not find",
    "could not find",
    "couldn't find",
    "could not locate",
    "unable to find",
    "unable to locate",
    "need",
    "install",
    "not available",
    "not installed",
    "no usable",
    // Meson, of a fallback for a dependency that is not there.
    "neither a subproject directory",
];

/// Whether a sentence says that something is not there.
pub(super) fn sounds_gone(sentence: &str) -> bool {
    let small = sentence.to_ascii_lowercase();
    GONE.iter().any(|gone| small.contains(gone))
}

/// The header or library it names as a compiler takes it: `zlib.h`, `-lz`.
pub(super) fn read(sentence: &str) -> Option<Missing> {
    if !sounds_gone(sentence) {
        return None;
    }
    let header = words(sentence).find(|word| name::is_header(word));
    if let Some(header) = header {
        return name::header(header);
    }
    words(sentence).find_map(|word| word.strip_prefix("-l")).and_then(name::library)
}

/// The library that it speaks of: `libevent`.
pub(super) fn speaks_of(sentence: &str) -> Option<Missing> {
    words(sentence).find_map(library)
}

fn words(sentence: &str) -> impl Iterator<Item = &str> {
    let words = sentence.split([' ', ',', '(', ')', ';', '\'', '"', '`', '<', '>', '=']);
    words.map(|word| word.trim_matches(['.', ':', '!', '?', '*', '‘', '’']))
}

/// The library in `libevent`, `libssl-dev`, `libfoo.so`; not in words such as `library` and `libtool`.
fn library(word: &str) -> Option<Missing> {
    let name = word.strip_prefix("lib")?;
    let name = name.split(".so").next().unwrap_or(name);
    let name =
        ["-dev", "-devel", ".a"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let is_word = ["rary", "raries", "s", "tool", "toolize", "tools", "exec", "dir", ""];
    let looks = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-+.".contains(&b));
    (looks && !is_word.contains(&name)).then(|| name::library(name)).flatten()
}
