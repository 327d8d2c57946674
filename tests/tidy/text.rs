//! Text that has no place in the repository.
//!
//! The marks are written in two parts here, so that this file does not contain them.

use super::files::File;

/// What must not be written, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("TO", "DO"), LATER),
    (concat!("FIX", "ME"), LATER),
    (concat!("XX", "X:"), LATER),
    (concat!("HA", "CK:"), LATER),
    (concat!("to", "do!("), LATER),
    (concat!("unimple", "mented!("), LATER),
    (concat!("#[", "ignore"), "a test that does not run tests nothing: fix it or delete it"),
    (concat!("/ho", "me/"), PROBED),
    (concat!("/ro", "ot/"), PROBED),
];

const LATER: &str = "finish it now or write an issue";
const PROBED: &str = "a person's folder: take it from configuration or the environment";

/// Every line with forbidden text.
pub(crate) fn forbidden(files: &[File]) -> Vec<String> {
    let mut problems = Vec::new();
    // Tests name the places that a build must not reach.
    let is_probe = |file: &File| file.path.starts_with("tests/");
    for file in files {
        for (number, line) in (1..).zip(file.text.lines()) {
            for (mark, why) in FORBIDDEN {
                if !line.contains(mark) || (*why == PROBED && is_probe(file)) {
                    continue;
                }
                problems.push(format!("{}:{number}: `{mark}`: {why}", file.path));
            }
        }
    }
    problems
}

#[test]
fn every_mark_is_found_with_file_and_line() {
    for (mark, why) in FORBIDDEN {
        let found = forbidden(&[File::new("src/a.rs", &format!("fine\n  x{mark}y\n"))]);
        assert!(
            found.iter().any(|f| f.starts_with("src/a.rs:2:") && f.ends_with(why)),
            "{mark}: {found:?}"
        );
    }
    assert!(forbidden(&[File::new("src/a.rs", "/workspace/src is fine\n")]).is_empty());
}
