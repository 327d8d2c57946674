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
    (concat!("../", "shared"), MACHINE),
    (concat!("/wo", "rk/"), MACHINE),
    (concat!("/ho", "me/"), PROBED),
    (concat!("/ro", "ot/"), PROBED),
];

const LATER: &str = "finish it now or write an issue";
const MACHINE: &str = "a path of one machine: take it from configuration or the checkout";
const PROBED: &str = "a person's folder: take it from configuration or the environment";

const REGISTRY: &str = "a host elsewhere: take it from the machine's own configuration";

/// Ends of names that belong to somebody.
const PUBLIC: &[&str] = &[".org", ".com", ".net", ".io"];
/// Names that may stand there: examples, what a compiler links its warnings to, what names the
/// schema of SARIF and the language of pictures, and the forge whose API is on a host of its own.
const HARMLESS: &[&str] =
    &["example", "e.com", "gcc.gnu.org", "docs.oasis-open.org", "www.w3.org", "github.com"];

/// The first host of a URL in the line that is somebody's: what is fetched from where is the
/// machine's affair, so no registry or mirror is named here.
fn foreign_host(line: &str) -> Option<&str> {
    line.split("://").skip(1).find_map(|rest| {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "@:.-".contains(c)));
        let authority = &rest[..end.unwrap_or(rest.len())];
        let host = authority.rsplit('@').next()?.split(':').next()?.trim_end_matches('.');
        let public = PUBLIC.iter().any(|end| host.ends_with(end));
        let harmless = HARMLESS.iter().any(|name| host.contains(name));
        (public && !harmless).then_some(host)
    })
}

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
            if let Some(host) = foreign_host(line).filter(|_| !is_probe(file)) {
                problems.push(format!("{}:{number}: `{host}`: {REGISTRY}", file.path));
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

#[test]
fn hosts_of_others_are_found_and_examples_are_not() {
    for (line, host) in [
        ("URIs: http://mirror.acme.org/debian", Some("mirror.acme.org")),
        ("x https://u@registry.acme.io:443/y", Some("registry.acme.io")),
        ("https://git.example.org/you/project.git", None),
        ("http://127.0.0.1:8000 and https://[::1]/", None),
    ] {
        assert_eq!(foreign_host(line), host, "{line}");
        let found = forbidden(&[File::new("src/a.rs", line)]);
        assert_eq!(found.len(), usize::from(host.is_some()), "{line}: {found:?}");
    }
}
