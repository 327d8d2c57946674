//! Writes the `.kiln.toml` that does what was planned: a beginning for people who want to change it.
//!
//! It says all of what can be said, most of it in comments, and reads back as the same steps.

use std::{collections::BTreeMap, fmt::Write as _};

use super::Choice;

const HEAD: &str = "\
# How kiln builds this project. All of it may be left out: kiln then finds the steps by itself.
";
const BEFORE_STEPS: &str = r#"
# What to build with; without this the server's default. `kiln toolchains` names all there are.
#toolchains = ["gcc:14", "clang:19"]

# Debian packages that the build needs and the toolchains' images lack.
#packages = ["libevent-dev"]

# Labels that an agent must have to build it; `kiln agents` shows theirs.
#requires = ["arch=x86_64"]

# Whether submodules are fetched, and how long a build may take.
#submodules = true
#cache = false
#timeout = "15m"
"#;
const STEPS: &str = "
# The steps, in order. `sh -e -c` runs each in the root of the source, and the first that fails ends
# the build. CC, CXX, AR and so on are the toolchain's, MAKEFLAGS says how many jobs are allowed.
";
const AFTER_STEPS: &str = r#"
# What to keep; without this the programs and libraries that the build made.
#[artifacts]
#include = ["build/app"]
#required = ["build/app"]
"#;

/// The text of a `.kiln.toml` with the steps of a choice.
pub fn recipe_text(choice: &Choice) -> String {
    let mut text = HEAD.to_owned();
    for line in choice.reason.lines() {
        let _ = writeln!(text, "# {}", line.escape_debug());
    }
    text.push_str(BEFORE_STEPS);
    env(&mut text, &choice.env);
    text.push_str(STEPS);
    let mut first = true;
    for step in &choice.steps {
        if !std::mem::take(&mut first) {
            text.push('\n');
        }
        let (name, run) = (quoted(step.name.as_str()), quoted(&step.run));
        let _ = writeln!(text, "[[step]]\nname = {name}\nrun = {run}");
    }
    text.push_str(AFTER_STEPS);
    text
}

fn env(text: &mut String, env: &BTreeMap<String, String>) {
    if env.is_empty() {
        text.push_str("\n# Variables of every step.\n#[env]\n#CFLAGS = \"-O2 -g\"\n");
        return;
    }
    text.push_str("\n# Variables of every step.\n[env]\n");
    for (name, value) in env {
        let _ = writeln!(text, "{} = {}", quoted(name), quoted(value));
    }
}

/// A TOML string: a literal one where that can be, since commands are full of quotes.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| !c.is_control() || c == '\t';
    if text.chars().all(plain) {
        if !text.contains(['"', '\\']) {
            return format!("\"{text}\"");
        }
        if !text.contains('\'') {
            return format!("'{text}'");
        }
    }
    let lines = text.chars().all(|c| plain(c) || c == '\n') && !text.contains("'''");
    if lines && !text.ends_with('\'') {
        // The line break right after the opening does not count.
        return format!("'''\n{text}'''");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push('\t'),
            c if c.is_control() => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        builder::{System, parse},
        model::{Recipe, Step, StepKind},
    };

    fn choice(runs: &[&str], env: &[(&str, &str)], reason: &str) -> Choice {
        let step = |run: &&str| Step {
            name: "compile".parse().unwrap(),
            kind: StepKind::Compile,
            run: (*run).to_owned(),
        };
        Choice {
            system: System::Make,
            reason: reason.to_owned(),
            steps: runs.iter().map(step).collect(),
            env: env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            source_dir: String::new(),
        }
    }

    fn check(choice: &Choice) {
        let text = recipe_text(choice);
        let recipe = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{text}"));
        assert_eq!((&recipe.steps, &recipe.env.0), (&choice.steps, &choice.env), "{text}");
        let rest = Recipe { steps: Vec::new(), env: Recipe::default().env, ..recipe };
        assert_eq!(rest, Recipe::default(), "{text}");
    }

    #[test]
    fn the_text_reads_back_as_the_same_steps() {
        for run in [
            "make",
            r#"make CC="$CC -std=c99""#,
            "find . -exec touch -r configure '{}' +",
            "find . -exec touch '{}' + && echo \"it's\"",
            "for f in *.c; do\n  $CC -c \"$f\"\ndone",
            "echo '''",
            "echo 'x'",
            "echo \u{7f}\u{1}\t\\ \r\n '",
        ] {
            check(&choice(&[run, "make"], &[], "Building with Make: there is a Makefile."));
        }
        check(&choice(&["make"], &[("MAKEINFO", "true"), ("X", "a \"b\"\\")], "a\n[env]\rb"));
    }

    #[test]
    fn what_is_in_comments_can_be_taken_out_of_them() {
        let text = recipe_text(&choice(&["make"], &[], "x"));
        let open: String = text
            .lines()
            .filter(|line| !line.starts_with("# ") && !line.starts_with("#packages"))
            .map(|line| format!("{}\n", line.trim_start_matches('#')))
            .collect();
        let recipe = parse(open.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{open}"));
        assert_eq!((recipe.toolchains.len(), recipe.submodules), (2, Some(true)));
        assert_eq!((recipe.env.0.len(), recipe.artifacts.required.len()), (1, 1));
    }

    proptest! {
        #[test]
        fn every_command_reads_back(run in "[^\\x00]{0,40}[^\\x00\\s]", reason in "\\PC*") {
            check(&choice(&[&run], &[], &reason));
        }
    }
}
