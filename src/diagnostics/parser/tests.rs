//! Outputs of real tools (in `fixtures/`, as gcc 12, clang 19, binutils 2.40, lld 19, CMake 3.25,
//! ninja 1.11 and make 4.3 wrote them) and single lines, with what is found in them.

use proptest::prelude::*;

use super::*;
use crate::{
    diagnostics::MAX_KEPT,
    model::{
        DiagnosticKind::{self, Build, Command, Compile, Configure, Link},
        FileOrigin,
    },
};

fn found(output: &[u8]) -> Found {
    let mut parser = Parser::default();
    parser.feed(Stream::Stderr, output);
    parser.finish()
}

fn parse(output: &[u8]) -> Diagnostics {
    found(output).summary
}

macro_rules! fixture {
    ($name:literal) => {
        ($name, &include_bytes!(concat!("fixtures/", $name, ".txt"))[..])
    };
}

type Expected = (u64, u64, Option<(DiagnosticKind, &'static str)>);

#[test]
fn outputs_of_real_tools_are_understood() {
    let table: &[((&str, &[u8]), Expected)] = &[
        (
            fixture!("gcc12-errors"),
            (3, 4, Some((Compile, "a.c:2:35: ‘y’ undeclared (first use in this function)"))),
        ),
        (
            fixture!("gcc12-errors-color"),
            (3, 4, Some((Compile, "a.c:2:35: ‘y’ undeclared (first use in this function)"))),
        ),
        (
            fixture!("gcc12-missing-header"),
            (1, 0, Some((Compile, "h.c:1:10: sub/inc.h: No such file or directory"))),
        ),
        (fixture!("gcc12-warnings"), (0, 2, None)),
        (
            fixture!("gcc12-werror"),
            (
                2,
                0,
                Some((
                    Compile,
                    "w.c:2:39: format ‘%s’ expects argument of type ‘char *’, but argument 2 has type ‘int’",
                )),
            ),
        ),
        (
            fixture!("gcc12-missing-file"),
            (1, 0, Some((Compile, "nofile.c: No such file or directory"))),
        ),
        (fixture!("gas-errors"), (2, 0, Some((Compile, "bad.s:1: bad register name `%zzz'")))),
        (fixture!("ld-undefined"), (1, 0, Some((Link, "l.c: undefined reference to `g'")))),
        (fixture!("ld-undefined-lto"), (1, 0, Some((Link, "undefined reference to `g'")))),
        (fixture!("ld-multiple"), (1, 0, Some((Link, "m2.c: multiple definition of `dup'")))),
        (
            fixture!("ld-missing-library"),
            (1, 0, Some((Link, "cannot find -lnosuchlib: No such file or directory"))),
        ),
        (
            fixture!("make-gcc12"),
            (3, 0, Some((Compile, "a.c:2:35: ‘y’ undeclared (first use in this function)"))),
        ),
        (
            fixture!("make-no-rule"),
            (0, 0, Some((Build, "No rule to make target 'nothing'.  Stop."))),
        ),
        (
            fixture!("bash-not-found"),
            (1, 0, Some((Command, "the program nosuchcommand is not there"))),
        ),
        (
            fixture!("sh-not-found"),
            (1, 0, Some((Command, "the program nosuchcommand is not there"))),
        ),
        (
            fixture!("clang19-errors"),
            (3, 1, Some((Compile, "a.c:2:35: use of undeclared identifier 'y'"))),
        ),
        (fixture!("clang19-warnings-color"), (0, 2, None)),
        (
            fixture!("clang19-missing-header"),
            (1, 0, Some((Compile, "h.c:1:10: 'sub/inc.h' file not found"))),
        ),
        (fixture!("clang19-ld-undefined"), (1, 0, Some((Link, "l.c: undefined reference to `g'")))),
        (fixture!("lld19-undefined"), (1, 0, Some((Link, "undefined symbol: g")))),
        (fixture!("lld19-duplicate"), (1, 0, Some((Link, "duplicate symbol: dup")))),
        (
            fixture!("lld19-missing-library"),
            (1, 0, Some((Link, "unable to find library -lnosuchlib"))),
        ),
        (
            fixture!("clang19-assembler"),
            (2, 0, Some((Compile, "bad.s:1:13: invalid register name"))),
        ),
        (
            fixture!("clang19-missing-file"),
            (2, 0, Some((Compile, "no such file or directory: 'nofile.c'"))),
        ),
        (
            fixture!("clang19-werror"),
            (
                2,
                0,
                Some((
                    Compile,
                    "w.c:2:45: format specifies type 'char *' but the argument has type 'int'",
                )),
            ),
        ),
        (
            fixture!("cmake-missing-package"),
            (
                1,
                0,
                Some((
                    Configure,
                    "CMakeLists.txt:3: By not providing \"FindZZZ.cmake\" in CMAKE_MODULE_PATH this project has asked CMake to find a package configuration file provided by \"ZZZ\", but CMake did not find one.",
                )),
            ),
        ),
        (fixture!("cmake-warning"), (0, 1, None)),
        (
            fixture!("ninja-gcc12"),
            (
                3,
                0,
                Some((
                    Compile,
                    "/workspace/src/a.c:2:35: ‘y’ undeclared (first use in this function)",
                )),
            ),
        ),
    ];
    for ((name, output), expected) in table {
        let found = parse(output);
        let first = found.first_error.as_ref().map(|error| error.kind).zip(found.sentence());
        let first = first.as_ref().map(|(kind, sentence)| (*kind, sentence.as_str()));
        assert_eq!((found.errors, found.warnings, first), *expected, "{name}");
    }
}

#[test]
fn single_lines_are_understood_or_left_alone() {
    let table: &[(&str, Expected)] = &[
        (
            "configure: error: no acceptable C compiler found in $PATH",
            (1, 0, Some((Configure, "no acceptable C compiler found in $PATH"))),
        ),
        ("configure: WARNING: unrecognized options: --x", (0, 1, None)),
        (
            "./configure: line 2345: syntax error near unexpected token `x'",
            (1, 0, Some((Configure, "./configure:2345: syntax error near unexpected token `x'"))),
        ),
        (
            "meson.build:3:0: ERROR: Dependency \"x\" not found",
            (1, 0, Some((Configure, "meson.build:3:0: Dependency \"x\" not found"))),
        ),
        (
            "CMake Error: The source directory \"/x\" does not exist.",
            (1, 0, Some((Configure, "The source directory \"/x\" does not exist."))),
        ),
        (
            "Makefile:3: *** missing separator.  Stop.",
            (0, 0, Some((Build, "Makefile:3: missing separator.  Stop."))),
        ),
        (
            "make[2]: *** [Makefile:3: a.o] Error 1",
            (0, 0, Some((Build, "[Makefile:3: a.o] Error 1"))),
        ),
        (
            "ninja: error: loading 'build.ninja': No such file or directory",
            (0, 0, Some((Build, "loading 'build.ninja': No such file or directory"))),
        ),
        (
            "make: bison: No such file or directory",
            (1, 0, Some((Command, "the program bison is not there"))),
        ),
        (
            "./configure: 12: perl: not found",
            (1, 0, Some((Command, "the program perl is not there"))),
        ),
        (
            "gcc: error: unrecognized command-line option '-Wx'",
            (1, 0, Some((Compile, "unrecognized command-line option '-Wx'"))),
        ),
        (
            "x86_64-w64-mingw32-gcc-12: fatal error: no input files",
            (1, 0, Some((Compile, "no input files"))),
        ),
        ("src/a.c:1: warning: old style", (0, 1, None)),
        ("C:/x/a.c:1:2: error: no", (1, 0, Some((Compile, "C:/x/a.c:1:2: no")))),
        (
            "a.c:3:1: internal compiler error: Segmentation fault",
            (1, 0, Some((Compile, "a.c:3:1: internal compiler error: Segmentation fault"))),
        ),
        (
            "/usr/bin/x86_64-linux-gnu-ld: warning: x.o: missing .note.GNU-stack section implies executable stack",
            (0, 1, None),
        ),
        (
            "/usr/bin/ld: x.o: warning: relocation against `g' in read-only section `.text'",
            (0, 1, None),
        ),
        ("/usr/bin/ld: skipping incompatible /lib/libm.so when searching for -lm", (0, 0, None)),
        ("mold: error: undefined symbol: main", (1, 0, Some((Link, "undefined symbol: main")))),
        ("a.c:1:2: note: declared here", (0, 0, None)),
        ("checking for strerror... no", (0, 0, None)),
        ("test 5: error: expected 3", (0, 0, None)),
        ("   12 |   puts(\"a.c:1:2: error: x\");", (0, 0, None)),
        ("echo 'error: x'", (0, 0, None)),
        ("", (0, 0, None)),
    ];
    for (line, expected) in table {
        let found = parse(line.as_bytes());
        let first = found.first_error.as_ref().map(|error| error.kind).zip(found.sentence());
        let first = first.as_ref().map(|(kind, sentence)| (*kind, sentence.as_str()));
        assert_eq!((found.errors, found.warnings, first), *expected, "{line}");
    }
}

#[test]
fn flags_are_counted_without_their_werror() {
    let (_, output) = fixture!("gcc12-warnings");
    let twice = [output, output, b"a.c:1:1: warning: x [-Wunused-variable]\n"].concat();
    let flags = parse(&twice).top_flags;
    let flags: Vec<_> = flags.iter().map(|flag| (flag.flag.as_str(), flag.count)).collect();
    assert_eq!(flags, [("-Wunused-variable", 3), ("-Wformat=", 2)]);
    for (line, flag) in [
        ("a.c:1:1: error: x [-Werror=format=]", "-Wformat="),
        ("a.c:1:1: error: x [-Werror,-Wformat]", "-Wformat"),
    ] {
        assert_eq!(parse(line.as_bytes()).first_error.unwrap().flag.unwrap(), flag);
    }
    let lines: String =
        (0..1000).map(|flag| format!("a.c:1:1: warning: x [-Wf{flag}]\n")).collect();
    let found = parse(lines.as_bytes());
    assert_eq!((found.warnings, found.top_flags.len()), (1000, 10));
}

#[test]
fn lines_without_end_are_cut_and_do_not_hide_the_next() {
    let mut output = vec![b'x'; 1 << 20];
    output.extend_from_slice(b"\na.c:1:1: error: ");
    output.resize(output.len() + (1 << 20), b'y');
    let found = parse(&output);
    assert_eq!((found.errors, found.first_error.unwrap().message.len()), (1, MAX_TEXT));
}

#[test]
fn quoted_source_is_no_message() {
    let found = parse(b"   12 |   puts(\"No space left on device\");\n");
    assert_eq!(found, Diagnostics::default());
    let (_, output) = fixture!("gcc12-errors");
    let quoted = parse(output).quoted;
    assert_eq!((quoted.len(), quoted[0].line), (1, 2), "{quoted:?}");
}

#[test]
fn two_streams_are_joined() {
    let mut parser = Parser::default();
    parser.feed(Stream::Stderr, b"make: *** [a] Error 1\na.c:1:1: warning: x [-Wa]");
    parser.feed(Stream::Stdout, b"a.c:1:1: error: x\na.c:1:1: warning: x [-Wa]\nx: No space left");
    parser.feed(Stream::Stdout, b" on device");
    let found = parser.finish();
    let Found { summary, entries, .. } = found;
    assert_eq!((summary.errors, summary.warnings, summary.top_flags[0].count), (1, 2, 2));
    assert_eq!(summary.symptom, Some(Symptom::WorkspaceFull));
    assert_eq!(summary.first_error.unwrap().kind, Compile);
    let counts: Vec<_> = entries.iter().map(|one| (one.diagnostic.severity, one.count)).collect();
    assert_eq!(counts, [(Severity::Error, 1), (Severity::Warning, 2)]);
}

/// An entry in one line: `kind severity file:line flag symbol ×count < related, related`.
fn shown(entry: &Entry) -> String {
    let Entry { diagnostic: one, origin, symbol, count, related } = entry;
    let related: Vec<String> = related
        .iter()
        .map(|one| {
            let file = one.file.as_deref().unwrap_or("-");
            format!("{file}:{} {}", one.line.unwrap_or(0), one.message)
        })
        .collect();
    let origin = match origin {
        Some(FileOrigin::Repository) => "=",
        Some(FileOrigin::Generated) => "+",
        Some(FileOrigin::System) => "/",
        None => "",
    };
    let parts = [
        format!("{origin}{}:{}", one.file.as_deref().unwrap_or("-"), one.line.unwrap_or(0)),
        one.message.clone(),
        one.flag.clone().unwrap_or_default(),
        symbol.as_ref().map(|symbol| format!("<{symbol}>")).unwrap_or_default(),
        if *count > 1 { format!("×{count}") } else { String::new() },
        related.join(" | "),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ~ ")
}

fn check_entries(output: &str, expected: &[&str]) {
    let tree = SourceTree::new(["lib/a.c", "lib/x.h", "main.c"].map(str::to_owned));
    let mut parser = Parser::new(tree);
    parser.feed(Stream::Stderr, output.as_bytes());
    let found = parser.finish();
    assert_eq!(found.entries.iter().map(shown).collect::<Vec<_>>(), expected, "{output}");
    let said: u64 = found.entries.iter().map(|one| one.count).sum();
    assert_eq!(said + found.omitted, found.summary.errors + found.summary.warnings, "{output}");
}

#[test]
fn everything_around_a_diagnostic_belongs_to_it() {
    check_entries(
        "In file included from ../lib/x.h:3,\n                 from main.c:1:\n\
         lib/a.c: In function ‘f’:\n\
         lib/a.c:4:9: warning: unused variable ‘y’ [-Wunused-variable]\n\
         \x20   4 |     int y;\n      |         ^\n\
         lib/a.c:2:5: note: declared here\n\
         /usr/include/stdio.h:7:1: error: z\n",
        &[
            "=lib/a.c:4 ~ unused variable ‘y’ ~ -Wunused-variable ~ \
             lib/x.h:3 included from here | main.c:1 included from here | lib/a.c:0 in function ‘f’ | \
             lib/a.c:2 declared here",
            "//usr/include/stdio.h:7 ~ z",
        ],
    );
    check_entries(
        "main.cc: In instantiation of ‘void f(T) [with T = int]’:\n\
         main.cc:9:4:   required from here\n\
         main.cc:3:5: error: no match\n",
        &["+main.cc:3 ~ no match ~ main.cc:0 in instantiation of ‘void f(T) [with T = int]’ | \
           main.cc:9 required from here"],
    );
}

#[test]
fn the_same_of_a_header_is_kept_once() {
    let once = "lib/x.h:1:1: warning: w [-Wx]\nlib/x.h:2:2: note: n\n";
    check_entries(&once.repeat(3), &["=lib/x.h:1 ~ w ~ -Wx ~ ×3 ~ lib/x.h:2 n"]);
}

#[test]
fn folders_that_make_enters_are_followed() {
    let mut parser = Parser::new(SourceTree::new(["lib/a.c".to_owned()]));
    parser.feed(Stream::Stdout, b"make[1]: Entering directory '/workspace/src/lib'\n");
    parser.feed(Stream::Stderr, b"a.c:1:1: error: x\n");
    let found = parser.finish();
    assert_eq!(found.summary.sentence().unwrap(), "lib/a.c:1:1: x");
    assert_eq!(found.entries[0].origin, Some(FileOrigin::Repository));
}

#[test]
fn linkers_name_symbols_and_places() {
    check_entries(
        "/usr/bin/ld: /tmp/cc1.o: in function `main\':\n\
         main.c:(.text+0x5): undefined reference to `g\'\n\
         main.c:(.text+0xa): undefined reference to `g\'\n\
         /usr/bin/ld: /tmp/cc2.o:lib/a.c:1: multiple definition of `d\'; /tmp/cc1.o:main.c:2: first defined here\n\
         collect2: error: ld returned 1 exit status\n",
        &[
            "=main.c:0 ~ undefined reference to `g\' ~ <g> ~ ×2",
            "=lib/a.c:1 ~ multiple definition of `d\' ~ <d> ~ main.c:2 first defined here",
        ],
    );
    check_entries(
        "ld.lld: error: undefined symbol: g\n>>> referenced by main.c:3 (/workspace/src/main.c:3)\n\
         >>>               /tmp/m-1.o:(main)\n\
         ld.lld: error: duplicate symbol: dup\n>>> defined at main.c:1\n>>> defined at lib/a.c:4\n",
        &[
            "-:0 ~ undefined symbol: g ~ <g> ~ main.c:3 referenced here",
            "-:0 ~ duplicate symbol: dup ~ <dup> ~ main.c:1 defined here | lib/a.c:4 defined here",
        ],
    );
    check_entries(
        "main.c:function main: error: undefined reference to \'g\'\n\
         main.c:7: error: undefined reference to \'h\'\n",
        &[
            "=main.c:0 ~ undefined reference to \'g\' ~ <g>",
            "=main.c:7 ~ undefined reference to \'h\' ~ <h>",
        ],
    );
}

#[test]
fn what_does_not_fit_is_counted() {
    let lines: String = (0..MAX_KEPT + 5).map(|n| format!("a.c:{n}:1: warning: x\n")).collect();
    let all = found(lines.as_bytes());
    assert_eq!((all.entries.len(), all.omitted, all.summary.warnings), (MAX_KEPT, 5, 10_005));
    let long = "y".repeat(1000);
    let lines: String = (0..9_000).map(|n| format!("a.c:{n}:1: warning: {long}\n")).collect();
    let all = found(lines.as_bytes());
    assert!(all.entries.len() < 9_000 && all.omitted > 0);
    assert_eq!(all.entries.len() as u64 + all.omitted, 9_000);
}

/// What is looked at of an output: every byte at most once, and of a line no more than its bound.
#[test]
fn work_grows_with_the_output_and_not_faster() {
    let unit = "a.c:1:1: error: x\nIn file included from a.h:1,\n   from x\nCMake Error at x:1 (y):\n  z\n\n\
        >>> referenced by x\nchecking for a... no\n   1 | int x;\na.c: In function ‘f’:\n";
    let work = |times: usize| {
        let mut parser = Parser::default();
        parser.feed(Stream::Stderr, unit.repeat(times).as_bytes());
        (
            parser.work,
            parser.streams.iter().map(|one| one.line.len() + one.before.len()).sum::<usize>(),
        )
    };
    let (once, _) = work(1);
    for times in [10, 100, 1000] {
        let (done, held) = work(times);
        assert!(done <= once * times && done <= unit.len() * times, "{times}: {done}");
        assert!(held <= MAX_BEFORE, "{times}: {held}");
    }
    let mut parser = Parser::default();
    parser.feed(Stream::Stdout, &vec![b'x'; 4 << 20]);
    parser.feed(Stream::Stdout, b"\n");
    assert_eq!(parser.work, MAX_LINE);
}

proptest! {
    #[test]
    fn pieces_may_end_anywhere(cuts in prop::collection::vec(0..4000_usize, 0..20)) {
        let (_, output) = fixture!("gcc12-errors-color");
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(output.len())).collect();
        cuts.sort_unstable();
        let mut parser = Parser::default();
        let mut from = 0;
        for cut in cuts {
            parser.feed(Stream::Stderr, &output[from..cut]);
            from = cut;
        }
        parser.feed(Stream::Stderr, &output[from..]);
        let (pieces, whole) = (parser.finish(), found(output));
        prop_assert_eq!(pieces.summary, whole.summary);
        prop_assert_eq!(pieces.entries, whole.entries);
    }

    #[test]
    fn no_input_makes_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        parts in prop::collection::vec(prop::sample::select(vec![
            ": ", ":", "error: ", "warning: ", "a.c", "1", "ld", "/usr/bin/ld", "CMake Error", " at ",
            "make", "***", "\x1b[", "\x1b]8;;", "\n", "é", "[-W", "]", "(", ")", "configure", "line ",
            "undefined reference to ", "not found", " |", "ERROR: ", "meson.build", "FAILED: ",
            "note: ", "In file included from ", "                 from ", ": In ", ":   required from ", "; ",
            ">>> referenced by ", "make: Entering directory '", "checking for ", "... no", " found: NO",
            "Package requirements (", "multiple definition of `", "/workspace/src/", "../", "<",
        ]), 0..30),
    ) {
        for bytes in [&bytes[..], parts.concat().as_bytes()] {
            let found = found(bytes);
            let said: u64 = found.entries.iter().map(|one| one.count).sum();
            prop_assert_eq!(said + found.omitted, found.summary.errors + found.summary.warnings);
        }
    }
}
