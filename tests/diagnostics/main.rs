//! What every compiler of the catalogue says of the same wrong programs, and what is read from it.
//!
//! `inputs` are the programs, `run.sh` compiles them in a toolchain's container, `outputs` keeps what
//! that said, `expected` what is read from each. `keep.sh` makes the outputs anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use kiln::{
    diagnostics::{Entry, Found, Parser, SourceTree},
    model::{FileOrigin, Severity, Stream},
    toolchain::Catalogue,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

/// The names of the files in one of the folders.
fn names(of: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder().join(of)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn parse(output: &str) -> Found {
    let mut parser = Parser::new(SourceTree::new(names("inputs")));
    parser.feed(Stream::Stderr, output.as_bytes());
    parser.finish()
}

/// What is read from an output, section by section.
fn read(output: &str) -> String {
    let mut text = String::new();
    for section in output.split("=== ").skip(1) {
        let (name, said) = section.split_once('\n').unwrap();
        let found = parse(said);
        let (errors, warnings) = (found.summary.errors, found.summary.warnings);
        writeln!(text, "=== {name}: {errors} errors, {warnings} warnings").unwrap();
        writeln!(text, "{}", found.summary.sentence().unwrap_or_default()).unwrap();
        for missing in &found.summary.missing {
            writeln!(text, "missing {:?} {}", missing.kind, missing.name).unwrap();
        }
        found.entries.iter().for_each(|entry| show(entry, &mut text));
        let said: u64 = found.entries.iter().map(|entry| entry.count).sum();
        assert_eq!(said, errors + warnings, "{name}: what is counted is kept");
    }
    text
}

fn show(entry: &Entry, text: &mut String) {
    let one = &entry.diagnostic;
    let severity = match one.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Fatal => "fatal",
    };
    let place = |file: &Option<String>, origin, line: Option<u32>, column: Option<u32>| {
        let marker = match origin {
            Some(FileOrigin::Repository) | None => "",
            Some(FileOrigin::Generated) => "+",
            Some(FileOrigin::System) => "/",
        };
        let numbers: String =
            [line, column].into_iter().flatten().map(|n| format!(":{n}")).collect();
        format!("{marker}{}{numbers}", file.as_deref().unwrap_or("-"))
    };
    let at = place(&one.file, entry.origin, one.line, one.column);
    write!(text, "  {:?} {severity} {at} {}", one.kind, one.message).unwrap();
    if let Some(flag) = &one.flag {
        write!(text, " [{flag}]").unwrap();
    }
    if let Some(symbol) = &entry.symbol {
        write!(text, " <{symbol}>").unwrap();
    }
    if entry.count > 1 {
        write!(text, " x{}", entry.count).unwrap();
    }
    text.push('\n');
    for related in &entry.related {
        let at = place(&related.file, related.origin, related.line, related.column);
        writeln!(text, "    {at} {}", related.message).unwrap();
    }
}

/// The file of a toolchain: `gcc:14` is `gcc-14.txt`.
fn file_of(toolchain: &str) -> String {
    format!("{}.txt", toolchain.replace(':', "-"))
}

#[test]
fn what_every_compiler_of_the_catalogue_says_is_understood() {
    let catalogue = Catalogue::builtin();
    let all = catalogue.iter().map(|toolchain| file_of(toolchain.name.as_str()));
    assert_eq!(all.collect::<BTreeSet<_>>(), names("outputs"), "keep.sh makes what is missing");
    assert_eq!(names("expected"), names("outputs"));
    let mut changed = Vec::new();
    for name in names("outputs") {
        let read = read(&fs::read_to_string(folder().join("outputs").join(&name)).unwrap());
        let expected = fs::read_to_string(folder().join("expected").join(&name)).unwrap();
        if read != expected {
            let actual = std::env::temp_dir().join(format!("kiln-diagnostics-{name}"));
            fs::write(&actual, &read).unwrap();
            changed.push(actual);
        }
    }
    assert!(changed.is_empty(), "read otherwise than expected: {changed:?}");
}

#[expect(clippy::disallowed_methods, reason = "the rule is for the product; tests start docker")]
fn docker() -> Command {
    Command::new("docker")
}

/// The containers' own compilers still say what was kept: a new image shows what changed.
#[test]
fn default_toolchains_still_say_what_was_kept() {
    for toolchain in Catalogue::builtin().defaults() {
        let name = file_of(toolchain.as_str());
        let image = format!("kiln/toolchain:{}", toolchain.as_str().replace(':', "-"));
        let mount = |from: &str, to: &str| format!("{}:{to}:ro", folder().join(from).display());
        let output = docker()
            .args(["run", "--rm", "--network", "none", "--pull", "never"])
            .args(["--volume", &mount("inputs", "/workspace/src")])
            .args(["--volume", &mount("run.sh", "/run.sh")])
            .args([&*image, "sh", "/run.sh"])
            .output()
            .unwrap();
        assert!(output.stdout.starts_with(b"=== "), "{}", String::from_utf8_lossy(&output.stderr));
        let said = read(&String::from_utf8_lossy(&output.stdout));
        let expected = fs::read_to_string(folder().join("expected").join(&name)).unwrap();
        assert_eq!(said, expected, "{toolchain}");
    }
}
