//! Reads just enough of a Makefile's text: what a variable is set to, and what takes its place.
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
    Tool { name: "HOSTCC", always: false, plain: false },
    Tool { name: "HOSTCXX", always: false, plain: false },
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

/// The value with its program replaced by the toolchain's, as a word for the shell; none if it is
/// to stay as it is. The program comes from the environment, so that the text is the same for every
/// toolchain, and the recipe's own `CC` counts.
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
    let has = |variable: &str| toolchain.env.contains_key(variable);
    let new = match name {
        "cc" | "gcc" | "clang" | "c89" | "c99" | "c11" => match tool.name {
            // What runs while building, which is the same where nothing is cross-compiled.
            "HOSTCC" if has("HOSTCC") => "HOSTCC",
            _ => "CC",
        },
        "g++" | "c++" | "clang++" | "CC" => match tool.name {
            "HOSTCXX" if has("CXX_FOR_BUILD") => "CXX_FOR_BUILD",
            _ => "CXX",
        },
        "ld" | "ar" | "gcc-ar" | "llvm-ar" | "ranlib" | "gcc-ranlib" | "llvm-ranlib" | "strip"
        | "windres" => has(tool.name).then_some(tool.name)?,
        // `CC =` with nothing, which make would run as nothing.
        "" if value.is_empty() && tool.always => tool.name,
        _ => return None,
    };
    let is_there = match new {
        "CC" => !toolchain.cc.is_empty(),
        "CXX" => !toolchain.cxx.is_empty(),
        _ => true,
    };
    // `c99` means the standard.
    let standard = match name {
        "c89" => " -std=c89",
        "c99" => " -std=c99",
        "c11" => " -std=c11",
        _ => "",
    };
    is_there.then(|| format!("\"${new}{}\"", escaped(&format!("{standard}{flags}"))))
}

/// Text within double quotes of the shell.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Lines with those that end in a backslash joined to the next.
pub(super) fn logical_lines(text: &str) -> impl Iterator<Item = String> {
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
            (0, "gcc", Some(r#""$CC""#)),
            (0, "gcc-12", Some(r#""$CC""#)),
            (0, "/usr/bin/gcc", Some(r#""$CC""#)),
            (0, "$(CROSS_COMPILE)gcc -m64", Some(r#""$CC -m64""#)),
            (0, "gcc -std=gnu99", Some(r#""$CC -std=gnu99""#)),
            (0, "gcc -DX=\"$(Y)\"", Some(r#""$CC -DX=\"\$(Y)\"""#)),
            (0, "c99", Some(r#""$CC -std=c99""#)),
            (0, "g++", Some(r#""$CXX""#)),
            (0, "", Some(r#""$CC""#)),
            (0, "avr-gcc", None),
            (0, "mpicc", None),
            (0, "$(shell which gcc)", None),
            (1, "$(CC)", None),
            (2, "gcc", Some(r#""$CC""#)),
            (2, "$(CC)", None),
            (2, "ld", None),
            (3, "ar rcu", Some(r#""$AR rcu""#)),
            (4, "ranlib", None),
            (7, "gcc", Some(r#""$CC""#)),
            (7, "$(CC)", None),
        ] {
            assert_eq!(
                replaced(value, &TOOLS[tool], &toolchain).as_deref(),
                expected,
                "{} = {value}",
                TOOLS[tool].name
            );
        }
    }
}
