//! Scripts of a tree that are run: how they are called, and what they understand.

use crate::builder::listing::{FileKind, quote};

/// The command that runs a script at this path from the folder: by itself, or, without its
/// executable bit, by its interpreter.
pub(super) fn call(kind: FileKind, path: &str, text: &str) -> String {
    if kind != FileKind::File {
        return format!("./{path}");
    }
    let first = text.lines().next().unwrap_or_default();
    let words: Vec<&str> =
        first.strip_prefix("#!").unwrap_or_default().split_ascii_whitespace().collect();
    let interpreter = match words.as_slice() {
        [env, program, ..] if env.ends_with("/env") && !program.starts_with('-') => program,
        [program, ..] if !program.ends_with("/env") => program,
        _ => "sh",
    };
    format!("{} ./{path}", quote(interpreter))
}

/// Whether the text names this option, and not only one that begins like it.
pub(super) fn knows(text: &str, option: &str) -> bool {
    text.match_indices(option).any(|(at, _)| {
        let next = text[at + option.len()..].chars().next();
        next.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
    })
}

/// The lines without comments.
pub(super) fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_start).filter(|line| !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_whole_words() {
        for (text, option, expected) in [
            ("--host=HOST", "--host", true),
            ("  --host)", "--host", true),
            ("--host-cc=CC", "--host", false),
            ("--hostname", "--host", false),
            ("--host-cc=CC or --host X", "--host", true),
            ("--cc=CC", "--cc", true),
            ("", "--cc", false),
        ] {
            assert_eq!(knows(text, option), expected, "{text}");
        }
    }

    #[test]
    fn a_script_without_its_bit_is_given_to_its_interpreter() {
        for (kind, text, expected) in [
            (FileKind::Executable, "#!/bin/bash", "./x/y"),
            (FileKind::Symlink, "", "./x/y"),
            (FileKind::File, "#!/bin/bash -e", "/bin/bash ./x/y"),
            (FileKind::File, "#!/usr/bin/env python3", "python3 ./x/y"),
            (FileKind::File, "#! /usr/bin/env -S a", "sh ./x/y"),
            (FileKind::File, "echo", "sh ./x/y"),
        ] {
            assert_eq!(call(kind, "x/y", text), expected, "{text}");
        }
    }
}
