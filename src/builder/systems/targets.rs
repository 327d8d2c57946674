//! What can be asked of a Makefile: its targets, what it does without one, and whether that is all
//! talk.

use std::collections::BTreeSet;

use super::makefile::{self, logical_lines};
use crate::builder::listing::Folder;

/// Words of those who tell people to run something else first.
const TOOLS: &[&str] = &["configure", "autogen", "bootstrap", "autoreconf", "cmake", "meson"];
/// Commands that make nothing.
const TALK: &[&str] = &["echo", "exit", "false", "true", ":", "printf", "#", "test ", "[ "];
/// Targets that stand for this platform, in Makefiles that want to be told.
const PLATFORMS: &[&str] = &["linux", "linux-readline", "posix", "unix", "generic"];

/// `check` or `test`, whichever the Makefile has as a target.
pub(super) fn of_tests(text: &str) -> Option<&'static str> {
    ["check", "test"].into_iter().find(|wanted| targets(text).any(|target| target == *wanted))
}

/// The same for a Makefile that configure makes: automake always writes `check`; for others, what
/// the Makefile (or what it is made of) has.
pub(super) fn of_configured(folder: Folder<'_>) -> Option<&'static str> {
    if folder.file("Makefile.am").is_some() {
        return Some("check");
    }
    ["Makefile.in", "GNUmakefile", "makefile", "Makefile"]
        .into_iter()
        .find_map(|name| of_tests(&folder.text(name)?))
}

/// Whether one of its rules makes this file.
pub(super) fn has(text: &str, target: &str) -> bool {
    targets(text).any(|name| name.trim_start_matches("./") == target)
}

/// Whether a Makefile does nothing but tell people to run something else first.
pub(super) fn is_stub(text: &str) -> bool {
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.trim().trim_start_matches(['@', '-']))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let tells = |line: &&str| {
        let line = line.to_ascii_lowercase();
        (line.starts_with("echo") || line.starts_with("printf") || line.starts_with("$(error"))
            && TOOLS.iter().any(|word| line.contains(word))
    };
    let commands = text
        .lines()
        .filter(|line| line.starts_with('\t'))
        .map(|line| line.trim().trim_start_matches(['@', '-']).trim_start());
    let mut harmless = commands.filter(|line| !line.is_empty());
    code.len() <= 40
        && code.iter().any(tells)
        && harmless.all(|line| TALK.iter().any(|word| line.starts_with(word)))
        && !code.iter().any(|line| line.starts_with("include ") || line.starts_with("-include "))
}

/// The target to ask for where the first one only lists platforms, and this one is among the rest:
/// without it make would succeed and have made nothing.
pub(super) fn platform(text: &str) -> Option<&'static str> {
    let rules: Vec<Rule> = rules(text);
    let first = rules.iter().find(|rule| !rule.targets.iter().all(|name| name.starts_with('.')))?;
    let mut reached: BTreeSet<&str> = first.targets.iter().map(String::as_str).collect();
    // What the first target needs: `default: $(PLAT)` is looked up, the rest is taken as it is.
    let mut wanted: Vec<String> = first.targets.iter().chain(&first.needs).cloned().collect();
    wanted.truncate(20);
    let expanded: Vec<String> = wanted
        .iter()
        .map(|word| match word.strip_prefix("$(").and_then(|word| word.strip_suffix(')')) {
            Some(variable) => makefile::assigned(text, variable).unwrap_or_default(),
            None => word.clone(),
        })
        .collect();
    reached.extend(expanded.iter().map(String::as_str));
    let mut commands = rules
        .iter()
        .filter(|rule| rule.targets.iter().any(|name| reached.contains(name.as_str())))
        .flat_map(|rule| &rule.commands)
        .peekable();
    commands.peek()?;
    let talks = commands.all(|line| TALK.iter().any(|word| line.starts_with(word)));
    let made_elsewhere = expanded.iter().any(|word| word.contains(['.', '$', '/']));
    if !talks || made_elsewhere {
        return None;
    }
    // `$(PLATS): …` is a rule for each word of the variable.
    let there: Vec<String> = targets(text)
        .flat_map(|name| {
            match name.strip_prefix("$(").and_then(|name| name.strip_suffix(')')) {
                Some(variable) => makefile::assigned(text, variable).unwrap_or_default(),
                None => name.to_owned(),
            }
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
        })
        .collect();
    let is_there = |wanted: &str| there.iter().any(|name| name == wanted);
    PLATFORMS.iter().copied().find(|wanted| !reached.contains(wanted) && is_there(wanted))
}

struct Rule {
    targets: Vec<String>,
    needs: Vec<String>,
    commands: Vec<String>,
}

fn rules(text: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for line in logical_lines(text) {
        if let Some(command) = line.strip_prefix('\t') {
            let command = command.trim().trim_start_matches(['@', '-']).trim_start();
            if let (Some(rule), false) = (rules.last_mut(), command.is_empty()) {
                rule.commands.push(command.to_owned());
            }
        } else if let Some((names, needs)) = rule_line(&line) {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
            let needs = needs.split(['#', ';']).next().unwrap_or_default();
            rules.push(Rule { targets: words(names), needs: words(needs), commands: Vec::new() });
        }
    }
    rules
}

/// Targets and what they need, if the line begins a rule.
fn rule_line(line: &str) -> Option<(&str, &str)> {
    if line.starts_with(['\t', '#']) {
        return None;
    }
    let (names, rest) = line.split_once(':')?;
    let is_rule = !names.contains('=') && !rest.trim_start_matches(':').starts_with('=');
    is_rule.then(|| (names, rest.trim_start_matches(':')))
}

fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.starts_with('.'))
        .filter_map(rule_line)
        .flat_map(|(names, _)| names.split_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(of_tests(text), expected, "{text}");
        }
    }

    #[test]
    fn stubs_only_tell() {
        for (text, expected) in [
            ("all:\n\t-@echo \"Please use ./configure first.  Thank you.\"\n", true),
            ("all:\n\t@echo run ./autogen.sh first; exit 1\n", true),
            ("all:\n\t@printf 'run cmake\\n'\n", true),
            ("$(error please run ./configure)\nall:\n", true),
            ("all:\n\t@echo configure\n\t$(CC) -o x x.c\n", false),
            ("all:\n\t@echo hello\n", false),
            ("include x.mk\nall:\n\t@echo configure\n", false),
            ("all: x.o\n", false),
        ] {
            assert_eq!(is_stub(text), expected, "{text}");
        }
    }

    #[test]
    fn a_first_target_that_only_lists_platforms_is_not_asked_for() {
        const LUA_51: &str = "PLAT= none\nPLATS= aix linux posix\nall: $(PLAT)\n\n$(PLATS) clean:\n\tcd src && $(MAKE) $@\n\nnone:\n\t@echo \"Please do 'make PLATFORM'\"\n\t@echo \"   $(PLATS)\"\n\n.PHONY: all none\n";
        for (text, expected) in [
            ("help:\n\t@echo pick one of linux, macosx\nlinux:\n\t$(CC) x.c\n", Some("linux")),
            (
                "PLAT= none\ndefault: $(PLAT)\nnone:\n\t@echo pick\ngeneric:\n\t$(CC) x.c\n",
                Some("generic"),
            ),
            (".PHONY: list\nlist:\n\t@echo pick\nunix: x.o\n", Some("unix")),
            ("PLAT= guess\nall: $(PLAT)\nguess:\n\tuname\nlinux:\n\tcc\n", None),
            ("all: x.o\n\t@echo done\nlinux:\n\tcc\n", None),
            ("all: x\nx: x.c\n\tcc x.c\nlinux:\n\tcc\n", None),
            ("all:\n\t@echo hello\n", None),
            ("", None),
        ] {
            assert_eq!(platform(text), expected, "{text}");
        }
        // Its targets are in a variable.
        assert_eq!(platform(LUA_51), Some("linux"));
    }
}
