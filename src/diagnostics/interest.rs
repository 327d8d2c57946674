//! Which lines are looked at closely: those that hold one of the phrases that tools use.
//!
//! Nearly all output of a build says nothing, and one pass over its bytes finds that out, so that
//! an endless output costs next to nothing.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

const ESCAPE: u8 = 0x1b;

/// What a line has that can matter, apart from signs of a bound.
const PHRASES: &[&str] = &[
    // Compilers, assemblers, linkers.
    "error: ",
    "Error: ",
    "warning: ",
    "Warning: ",
    "note: ",
    "sorry, unimplemented: ",
    "In file included from ",
    ": In ",
    ": At top level:",
    "required from",
    "expansion of ",
    ">>> ",
    "undefined reference to ",
    "undefined symbol",
    "multiple definition of ",
    "duplicate symbol",
    "cannot find ",
    "unable to find library ",
    "library not found",
    "relocation truncated to fit",
    "ld returned ",
    "linker command failed",
    "DSO missing from command line",
    "cannot open output file",
    "file format not recognized",
    "file in wrong format",
    "recompile with -fPIC",
    // Tools around them.
    "CMake ",
    "configure: ",
    "ERROR: ",
    "yntax error",
    ": *** ",
    "FAILED: ",
    "ninja: ",
    "Entering directory ",
    "Leaving directory ",
    "not found",
    "No such file or directory",
    // What is missing.
    "checking ",
    "No package ",
    "Requested '",
    "Package dependency requirement",
    " found: ",
    "Can't locate ",
    "No module named ",
    "Can't exec ",
    "failed to run ",
    "is missing on your system",
    ": `",
];

static FINDER: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let phrases = PHRASES.iter().copied().chain(super::symptom::phrases());
    AhoCorasick::new(phrases).expect("a few dozen short phrases make a small automaton")
});

/// Whether a line is worth a closer look.
pub(super) fn holds(line: &[u8]) -> bool {
    // Colors can stand in the middle of a phrase.
    line.contains(&ESCAPE) || FINDER.is_match(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_output_is_not_looked_at() {
        for (line, expected) in [
            ("gcc -O2 -Wall -c -o main.o main.c", false),
            ("[12/340] Building C object CMakeFiles/app.dir/main.c.o", false),
            ("make[1]: Entering directory '/workspace/src/lib'", true),
            ("a.c:1:2: warning: x [-Wx]", true),
            ("x: No space left on device", true),
            ("\x1b[1mbold\x1b[0m", true),
            ("", false),
        ] {
            assert_eq!(holds(line.as_bytes()), expected, "{line}");
        }
    }
}
