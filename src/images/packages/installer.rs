//! What the installer in an image says, line by line, and the step that runs it. Pure.

use std::collections::VecDeque;

use super::PackagesError;
use crate::{
    model::{PackageName, ToolchainName},
    toolchain::file,
};

/// What lines for kiln begin with.
const MARK: &str = "kiln-packages: ";
/// The lines of an installation that are kept to say why it broke off.
const KEPT: usize = 40;
/// The longest part of such a line that is shown.
const MOST_SHOWN: usize = 300;

/// Reads what the installer says.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// `name version` of everything that was not there before.
    pub(super) installed: Vec<String>,
    /// `name version` of what was asked for and was there.
    pub(super) present: Vec<String>,
    problem: Option<(String, String)>,
    last: VecDeque<String>,
}

/// What was asked for, for sentences.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    /// The packages.
    pub(super) packages: &'a [PackageName],
    /// The toolchain.
    pub(super) toolchain: &'a ToolchainName,
    /// The release, as people call it.
    pub(super) place: String,
}

/// The Dockerfile's step that installs packages: an array of arguments, which no shell reads. The
/// names are such that nothing in them can be taken for anything else.
pub(super) fn step(architecture: &str, packages: &[PackageName]) -> String {
    let script = file("install-packages.sh").expect("the catalogue has the installer");
    let words = ["sh", "-c", script, "kiln", architecture];
    let words: Vec<&str> =
        words.into_iter().chain(packages.iter().map(PackageName::as_str)).collect();
    format!("RUN {}", serde_json::Value::from(words))
}

impl Said {
    /// Takes one line.
    pub(super) fn take(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix(MARK) else {
            if self.last.len() == KEPT {
                self.last.pop_front();
            }
            self.last
                .push_back(line.chars().filter(|c| !c.is_control()).take(MOST_SHOWN).collect());
            return;
        };
        let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "installed" => self.installed.push(rest.to_owned()),
            "present" => self.present.push(rest.to_owned()),
            _ => self.problem = Some((word.to_owned(), rest.to_owned())),
        }
    }

    /// Whether it said nothing at all: then it was never run.
    pub(super) fn is_empty(&self) -> bool {
        self.problem.is_none() && self.last.iter().all(|line| line.starts_with("Step "))
    }

    /// The package that does not exist, if that is the problem.
    pub(super) fn unknown(&self) -> Option<&str> {
        let (word, name) = self.problem.as_ref()?;
        (word == "unknown").then_some(name)
    }

    /// Why it failed; `close` is the end of a sentence about a name that is unknown.
    pub(super) fn error(&self, asked: &Asked<'_>, close: String) -> PackagesError {
        let packages = names(asked.packages);
        let place = asked.place.clone();
        let (word, rest) = self.problem.as_ref().map_or(("", ""), |(word, rest)| (word, rest));
        match word {
            "foreign" => PackagesError::Foreign { toolchain: asked.toolchain.clone() },
            "unknown" => PackagesError::Unknown { package: rest.to_owned(), place, close },
            "virtual" => {
                let (package, providers) = rest.split_once(' ').unwrap_or((rest, ""));
                let providers = providers.replace(' ', ", ");
                PackagesError::Virtual { package: package.to_owned(), place, providers }
            }
            "removes" => {
                let (removed, toolchain) = (rest.replace(' ', ", "), asked.toolchain.clone());
                PackagesError::Removes { packages, removed, toolchain }
            }
            "unmet" if !rest.is_empty() => {
                let problem = rest.replace(" : ", ": ").chars().take(MOST_SHOWN).collect();
                PackagesError::Unmet { packages, problem }
            }
            "unmet" => PackagesError::Unmet { packages, problem: self.telling() },
            "mirror" => PackagesError::Mirror { packages, problem: self.telling() },
            _ => PackagesError::Failed { packages, problem: self.telling() },
        }
    }

    /// The last line with an error, else the last.
    fn telling(&self) -> String {
        let is_error = |line: &&String| line.starts_with("E: ") || line.contains("error");
        let said = self.last.iter().rev().filter(|line| !line.starts_with("E: Some index files"));
        let line = said.clone().find(is_error).or_else(|| said.clone().next());
        line.map_or_else(|| "it says nothing".to_owned(), |line| line.trim().to_owned())
    }
}

/// Packages in a sentence.
pub(super) fn names(packages: &[PackageName]) -> String {
    packages.iter().map(PackageName::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(names: &[&str]) -> Vec<PackageName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn check(lines: &[&str], expected: &str, transient: bool) {
        let (packages, toolchain) = (packages(&["a1", "b2"]), "gcc:14".parse().unwrap());
        let place = "Debian trixie".to_owned();
        let asked = Asked { packages: &packages, toolchain: &toolchain, place };
        let mut said = Said::default();
        for line in lines {
            said.take(line);
        }
        let close = said.unknown().map(|name| format!("; close to it: {name}-dev"));
        let error = said.error(&asked, close.unwrap_or_default());
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.is_transient(), transient, "{error}");
    }

    #[test]
    fn problems_are_sentences() {
        check(
            &["kiln-packages: unknown foo"],
            "there is no package foo in Debian trixie; close to it: foo-dev",
            false,
        );
        check(
            &["kiln-packages: virtual libcurl-dev a b"],
            "libcurl-dev is no package of its own in Debian trixie: name one of a, b",
            false,
        );
        check(
            &["kiln-packages: removes gcc-14 libc6-dev"],
            "a1, b2 cannot be installed: it would remove gcc-14, libc6-dev, which the toolchain gcc:14 has",
            false,
        );
        check(
            &["kiln-packages: unmet a1 : Conflicts: b2 but 1 is to be installed"],
            "a1, b2 cannot be installed together: a1: Conflicts: b2 but 1 is to be installed",
            false,
        );
        check(
            &[
                "Err:1 x",
                "E: Failed to fetch x",
                "E: Some index files failed",
                "kiln-packages: mirror",
            ],
            "the packages a1, b2 could not be fetched from this machine's Debian mirror: E: Failed to fetch x",
            true,
        );
        check(&["boom"], "the packages a1, b2 could not be installed: boom", true);
        check(&[], "the packages a1, b2 could not be installed: it says nothing", true);
    }

    #[test]
    fn versions_are_kept() {
        let mut said = Said::default();
        said.take("kiln-packages: installed libevent-dev 2.1.12");
        said.take("kiln-packages: present zlib1g-dev 1:1.3");
        said.take("Setting up libevent-dev");
        assert_eq!(said.installed, ["libevent-dev 2.1.12"]);
        assert_eq!(said.present, ["zlib1g-dev 1:1.3"]);
    }

    #[test]
    fn names_are_arguments_and_the_step_is_one_line() {
        let step = step("arm64", &packages(&["g++", "a1:arm64"]));
        assert!(step.starts_with(r#"RUN ["sh","-c","#) && !step.contains('\n'));
        assert!(step.ends_with(r#","kiln","arm64","g++","a1:arm64"]"#), "{step}");
    }
}
