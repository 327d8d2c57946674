//! Reads just enough of a Makefile's text: what a variable is set to, targets, and stubs.
//!
//! It is not a make: conditionals are not evaluated, so what stands inside them does not count.

use super::ToolchainFacts;

/// A variable that names a tool.
pub(super) struct Tool {
    pub name: &'static str,
    /// Passed whatever the Makefile says.
    pub always: bool,
    /// Passed for another platform whatever the Makefile says: values of these seldom have flags
    /// that are not to be lost (`AR = ar rcu` has).
    pub plain: bool,
}

/// The variables that are passed, in this order.
pub(super) const TOOLS: &[Tool] = &[
    Tool { name: "CC", always: true, plain: true },
    Tool { name: "CXX", always: true, plain: true },
    Tool { name: "LD", always: false, plain: false },
    Tool { name: "AR", always: false, plain: false },
    Tool { name: "RANLIB", always: false, plain: true },
    Tool { name: "STRIP", always: false, plain: true },
    Tool { name: "WINDRES", always: false, plain: true },
];

/// The value of the last assignment outside conditionals and rules, with what is added to it.
pub(super) fn assigned(text: &str, variable: &str) -> Option<String> {
    assignment(text, variable).0
}

/// Whether something is added to the variable's value from outside: on the command line that value
/// would stand alone, so it may only come from the environment.
pub(super) fn adds(text: &str, variable: &str) -> bool {
    assignment(text, variable).1
}

/// The value, and whether there is only an addition to one.
fn assignment(text: &str, variable: &str) -> (Option<String>, bool) {
    let mut depth = 0_usize;
    let (mut value, mut adds): (Option<String>, bool) = (None, false);
    for line in logical_lines(text) {
        if line.starts_with('\t') {
            continue;
        }
        let code = line.split('#').next().unwrap_or_default().trim();
        let word = code.split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
        match word {
            "ifeq" | "ifneq" | "ifdef" | "ifndef" => depth += 1,
            "endif" => depth = depth.saturating_sub(1),
            _ if depth == 0 => {
                let code = code.strip_prefix("export ").unwrap_or(code).trim_start();
                let Some(rest) = code.strip_prefix(variable).map(str::trim_start) else { continue };
                let operator = |one: &&str| rest.strip_prefix(*one);
                if let Some(more) = rest.strip_prefix("+=") {
                    match &mut value {
                        Some(value) => *value = format!("{value} {}", more.trim()),
                        None => adds = true,
                    }
                } else if let Some(given) = ["=", ":=", "::=", "?="].iter().find_map(operator) {
                    (value, adds) = (Some(given.trim().to_owned()), false);
                }
            }
            _ => {}
        }
    }
    (value, adds)
}

/// The value with its program replaced by the toolchain's; none if it is to stay as it is.
pub(super) fn replaced(value: &str, tool: &Tool, toolchain: &ToolchainFacts) -> Option<String> {
    let (program, flags) = match value.find(char::is_whitespace) {
        Some(at) => (&value[..at], &value[at..]),
        None => (value, ""),
    };
    let program = match program {
        // `LD = $(CC)` follows by itself.
        "" | "$(CC)" | "${CC}" | "$(CXX)" | "${CXX}" => "",
        _ => program,
    };
    // `$(CROSS_COMPILE)gcc`, `/usr/bin/gcc-12`: what counts is the end.
    let name = program.rsplit([')', '}', '/']).next().unwrap_or(program);
    let name = match name {
        "c89" | "c99" | "c11" => name,
        _ => name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-'),
    };
    let new = match name {
        "cc" | "gcc" | "clang" | "c89" | "c99" | "c11" => &toolchain.cc,
        "g++" | "c++" | "clang++" | "CC" => &toolchain.cxx,
        "ld" | "ar" | "gcc-ar" | "llvm-ar" | "ranlib" | "gcc-ranlib" | "llvm-ranlib" | "strip"
        | "windres" => toolchain.env.get(tool.name)?,
        // `CC =` with nothing, which make would run as nothing.
        "" if value.is_empty() && tool.always => match tool.name {
            "CC" => &toolchain.cc,
            _ => &toolchain.cxx,
        },
        _ => return None,
    };
    // `c99` means the standard.
    let standard = match name {
        "c89" => " -std=c89",
        "c99" => " -std=c99",
        "c11" => " -std=c11",
        _ => "",
    };
    Some(format!("{new}{standard}{flags}"))
}

/// `check` or `test`, whichever the Makefile has as a target.
pub(super) fn test_target(text: &str) -> Option<&'static str> {
    ["check", "test"].into_iter().find(|wanted| targets(text).any(|target| target == *wanted))
}

fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.starts_with(['\t', '#', '.']))
        .filter_map(|line| line.split_once(':'))
        .filter(|(names, rest)| {
            !names.contains('=') && !rest.trim_start_matches(':').starts_with('=')
        })
        .flat_map(|(names, _)| names.split_whitespace())
}

/// Whether a Makefile does nothing but tell people to run something else first.
pub(super) fn is_stub(text: &str) -> bool {
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.trim().trim_start_matches(['@', '-']))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let tells = |line: &&str| {
        line.starts_with("echo")
            && ["configure", "autogen", "bootstrap", "autoreconf", "cmake", "meson"]
                .iter()
                .any(|word| line.to_ascii_lowercase().contains(word))
    };
    let commands = text
        .lines()
        .filter(|line| line.starts_with('\t'))
        .map(|line| line.trim().trim_start_matches(['@', '-']).trim_start());
    let mut harmless = commands.filter(|line| !line.is_empty());
    let quiet = ["echo", "exit", "false", "true", ":", "printf", "#"];
    code.len() <= 40
        && code.iter().any(tells)
        && harmless.all(|line| quiet.iter().any(|word| line.starts_with(word)))
        && !code.iter().any(|line| line.starts_with("include ") || line.starts_with("-include "))
}

/// Lines with those that end in a backslash joined to the next.
fn logical_lines(text: &str) -> impl Iterator<Item = String> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        let mut line = lines.next()?.to_owned();
        while line.ends_with('\\') {
            line.pop();
            match lines.next() {
                Some(next) => line.push_str(next),
                None => break,
            }
        }
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_unconditional_assignment_counts() {
        for (text, expected) in [
            ("CC = gcc", Some("gcc")),
            ("CC= gcc -std=gnu99 # x", Some("gcc -std=gnu99")),
            ("CC := $(CROSS)gcc", Some("$(CROSS)gcc")),
            ("CC ?= cc", Some("cc")),
            ("export CC = gcc", Some("gcc")),
            ("CC = gcc\nCC = clang", Some("clang")),
            ("CC = gcc \\\n -m64", Some("gcc  -m64")),
            ("ifeq ($(X),1)\nCC = gcc -m32\nendif", None),
            ("ifdef X\nCC = a\nelse\nCC = b\nendif\nCC = c", Some("c")),
            ("CCFLAGS = x", None),
            ("CC += -m32", None),
            ("CC = gcc\nCC += -std=c99", Some("gcc -std=c99")),
            ("\tCC = gcc", None),
            ("all: CC = gcc", None),
            ("", None),
        ] {
            assert_eq!(assigned(text, "CC").as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn an_addition_needs_a_value_that_it_does_not_replace() {
        for (text, expected) in [
            ("CC += -m32", true),
            ("export CC+= -m32", true),
            ("CC += -m32\nCC = gcc", false),
            ("CC = gcc\nCC += -m32", false),
            ("CCFLAGS += x", false),
            ("ifdef X\nCC += -m32\nendif", false),
        ] {
            assert_eq!(adds(text, "CC"), expected, "{text}");
        }
    }

    #[test]
    fn the_toolchain_takes_the_place_of_the_platforms_tools_only() {
        let toolchain = ToolchainFacts {
            cc: "clang-19".into(),
            cxx: "clang++-19".into(),
            env: [("AR".to_owned(), "llvm-ar-19".to_owned())].into(),
            ..ToolchainFacts::default()
        };
        for (tool, value, expected) in [
            (0, "gcc", Some("clang-19")),
            (0, "gcc-12", Some("clang-19")),
            (0, "/usr/bin/gcc", Some("clang-19")),
            (0, "$(CROSS_COMPILE)gcc -m64", Some("clang-19 -m64")),
            (0, "gcc -std=gnu99", Some("clang-19 -std=gnu99")),
            (0, "c99", Some("clang-19 -std=c99")),
            (0, "g++", Some("clang++-19")),
            (0, "", Some("clang-19")),
            (0, "avr-gcc", None),
            (0, "mpicc", None),
            (0, "$(shell which gcc)", None),
            (1, "$(CC)", None),
            (2, "gcc", Some("clang-19")),
            (2, "$(CC)", None),
            (2, "ld", None),
            (3, "ar rcu", Some("llvm-ar-19 rcu")),
            (4, "ranlib", None),
        ] {
            assert_eq!(
                replaced(value, &TOOLS[tool], &toolchain).as_deref(),
                expected,
                "{} = {value}",
                TOOLS[tool].name
            );
        }
    }

    #[test]
    fn test_targets_are_targets() {
        for (text, expected) in [
            ("check: all", Some("check")),
            ("test:\n\t./t", Some("test")),
            ("all check: x", Some("check")),
            ("test:: x\ncheck:", Some("check")),
            ("test := x", None),
            ("check = a:b", None),
            ("\ttest: x", None),
            (".PHONY: test", None),
        ] {
            assert_eq!(test_target(text), expected, "{text}");
        }
    }

    #[test]
    fn stubs_only_tell() {
        for (text, expected) in [
            ("all:\n\t-@echo \"Please use ./configure first.  Thank you.\"\n", true),
            ("all:\n\t@echo run ./autogen.sh first; exit 1\n", true),
            ("all:\n\t@echo configure\n\t$(CC) -o x x.c\n", false),
            ("all:\n\t@echo hello\n", false),
            ("include x.mk\nall:\n\t@echo configure\n", false),
            ("all: x.o\n", false),
        ] {
            assert_eq!(is_stub(text), expected, "{text}");
        }
    }
}
