//! A configure script that has to be made first: by the project's own script, or by `autoreconf`.
//!
//! The script comes first, because it may do what `autoreconf` does not know of; where it needs
//! something that only its author's machine has, `autoreconf` often does without. Scripts that run
//! configure by themselves, whatever `NOCONFIGURE` says, are not followed by a second run of it.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    Found, System, Wish,
    kind::{Rank, named, step},
    script, targets,
};
use crate::{
    builder::listing::{Folder, quote},
    model::StepKind,
};

/// The scripts, the usual name first.
const SCRIPTS: &[&str] = &[
    "autogen.sh",
    "autogen",
    "bootstrap",
    "bootstrap.sh",
    "buildconf",
    "buildconf.sh",
    "build-aux/autogen.sh",
];
const INPUTS: &[&str] = &["configure.ac", "configure.in"];
/// What automake wants to be there unless it is told that the project is a foreign one.
const GNU_FILES: &[&str] = &["NEWS", "README", "AUTHORS", "ChangeLog"];

pub(super) fn find(folder: Folder<'_>, wish: Wish<'_>) -> Vec<Found> {
    let Some(input) = INPUTS.iter().copied().find(|name| folder.file(name).is_some()) else {
        return Vec::new();
    };
    let path = SCRIPTS.iter().copied().find(|path| folder.file(path).is_some());
    let by_script = path.map(|path| {
        let text = folder.text(path).unwrap_or_default();
        let mut because = format!("there is {input}, and {path} makes configure of it");
        if configures(&text) {
            because.push_str("; it seems to run configure as well, which is not done twice");
        }
        let run = run_script(folder, wish, path);
        found(folder, wish, Making { run, because, rank: Rank::Script })
    });
    let run = autoreconf(folder, input);
    let because = format!("there is {input}, and autoreconf makes configure of it");
    let by_hand = found(folder, wish, Making { run, because, rank: Rank::Autoreconf });
    by_script.into_iter().chain([by_hand]).collect()
}

/// How configure is made.
struct Making {
    run: String,
    because: String,
    rank: Rank,
}

fn found(folder: Folder<'_>, wish: Wish<'_>, making: Making) -> Found {
    let mut because = making.because;
    let enter = folder.enter();
    let host = wish.toolchain.configure_host.as_deref();
    let configure = format!("./configure{}", arguments(host));
    let configure = match making.rank {
        Rank::Script => format!("{enter}test -f config.status || {configure}"),
        _ => format!("{enter}{configure}"),
    };
    let mut steps = vec![
        named("autogen", StepKind::Configure, format!("{enter}{}", making.run)),
        step(StepKind::Configure, configure),
        step(StepKind::Compile, format!("{enter}make")),
    ];
    if wish.test {
        match targets::of_configured(folder) {
            Some(target) => steps.push(step(StepKind::Test, format!("{enter}make {target}"))),
            None => because.push_str("; no target `check` or `test` was found for the tests"),
        }
    }
    // Manuals are not what is asked for, and makeinfo is not in every image.
    let mut env: BTreeMap<String, String> = [("MAKEINFO".to_owned(), "true".to_owned())].into();
    if let Some(host) = host {
        env.insert("CHOST".to_owned(), host.to_owned());
    }
    Found { system: System::Autotools, rank: making.rank, because, steps, env }
}

fn arguments(host: Option<&str>) -> String {
    host.map(|host| format!(" --host={}", quote(host))).unwrap_or_default()
}

fn run_script(folder: Folder<'_>, wish: Wish<'_>, path: &str) -> String {
    let kind = folder.file(path).unwrap_or(crate::builder::FileKind::Executable);
    let text = folder.text(path).unwrap_or_default();
    let mut run = format!("NOCONFIGURE=1 {}", script::call(kind, path, &text));
    if text.contains("gnulib") && text.contains("--skip-po") {
        // gnulib's bootstrap would fetch gnulib and translations from elsewhere.
        run.push_str(" --skip-po --no-git");
        if folder.listing.occupied("gnulib") {
            run.push_str(" --gnulib-srcdir=gnulib");
        }
    } else if configures(&text) {
        run.push_str(&arguments(wish.toolchain.configure_host.as_deref()));
    }
    run
}

/// Whether a script seems to run configure: it is called, not only spoken of.
fn configures(text: &str) -> bool {
    let calls = |line: &str| {
        let spoken = ["echo", "printf", "test", "[", "rm", "if [", "if test", "chmod", "sed"];
        let names = ["/configure", "/configure\""];
        !spoken.iter().any(|word| line.starts_with(word))
            && line
                .split([';', '&', '|'])
                .filter_map(|command| {
                    let mut words = command.split_whitespace();
                    words.find(|word| {
                        !["exec", "sh", "then", "else", "do"].contains(word) && !word.contains('=')
                    })
                })
                .any(|word| names.iter().any(|name| word.ends_with(name)))
    };
    script::code(text).any(calls)
}

/// `autoreconf`, with what git does not keep (empty folders) and what GNU's rules ask for.
fn autoreconf(folder: Folder<'_>, input: &str) -> String {
    let text = folder.text(input).unwrap_or_default();
    let mut run = String::new();
    let missing: Vec<&str> = ["AC_CONFIG_MACRO_DIR", "AC_CONFIG_MACRO_DIRS", "AC_CONFIG_AUX_DIR"]
        .iter()
        .filter_map(|name| argument(&text, name))
        .filter(|path| is_plain(path) && !folder.occupied(path))
        .collect();
    if !missing.is_empty() {
        let _ = write!(run, "mkdir -p {} && ", missing.join(" "));
    }
    let automake = folder.file("Makefile.am").is_some();
    let makefile = folder.text("Makefile.am").unwrap_or_default();
    if automake && !text.contains("foreign") && !makefile.contains("foreign") {
        let missing: Vec<&str> =
            GNU_FILES.iter().copied().filter(|name| !folder.occupied(name)).collect();
        if !missing.is_empty() {
            let _ = write!(run, "touch {} && ", missing.join(" "));
        }
    }
    run.push_str("autoreconf -fi");
    run
}

/// The first argument of a macro: `m4` of `AC_CONFIG_MACRO_DIR([m4])`.
fn argument<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let rest = line.trim_start().strip_prefix(name)?.strip_prefix('(')?;
        let rest = rest.trim_start().trim_start_matches('[');
        let end = rest.find([']', ')', ' ', ','])?;
        Some(&rest[..end])
    })
}

fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    !path.is_empty()
        && path.chars().all(plain)
        && !path.starts_with(['/', '-', '.'])
        && !path.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_run_configure_are_told_from_those_that_speak_of_it() {
        for (text, expected) in [
            ("#!/bin/sh\nautoreconf -i\n./configure \"$@\"\n", true),
            ("$srcdir/configure --enable-x", true),
            ("exec \"$srcdir/configure\" \"$@\"", true),
            ("test -n \"$NOCONFIGURE\" || \"$srcdir/configure\" \"$@\"", false),
            ("[ -z $X ] && ./configure", false),
            ("autoconf && ./configure", true),
            ("echo 'now run ./configure'", false),
            ("# ./configure", false),
            ("autoreconf --install --force", false),
            ("chmod +x ./configure", false),
        ] {
            assert_eq!(configures(text), expected, "{text}");
        }
    }

    #[test]
    fn arguments_of_macros_are_read() {
        for (text, expected) in [
            ("AC_CONFIG_MACRO_DIR([m4])", Some("m4")),
            ("AC_CONFIG_MACRO_DIR(config/m4)", Some("config/m4")),
            ("  AC_CONFIG_MACRO_DIR([ x ])", Some("")),
            ("dnl AC_CONFIG_MACRO_DIR([m4])", None),
            ("AC_CONFIG_MACRO_DIRS([m4 more])", None),
        ] {
            assert_eq!(argument(text, "AC_CONFIG_MACRO_DIR"), expected, "{text}");
        }
    }
}
