//! What people are told when a tree cannot be built as it is, with an example that has its names.

use super::NoChoice;
use crate::builder::{
    Listing,
    listing::{Folder, quote},
    recipe_text::quoted,
    systems::{self, Sources},
};

/// How many names of the tree a sentence shows.
const SHOWN: usize = 5;
/// Files that say what a project is made with, if it is not C or C++.
const OTHERS: &[(&str, &str)] = &[
    ("Cargo.toml", "Rust"),
    ("go.mod", "Go"),
    ("package.json", "JavaScript"),
    ("pyproject.toml", "Python"),
    ("setup.py", "Python"),
    ("pom.xml", "Java"),
    ("build.gradle", "Java"),
    ("Gemfile", "Ruby"),
    ("mix.exs", "Elixir"),
    ("Package.swift", "Swift"),
];
/// Build systems that are not in the images: their file, their name.
const UNKNOWN: &[(&str, &str)] = &[
    ("SConstruct", "SCons"),
    ("wscript", "Waf"),
    ("WORKSPACE", "Bazel"),
    ("MODULE.bazel", "Bazel"),
    ("BUILD.bazel", "Bazel"),
    ("xmake.lua", "xmake"),
    ("premake5.lua", "Premake"),
    ("build.zig", "Zig"),
];

/// Nothing at all.
pub(super) fn empty() -> NoChoice {
    NoChoice { sentence: "The tree is empty: there is nothing to build.".to_owned() }
}

/// No file for a compiler.
pub(super) fn no_sources(listing: &Listing) -> NoChoice {
    let is_header = |path: &str| {
        path.rsplit_once('.').is_some_and(|(_, end)| matches!(end, "h" | "hh" | "hpp" | "hxx"))
    };
    if listing.files().any(is_header) {
        return headers_only(listing);
    }
    let other = OTHERS.iter().find(|(name, _)| listing.file(name).is_some());
    let hint = other.map(|(name, language)| format!("; {name} is for {language}"));
    with_example(
        listing,
        &format!(
            "This is not a C or C++ project: there is no C or C++ source file in the tree{}. If the \
             build makes some, give",
            hint.unwrap_or_default()
        ),
    )
}

fn headers_only(listing: &Listing) -> NoChoice {
    with_example(
        listing,
        "There are only headers in the tree, outside of tests and examples: nothing has to be \
         compiled. To build something with them, give",
    )
}

/// More than one folder could be the project.
pub(super) fn several(listing: &Listing, names: &[&str]) -> NoChoice {
    let names: Vec<String> = names.iter().take(SHOWN).map(|name| printable(name)).collect();
    with_example(
        listing,
        &format!(
            "Several folders could be the project ({}), and the root has nothing to build with. Give",
            names.join(", ")
        ),
    )
}

/// No build system, and not for the compiler alone either.
pub(super) fn nothing_fits(root: Folder<'_>, sources: Sources) -> NoChoice {
    let listing = root.listing;
    let submodules = if listing.contains(b".gitmodules") {
        " Its submodules are not in it: submodules = true in .kiln.toml fetches them."
    } else {
        ""
    };
    let unknown = UNKNOWN.iter().find(|(name, _)| listing.file(name).is_some());
    let problem = match (systems::stub(root), unknown) {
        (Some(name), _) => {
            format!("{name} only tells to run something else first, and that is not in the tree")
        }
        (None, Some((name, system))) => format!("{name} is for {system}, which is not understood"),
        (None, None) => match what_is_there(listing, sources) {
            Ok(problem) => problem,
            Err(headers) => return headers,
        },
    };
    with_example(
        listing,
        &format!(
            "Nothing in the tree says how to build it ({problem}): looked for CMakeLists.txt, \
             meson.build, configure, configure.ac, GNUmakefile, makefile and Makefile in the root \
             and in the folders below it.{submodules} Give"
        ),
    )
}

fn what_is_there(listing: &Listing, sources: Sources) -> Result<String, NoChoice> {
    Ok(match sources {
        Sources::HeadersOnly => return Err(headers_only(listing)),
        Sources::TooMany(count) => {
            format!("{count} source files are too many to do without a build system")
        }
        Sources::Odd => "a source file's name cannot be used".to_owned(),
        Sources::None => "all source files are in tests, examples and the like".to_owned(),
    })
}

fn with_example(listing: &Listing, sentence: &str) -> NoChoice {
    let run = quoted(&compile_line(listing));
    let sentence = format!(
        "{sentence} the steps in .kiln.toml, for example:\n\n[[step]]\nname = \"compile\"\nrun = {run}"
    );
    NoChoice { sentence }
}

/// A compiler call with the first sources of the tree.
fn compile_line(listing: &Listing) -> String {
    let mut c = Vec::new();
    let mut cxx = Vec::new();
    for path in listing.sources() {
        if path.len() < 200 && !path.chars().any(char::is_control) {
            match path.rsplit('.').next() {
                Some("c") => c.push(path),
                Some("cc" | "cpp" | "cxx") => cxx.push(path),
                _ => {}
            }
        }
    }
    let (compiler, sources) = match (c.is_empty(), cxx.is_empty()) {
        (true, true) => return "$CC -o program main.c".to_owned(),
        (false, _) => ("$CC", c),
        (true, false) => ("$CXX", cxx),
    };
    let named: Vec<_> = sources.iter().take(SHOWN).map(|path| quote(path)).collect();
    format!("{compiler} -o program {}", named.join(" "))
}

/// A name of the tree in a sentence.
pub(super) fn printable(path: &str) -> String {
    path.escape_debug().take(100).collect()
}
