//! Outputs of real tools (`fixtures.txt`: autoconf 2.72, pkgconf 1.8, CMake 3.31, Meson 1.7, the
//! linkers and shells of Debian 13, without the lines that say what went well), and what each lacks.

use std::collections::BTreeMap;

use super::{
    super::{Diagnostics, Parser},
    MissingKind::{
        self, CMakePackage, Header, Library, Macro, PerlModule, PkgConfig, Program, PythonModule,
    },
};
use crate::model::Stream;

fn parse(output: &str) -> Diagnostics {
    both("", output)
}

fn both(stdout: &str, stderr: &str) -> Diagnostics {
    let mut parser = Parser::default();
    parser.feed(Stream::Stdout, stdout.as_bytes());
    parser.feed(Stream::Stderr, stderr.as_bytes());
    parser.finish().summary
}

fn check(name: &str, found: &Diagnostics, expected: &[(MissingKind, &str)]) {
    let missing: Vec<_> = found.missing.iter().map(|one| (one.kind, one.name.as_str())).collect();
    assert_eq!(missing, expected, "{name}");
}

/// Every section of the fixtures and what is missing there.
const SECTIONS: &[(&str, &[(MissingKind, &str)])] = &[
    ("ac-pkg", &[(PkgConfig, "libnosuch")]),
    ("ac-pkg-many", &[(PkgConfig, "libnosuch"), (PkgConfig, "libother")]),
    ("ac-pkg-version", &[]),
    ("ac-lib", &[(Library, "pcap")]),
    ("ac-prog", &[(Program, "nosuchasm")]),
    ("ac-macro", &[(Macro, "AM_PATH_NOSUCH")]),
    ("ac-macro-left", &[(Macro, "AX_NOSUCH_THING")]),
    ("ac-libtool", &[(Macro, "LT_INIT")]),
    ("ac-header", &[(Header, "event9/event.h")]),
    ("ac-other", &[]),
    ("cmake-pkgcheck", &[(PkgConfig, "libnosuch"), (PkgConfig, "libother")]),
    ("cmake-pkgcheck-target", &[(PkgConfig, "libnosuch")]),
    ("cmake-pkgsearch", &[(PkgConfig, "libnosuch")]),
    ("cmake-find", &[(CMakePackage, "GIF")]),
    ("cmake-config", &[(CMakePackage, "Libevent")]),
    ("cmake-config2", &[(CMakePackage, "Libevent")]),
    ("cmake-lib", &[(Library, "nosuch")]),
    ("cmake-prog", &[(Program, "nosuchprog")]),
    ("cmake-path", &[(Header, "event2/nosuch.h")]),
    ("cmake-version", &[]),
    ("cmake-own", &[(Library, "nosuch")]),
    ("cmake-ninja", &[(Program, "ninja")]),
    ("meson-dep", &[(PkgConfig, "libnosuch")]),
    ("meson-dep-version", &[]),
    ("meson-prog", &[(Program, "nosuchprog")]),
    ("meson-lib", &[(Library, "nosuch")]),
    ("meson-header", &[(Header, "nosuch.h")]),
    ("meson-cmake", &[(PkgConfig, "Nosuch")]),
    ("meson-error", &[(Library, "nosuch")]),
    ("meson-fallback", &[(PkgConfig, "libnosuch")]),
    ("ld", &[(Library, "nosuch")]),
    ("lld", &[(Library, "nosuch")]),
    ("mold", &[(Library, "nosuch")]),
    ("header", &[(Header, "event2/nosuch.h")]),
    ("header-clang", &[(Header, "event2/nosuch.h")]),
    ("make-program", &[(Program, "gtkdocize")]),
    ("make-shell", &[(Program, "nosuchprog"), (Program, "nosuch2")]),
    ("make-python", &[(PythonModule, "nosuch")]),
    ("make-perl", &[(PerlModule, "XML::Nosuch")]),
    ("dash", &[(Program, "nosuchprog")]),
    ("bash", &[(Program, "nosuchprog")]),
    ("env", &[(Program, "nosuchpy")]),
    ("dash-macro", &[]),
    ("bash-macro", &[(Macro, "PKG_CHECK_MODULES")]),
    ("libtoolize", &[(Program, "libtoolize")]),
    ("makeinfo", &[(Program, "makeinfo")]),
];

#[test]
fn what_real_tools_lack_is_named() {
    let sections: BTreeMap<&str, &str> = include_str!("fixtures.txt")
        .split("=== ")
        .filter_map(|section| section.split_once('\n'))
        .collect();
    let mut expected: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
    expected.sort_unstable();
    assert_eq!(sections.keys().copied().collect::<Vec<_>>(), expected);
    for (name, expected) in SECTIONS {
        check(name, &parse(sections[name]), expected);
    }
}

#[test]
fn single_lines_name_what_they_lack_or_nothing() {
    let table: &[(&str, &[(MissingKind, &str)])] = &[
        ("/usr/bin/ld: cannot find -l:libfoo.so.1", &[(Library, "foo")]),
        ("/usr/bin/ld: cannot find crt1.o: No such file or directory", &[]),
        (
            "a.cc:1:10: fatal error: boost/asio.hpp: No such file or directory",
            &[(Header, "boost/asio.hpp")],
        ),
        ("a.c:1:10: fatal error: '../x.h' file not found", &[]),
        ("gcc: error: nofile.c: No such file or directory", &[]),
        ("configure: error: zlib.h not found; install zlib", &[(Header, "zlib.h")]),
        ("configure: error: cannot find libpcap, see README", &[(Library, "pcap")]),
        ("configure: error: please install libssl-dev", &[(Library, "ssl")]),
        ("configure: error: need -lcurses", &[(Library, "curses")]),
        ("configure: error: the library is missing", &[]),
        ("configure: error: libtool is required", &[]),
        ("configure: error: C compiler cannot create executables", &[]),
        ("checking for X... configure: error: libX11 not found", &[(Library, "X11")]),
        (
            "configure: error: XML::Parser perl module is required for intltool",
            &[(PerlModule, "XML::Parser")],
        ),
        ("configure: WARNING: libfoo not found", &[]),
        ("CMake Error: Could NOT find ZLIB (missing: ZLIB_LIBRARY)", &[(CMakePackage, "ZLIB")]),
        (
            "meson.build:3:0: ERROR: Native dependency 'glib-2.0' not found",
            &[(PkgConfig, "glib-2.0")],
        ),
        (
            "meson.build:3:0: ERROR: Program(s) ['bison', 'yacc'] not found or not executable",
            &[(Program, "bison")],
        ),
        ("sh: 1: ./gen.sh: not found", &[]),
        ("sh: 1: /usr/bin/xsltproc: not found", &[(Program, "xsltproc")]),
        ("./configure: line 9: AX_FOO: command not found", &[(Macro, "AX_FOO")]),
        ("configure.ac:9: error: undefined or overquoted macro: AX_FOO", &[(Macro, "AX_FOO")]),
        ("No package 'x' found", &[]),
        ("checking for zlib.h... no", &[]),
        ("ld: cannot find -l$(evil)", &[]),
    ];
    for (line, expected) in table {
        check(line, &parse(line), expected);
    }
}

#[test]
fn a_stream_answers_for_the_other() {
    let found = both(
        "checking for inflate in -lz... no\n",
        "configure: error: a compression library is needed\n",
    );
    check("configure", &found, &[(Library, "z")]);
    let found = both(
        "--   Package 'libfoo', required by 'virtual:world', not found\n",
        "CMake Error at x.cmake:1 (message):\n  A required package was not found\n\n",
    );
    check("cmake", &found, &[(PkgConfig, "libfoo")]);
}

#[test]
fn an_error_with_another_reason_names_nothing() {
    for lines in [
        "sh: 1: gtkdocize: not found\na.c:1:1: error: expected ';'\n",
        "checking for x.h... no\na.c:1:1: error: expected ';'\n",
        "-- Could NOT find Doxygen (missing: DOXYGEN_EXECUTABLE)\na.c:1:1: error: no\n",
        "No package 'x' found\nmake: *** [Makefile:2: all] Error 1\n",
    ] {
        check(lines, &parse(lines), &[]);
    }
}

#[test]
fn few_things_are_named() {
    let lines: Vec<_> = (0..100).map(|n| format!("ld: cannot find -lx{n}\n")).collect();
    assert_eq!(parse(&lines.concat()).missing.len(), 8);
}
