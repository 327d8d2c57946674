//! Collects what is missing while lines come, and decides at the end what an error meant.

use std::collections::VecDeque;

use super::{
    super::record::{Diagnostic, weight},
    Missing, MissingKind, cmake,
    configure::{self, Answer, Check, Module},
    error::{in_error, is_error},
    name, sentence,
};
use crate::model::DiagnosticKind;

/// The most things that are named: after them nobody reads on.
const MAX_MISSING: usize = 8;
/// The failed checks of a configure script that are remembered, the newest of hundreds.
const MAX_CHECKS: usize = 32;

/// What counts like an error of a compiler or a configure script.
const SURE: u8 = 3;
/// What counts like a program that a shell did not find: it may have been a question.
const ASIDE: u8 = 2;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// What errors named, and how much the error that did explains.
    named: Vec<(u8, Missing)>,
    /// Modules that pkg-config did not find.
    modules: Vec<Missing>,
    /// Whether pkg-config had one in a version that does not fit.
    unfit: bool,
    /// What `PKG_CHECK_MODULES` asked for when it failed.
    required: Vec<Missing>,
    /// The first configure error that named nothing by itself.
    unnamed: Option<String>,
    checks: VecDeque<Check>,
    /// Whether the newest check failed.
    failed_last: bool,
}

impl Search {
    /// Takes a diagnostic; `command` is CMake's command that failed.
    pub(crate) fn error(&mut self, found: &Diagnostic, command: Option<&str>) {
        if !is_error(found) {
            return;
        }
        let named = in_error(found, command);
        if named.is_empty() && found.kind == DiagnosticKind::Configure {
            if let Some(required) = configure::requirement(&found.message) {
                self.required = required;
            } else if self.unnamed.is_none() {
                self.unnamed = Some(found.message.clone());
            }
        }
        for one in named {
            self.name(weight(found), one);
        }
    }

    /// Takes a line that follows an error of CMake: ` - libfoo>=1.2` of `pkg_check_modules`.
    pub(crate) fn listed(&mut self, message: &str, line: &str) {
        if cmake::lists_modules(message)
            && let Some(one) = line.trim_start().strip_prefix("- ").and_then(name::module)
        {
            self.name(SURE, one);
        }
    }

    /// Takes a line that is no diagnostic.
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(answer) = configure::check(line) {
            self.failed_last = matches!(answer, Answer::No(_));
            if let Answer::No(check) = answer {
                if self.checks.len() == MAX_CHECKS {
                    self.checks.pop_front();
                }
                self.checks.push_back(check);
            }
            return;
        }
        match configure::pkg_config(line) {
            Some(Module::Missing(one)) => {
                if self.modules.len() < MAX_MISSING && !self.modules.contains(&one) {
                    self.modules.push(one);
                }
                return;
            }
            Some(Module::Unfit) => {
                self.unfit = true;
                return;
            }
            None => {}
        }
        if let Some(one) = configure::in_quoted_script(line) {
            self.name(SURE, one);
        } else if let Some(one) = said_aside(line) {
            self.name(ASIDE, one);
        }
    }

    /// Takes what the other stream of the same step had.
    pub(crate) fn join(&mut self, other: Self) {
        for (weight, one) in other.named {
            self.name(weight, one);
        }
        self.modules.extend(other.modules);
        self.unfit |= other.unfit;
        self.required.extend(other.required);
        self.unnamed = self.unnamed.take().or(other.unnamed);
        if self.checks.is_empty() {
            (self.checks, self.failed_last) = (other.checks, other.failed_last);
        }
    }

    /// What is missing, as the errors named it; nothing if the first one had another reason. A tool
    /// can fail without an error that is known as one, after it said what it misses.
    pub(crate) fn finish(mut self, first: Option<&Diagnostic>) -> Vec<Missing> {
        let is_configure = first.is_some_and(|one| one.kind == DiagnosticKind::Configure);
        if is_configure && self.named.iter().all(|(weight, _)| *weight < SURE) {
            for one in self.guess() {
                self.name(SURE, one);
            }
        }
        // An error of a compiler is the reason, not what some script before it did not find.
        let is_code =
            |one: &&Diagnostic| matches!(one.kind, DiagnosticKind::Compile | DiagnosticKind::Link);
        let least = first.filter(is_code).map_or(0, weight);
        let most = self.named.iter().map(|(weight, _)| *weight).max().unwrap_or(0);
        self.named.retain(|(weight, _)| *weight >= least.max(most));
        self.named.into_iter().map(|(_, one)| one).collect()
    }

    /// What the lines around a configure error say that it was about.
    fn guess(&mut self) -> Vec<Missing> {
        let modules = std::mem::take(&mut self.modules);
        if !self.required.is_empty() {
            // Of several, only pkg-config itself knows which.
            let asked: Vec<Missing> =
                modules.into_iter().filter(|one| self.required.contains(one)).collect();
            let is_sure = asked.is_empty() && self.required.len() == 1 && !self.unfit;
            return if is_sure { std::mem::take(&mut self.required) } else { asked };
        }
        let Some(message) = &self.unnamed else { return Vec::new() };
        // A version that does not fit is another matter: the package is there.
        if !sentence::sounds_gone(message) || message.contains("nvalid version") {
            return Vec::new();
        }
        let last = self.checks.back().filter(|_| self.failed_last);
        let last = last.and_then(|check| check.missing.clone());
        if let Some(library) = sentence::speaks_of(message) {
            // The check before it may say more precisely what of the library is not there.
            let same = |one: &Missing| one.name.to_lowercase().contains(&library.name);
            return vec![last.filter(same).unwrap_or(library)];
        }
        if let Some(one) = last.or(modules.into_iter().next_back()) {
            return vec![one];
        }
        let message = message.to_lowercase();
        let mentioned = |word: &str| {
            let word = word.to_lowercase();
            word.len() > 1 && message.split(|c: char| !is_part(c)).any(|part| part == word)
        };
        let asked = self.checks.iter().rev().find(|check| mentioned(&check.word));
        let asked = asked.and_then(|check| {
            check.missing.clone().or_else(|| name::checked(MissingKind::Program, &check.word))
        });
        asked.into_iter().collect()
    }

    fn name(&mut self, weight: u8, one: Missing) {
        if let Some(known) = self.named.iter_mut().find(|(_, known)| *known == one) {
            known.0 = known.0.max(weight);
        } else if self.named.len() < MAX_MISSING {
            self.named.push((weight, one));
        }
    }
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-+.".contains(c)
}

/// Lines of scripts around a build that name what they miss, and let something else fail.
fn said_aside(line: &str) -> Option<Missing> {
    if let Some(rest) = line.strip_prefix("Can't locate ") {
        let (file, _) = rest.split_once(".pm in @INC")?;
        return name::checked(MissingKind::PerlModule, &file.replace('/', "::"));
    }
    if let Some((_, rest)) = line.split_once("No module named ") {
        let module = rest.trim().trim_matches('\'');
        return name::checked(MissingKind::PythonModule, module.split('.').next()?);
    }
    if let Some((_, rest)) = line.split_once("Can't exec \"") {
        let (program, _) = rest.split_once("\": No such file or directory")?;
        return name::program_or_macro(program);
    }
    if let Some((_, rest)) = line.split_once("failed to run ") {
        let (program, _) = rest.split_once(": No such file or directory")?;
        return name::program_or_macro(program);
    }
    // automake's `missing` script: "WARNING: 'makeinfo' is missing on your system."
    if let Some(rest) = line.strip_prefix("WARNING: '") {
        let (program, _) = rest.split_once("' is missing on your system")?;
        return name::checked(MissingKind::Program, program);
    }
    None
}
