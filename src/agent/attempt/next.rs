//! What follows a try that did not build: another build system of the tree, the same one with one
//! job at a time, or nothing. Pure.
//!
//! Another system is tried only where the first could not be configured for a reason of its own: a
//! missing library or a broken compiler would stop every other one as well, and a compile error is
//! the project's. One job at a time is tried only where a file was missed that was made a moment
//! later, which is what rules do that forget to say what they need.

use crate::{
    agent::verdict::Judged,
    builder::System,
    diagnostics::{DiagnosticKind, Diagnostics, Missing, MissingKind},
    model::{Cause, StepKind},
};

/// What a failed try tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure<'a> {
    /// How it would end.
    pub judged: &'a Judged,
    /// What built.
    pub system: System,
    /// The kind of the step that failed.
    pub kind: StepKind,
    /// Its exit status.
    pub status: i64,
    /// What its output says.
    pub said: &'a Diagnostics,
}

/// Words of a build tool about itself or its files, in lower case, and what they mean.
const OWN: &[(&str, &str)] = &[
    ("but project requires", "it asks for a newer Meson"),
    ("autoconf version", "it asks for another autoconf"),
    ("require automake", "it asks for another automake"),
    ("version mismatch", "its files are of another version of the tools"),
    ("compatibility with cmake", "it is for an older CMake"),
    ("unknown cmake command", "its build files are broken"),
    ("parse error", "its build files are broken"),
    ("is not an existing directory", "its build files name what is not there"),
    ("does not contain a cmakelists.txt", "its build files name what is not there"),
    ("cannot find source file", "its build files name what is not there"),
    ("could not find requested file", "its build files name what is not there"),
    ("could not find load file", "its build files name what is not there"),
    ("download failed", "it fetches something while it is configured"),
    ("failed to clone", "it fetches something while it is configured"),
    ("in-source build", "it does not want to be built here"),
    ("could not read presets", "its presets cannot be read"),
    ("invalid preset", "its presets cannot be read"),
    ("unknown function", "its build files are broken"),
    ("unknown variable", "its build files are broken"),
    ("nonexistent build file", "its build files name what is not there"),
    ("unknown options", "its build files are broken"),
    ("possibly undefined macro", "its macros are not there"),
    ("undefined or overquoted macro", "its macros are not there"),
    ("cannot find required auxiliary files", "its files are not all in the tree"),
    ("cannot find install-sh", "its files are not all in the tree"),
    ("cannot find input file", "its files are not all in the tree"),
    ("required file", "its files are not all in the tree"),
    ("config.sub", "its files are not all in the tree"),
    ("syntax error", "its script is broken"),
    ("unrecognized option", "its script does not know an option"),
    ("unknown option", "its script does not know an option"),
    ("aclocal", "its macros are not there"),
    ("autoreconf", "autoreconf does not take its files"),
    ("autopoint", "autopoint does not take its files"),
    ("libtoolize", "libtoolize does not take its files"),
    ("not a git repository", "its script asks git"),
];

/// Why another system of the tree may do better; none if it would not.
pub(super) fn own_reason(failure: &Failure<'_>) -> Option<&'static str> {
    let first = failure.said.first_error.as_ref();
    match (failure.kind, failure.judged.verdict.cause()) {
        (StepKind::Configure, Some(Cause::Configure)) => {}
        // A Makefile that stands for itself has no configure step to fail.
        (StepKind::Compile, Some(Cause::Compile)) if failure.system == System::Make => {
            let said = first.filter(|first| first.kind == DiagnosticKind::Build)?;
            let is_its =
                said.message.contains("No rule to make target") && failure.said.errors == 0;
            return is_its.then_some("its Makefile needs a file that is not there");
        }
        _ => return None,
    }
    // What is missing here is missing for every system.
    let shared = |one: &Missing| {
        use MissingKind as K;
        matches!(one.kind, K::Header | K::Library | K::PkgConfig | K::CMakePackage)
    };
    if failure.said.missing.iter().any(shared) {
        return None;
    }
    // The shell's own: what was to be run is not there, or cannot be.
    if matches!(failure.status, 126 | 127) {
        return Some("a program that it runs is not there");
    }
    let said = first?.message.to_ascii_lowercase();
    if said.starts_with("cmake ") && said.contains("or higher is required") {
        return Some("it asks for a newer CMake");
    }
    OWN.iter().find(|(words, _)| said.contains(words)).map(|&(_, why)| why)
}

/// The file whose absence stopped a compile step; none if it failed for anything else, or not by
/// make, or if the kernel or kiln ended it.
pub(super) fn missed_file(failure: &Failure<'_>) -> Option<String> {
    let cause = failure.judged.verdict.cause()?;
    let may_race = failure.system.uses_make()
        && failure.kind == StepKind::Compile
        && matches!(cause, Cause::Compile | Cause::Link);
    let said = &failure.said.first_error.as_ref().filter(|_| may_race)?.message;
    if let Some((_, rest)) = said.split_once("No rule to make target") {
        let name = rest.trim_start_matches([' ', '\'', '`']).split(['\'', ',']).next()?;
        return base_name(name);
    }
    if let Some((_, rest)) = said.split_once("cannot find ") {
        let name = rest.split([':', ' ']).next()?;
        return match name.strip_prefix("-l") {
            Some(library) => base_name(&format!("lib{library}.")),
            None => base_name(name),
        };
    }
    if let Some(before) = said.strip_suffix(": No such file or directory") {
        return base_name(before.rsplit([' ', ':']).next()?);
    }
    let before = said.strip_suffix("' file not found")?;
    base_name(before.rsplit('\'').next()?)
}

fn base_name(path: &str) -> Option<String> {
    let name = path.trim().rsplit('/').next()?;
    (!name.is_empty() && name.len() < 200).then(|| name.to_owned())
}

/// Whether this path is the file that was missed; of a library any kind will do.
pub(super) fn is_it(missed: &str, path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    if missed.starts_with("lib") && missed.ends_with('.') {
        name.starts_with(missed.as_bytes())
    } else {
        name == missed.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::{Diagnostic, Severity};

    fn said(kind: DiagnosticKind, message: &str) -> Diagnostics {
        let first = Diagnostic {
            kind,
            severity: Severity::Error,
            file: None,
            line: None,
            column: None,
            message: message.to_owned(),
            flag: None,
        };
        let errors = u64::from(kind != DiagnosticKind::Build);
        Diagnostics { errors, first_error: Some(first), ..Diagnostics::default() }
    }

    #[test]
    fn another_system_is_tried_only_for_reasons_that_it_would_not_have() {
        use DiagnosticKind::{Build, Compile, Configure};
        let configure = (StepKind::Configure, Cause::Configure);
        for (step, kind, message, expected) in [
            (configure, Configure, "CMake 3.99 or higher is required.  You are running 3.31", true),
            (configure, Configure, "Meson version is 1.7 but project requires >= 9", true),
            (configure, Configure, "Unknown CMake command \"foo\".", true),
            (
                configure,
                Configure,
                "The source directory x does not contain a CMakeLists.txt file.",
                true,
            ),
            (configure, Configure, "cannot find required auxiliary files: compile missing", true),
            (configure, Configure, "cannot find install-sh, install.sh, or shtool in .", true),
            (configure, Compile, "Autoconf version 2.99 or higher is required", true),
            (configure, Compile, "possibly undefined macro: AC_PROG_FOO", true),
            (configure, Configure, "Could NOT find ZLIB (missing: ZLIB_LIBRARY)", false),
            (configure, Configure, "Dependency \"libfoo\" not found, tried pkgconfig", false),
            (configure, Configure, "Package requirements (foo >= 1) were not met:", false),
            (configure, Configure, "C compiler cannot create executables", false),
            (
                configure,
                Configure,
                "The C compiler \"/usr/bin/gcc\" is not able to compile a simple test program.",
                false,
            ),
            (configure, Configure, "libevent is required", false),
            ((StepKind::Configure, Cause::WorkspaceFull), Configure, "syntax error", false),
            ((StepKind::Configure, Cause::MemoryLimit), Configure, "syntax error", false),
            ((StepKind::Compile, Cause::Compile), Compile, "syntax error before x", false),
            (
                (StepKind::Compile, Cause::Compile),
                Build,
                "No rule to make target 'config.mk'.  Stop.",
                true,
            ),
            ((StepKind::Compile, Cause::Compile), Build, "Makefile:3: all] Error 1", false),
            ((StepKind::Test, Cause::Test), Build, "No rule to make target 'check'.", false),
        ] {
            let judged = Judged::failed(step.1, "");
            let said = said(kind, message);
            let failure = Failure {
                judged: &judged,
                system: System::Make,
                kind: step.0,
                status: 1,
                said: &said,
            };
            assert_eq!(own_reason(&failure).is_some(), expected, "{message}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_a_reason_of_its_own() {
        let (judged, nothing) = (Judged::failed(Cause::Configure, ""), Diagnostics::default());
        for (status, expected) in [(127, true), (126, true), (1, false)] {
            let failure = Failure {
                judged: &judged,
                system: System::Meson,
                kind: StepKind::Configure,
                status,
                said: &nothing,
            };
            assert_eq!(own_reason(&failure).is_some(), expected, "{status}");
        }
    }

    #[test]
    fn files_that_were_missed_are_named() {
        use DiagnosticKind::{Build, Compile, Link};
        for (system, cause, kind, message, expected) in [
            (
                System::Make,
                Cause::Compile,
                Compile,
                "gen/gen.h: No such file or directory",
                Some("gen.h"),
            ),
            (System::Make, Cause::Compile, Compile, "'gen.h' file not found", Some("gen.h")),
            (System::Make, Cause::Compile, Compile, "x.o: No such file or directory", Some("x.o")),
            (
                System::Autoconf,
                Cause::Link,
                Link,
                "cannot find -lfoo: No such file or directory",
                Some("libfoo."),
            ),
            (System::Autoconf, Cause::Link, Link, "cannot find -lfoo", Some("libfoo.")),
            (System::Make, Cause::Link, Link, "cannot find ../lib/x.o", Some("x.o")),
            (
                System::Make,
                Cause::Compile,
                Build,
                "No rule to make target 'lib/libx.a', needed by 'app'",
                Some("libx.a"),
            ),
            (System::Make, Cause::Compile, Compile, "expected ';' before '}' token", None),
            (System::Make, Cause::MemoryLimit, Compile, "gen.h: No such file or directory", None),
            (System::CMake, Cause::Compile, Compile, "gen.h: No such file or directory", None),
            (System::Recipe, Cause::Compile, Compile, "gen.h: No such file or directory", None),
        ] {
            let judged = Judged::failed(cause, "");
            let said = said(kind, message);
            let kind = StepKind::Compile;
            let failure = Failure { judged: &judged, system, kind, status: 2, said: &said };
            assert_eq!(missed_file(&failure).as_deref(), expected, "{message}");
        }
        assert!(is_it("gen.h", b"a/gen.h") && is_it("libfoo.", b"libfoo.so.1"));
        assert!(!is_it("gen.h", b"a/regen.h") && !is_it("libfoo.", b"libfoobar.a"));
    }
}
