//! The shape of files: headers, lengths, module roots, names of migrations.

use std::collections::{BTreeMap, BTreeSet};

use super::files::File;

/// No file is longer than this, without its tests.
const LONGEST: usize = 500;
/// Nine of ten files are at most this long.
const LONG: usize = 300;
/// The middle file is at most this long: pleasant code bases lie between 70 and 120.
const MEDIAN: usize = 120;
/// Below this many files a median says nothing.
const ENOUGH: usize = 10;

/// Files that do not say what they are for.
pub(crate) fn headers(files: &[File]) -> Vec<String> {
    let bad = files.iter().filter(|file| !file.text.starts_with("//! "));
    bad.map(|file| format!("{}: begin with `//!`, what it is for and why so", file.path)).collect()
}

/// Files that are too long, and too many long files.
pub(crate) fn lengths(sources: &[File]) -> Vec<String> {
    let lengths = sorted_lengths(sources);
    let mut problems: Vec<String> = lengths
        .iter()
        .filter(|(lines, _)| *lines > LONGEST)
        .map(|(lines, path)| format!("{path}: {lines} lines, at most {LONGEST}: split it"))
        .collect();
    if lengths.len() < ENOUGH {
        return problems;
    }
    let median = lengths[lengths.len() / 2].0;
    let long: Vec<String> = lengths
        .iter()
        .filter(|(n, _)| *n > LONG)
        .map(|(n, path)| format!("{path} ({n})"))
        .collect();
    if long.len() * 10 > lengths.len() {
        problems
            .push(format!("more than one file in ten has over {LONG} lines: {}", long.join(", ")));
    }
    if median > MEDIAN {
        problems.push(format!("the median is {median} lines, at most {MEDIAN}"));
    }
    problems
}

/// The lengths in one line, for people.
pub(crate) fn summary(sources: &[File]) -> String {
    let lengths = sorted_lengths(sources);
    let at = |part: usize| lengths.get(lengths.len() * part / 10).map_or(0, |(lines, _)| *lines);
    format!("{} files; lines: median {}, nine of ten at most {}", lengths.len(), at(5), at(9))
}

/// Lines without tests and path of every file that is not all tests, shortest first.
fn sorted_lengths(sources: &[File]) -> Vec<(usize, &str)> {
    let files = sources.iter().filter(|file| !file.is_test());
    let mut lengths: Vec<(usize, &str)> =
        files.map(|file| (file.code().lines().count(), file.path.as_str())).collect();
    lengths.sort_unstable();
    lengths
}

/// `mod.rs` and `lib.rs` that hold more than docs, `mod` and `pub use`.
pub(crate) fn roots(sources: &[File]) -> Vec<String> {
    let is_root = |file: &&File| file.path.ends_with("/mod.rs") || file.path == "src/lib.rs";
    let mut problems = Vec::new();
    for file in sources.iter().filter(is_root) {
        for statement in without_attributes(&file.code_without_comments()).split(';') {
            let words: Vec<&str> = statement.split_whitespace().collect();
            let plain = match words.as_slice() {
                [] | ["mod", _] => true,
                [public, "use", ..] | [public, "mod", _] => public.starts_with("pub"),
                _ => false,
            };
            if !plain {
                let start: String = words.join(" ").chars().take(60).collect();
                problems.push(format!("{}: `{start}` belongs into a file of its own", file.path));
                break;
            }
        }
    }
    problems
}

fn without_attributes(code: &str) -> String {
    let keep =
        |line: &&str| !(line.trim_start().starts_with("#[") && line.trim_end().ends_with(']'));
    code.lines().filter(keep).collect::<Vec<_>>().join("\n")
}

/// Migrations with a wrong name, a gap or a double number, or that one database lacks.
pub(crate) fn migrations(paths: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut databases: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for path in paths {
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["migrations", database, name] if number(name).is_some() => {
                databases.entry(database).or_default().insert(name);
            }
            _ => problems
                .push(format!("{path}: name it migrations/<database>/<0001>_<what_it_does>.sql")),
        }
    }
    for (database, names) in &databases {
        for (expected, name) in (1..).zip(names) {
            if number(name) != Some(expected) {
                problems.push(format!("{database}: {name} should have the number {expected:04}"));
                break;
            }
        }
    }
    let all: BTreeSet<&str> = databases.values().flatten().copied().collect();
    for (database, names) in &databases {
        for name in all.difference(names) {
            problems.push(format!("{database}: {name} is missing, another database has it"));
        }
    }
    problems
}

/// The number of `0001_some_words.sql`.
fn number(name: &str) -> Option<u32> {
    let (digits, words) = name.strip_suffix(".sql")?.split_once('_')?;
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let good = digits.len() == 4 && !words.is_empty() && words.chars().all(word);
    if good { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: &[String], expected: &str) {
        let found = found.join("\n");
        assert!(found.contains(expected), "expected {expected:?}, found {found:?}");
        assert_eq!(expected.is_empty(), found.is_empty(), "{found}");
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        check(&headers(&[File::new("src/a.rs", "//! What for.\n")]), "");
        check(&headers(&[File::new("src/a.rs", "use x;\n")]), "src/a.rs");
    }

    #[test]
    fn long_files_are_found() {
        let file = |lines: usize| File::new("src/m/a.rs", &"x\n".repeat(lines));
        let many = |count: usize, lines: usize| (0..count).map(move |_| file(lines));
        check(&lengths(&[file(LONGEST)]), "");
        check(&lengths(&[file(LONGEST + 1)]), "split it");
        let tests = format!("x\n#[cfg(test)]\nmod tests {{\n{}", "y\n".repeat(LONGEST));
        check(&lengths(&[File::new("src/m/a.rs", &tests)]), "");
        check(&lengths(&many(18, 50).chain(many(2, 400)).collect::<Vec<_>>()), "");
        check(&lengths(&many(17, 50).chain(many(3, 400)).collect::<Vec<_>>()), "one file in ten");
        check(&lengths(&many(20, MEDIAN + 1).collect::<Vec<_>>()), "the median is 121");
    }

    #[test]
    fn code_in_a_module_root_is_found() {
        for (text, expected) in [
            ("//! Docs.\n#[macro_use]\nmod a;\npub mod b;\n\npub use a::{\n    X, Y,\n};\n", ""),
            ("pub(crate) use a::X;", ""),
            ("mod a;\npub fn f() {}", "pub fn f()"),
            ("mod a { fn f() {} }", "mod a { fn"),
            ("use std::io;", "use std::io"),
            ("mod a;\n#[cfg(test)]\nmod tests {\n fn f() {}\n}", ""),
        ] {
            check(&roots(&[File::new("src/m/mod.rs", text)]), expected);
            check(&roots(&[File::new("src/m/other.rs", text)]), "");
        }
    }

    #[test]
    fn bad_migrations_are_found() {
        for (paths, expected) in [
            (&["migrations/sqlite/0001_a.sql", "migrations/sqlite/0002_b_c.sql"][..], ""),
            (&[], ""),
            (&["migrations/sqlite/1_a.sql"], "name it"),
            (&["migrations/0001_a.sql"], "name it"),
            (&["migrations/sqlite/0001_A.sql"], "name it"),
            (&["migrations/sqlite/0001_a.sql", "migrations/sqlite/0003_b.sql"], "number 0002"),
            (&["migrations/sqlite/0001_a.sql", "migrations/sqlite/0001_b.sql"], "number 0002"),
            (&["migrations/sqlite/0001_a.sql", "migrations/postgres/0001_b.sql"], "is missing"),
        ] {
            check(
                &migrations(&paths.iter().map(ToString::to_string).collect::<Vec<_>>()),
                expected,
            );
        }
    }
}
