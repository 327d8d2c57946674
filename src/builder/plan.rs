//! Plans how a tree is built: the recipe's steps, or the build systems that fit, the best first.
//!
//! The root counts before the folders below it; of those, one that has a build system counts when
//! it is the only one, or is called `src`. The choice comes with its reason, for the log.

use std::collections::BTreeMap;

use super::{
    Listing,
    listing::{Folder, quote},
    systems::{self, Found, System, ToolchainFacts, Wish},
};
use crate::model::{Recipe, Step};

/// Folders that are a part of a project, not the project.
const PARTS: &[&str] = &[
    "test",
    "tests",
    "testing",
    "doc",
    "docs",
    "example",
    "examples",
    "sample",
    "samples",
    "demo",
    "demos",
    "bench",
    "benchmark",
    "benchmarks",
    "contrib",
    "third_party",
    "thirdparty",
    "3rdparty",
    "external",
    "extern",
    "vendor",
    "deps",
    "tools",
    "scripts",
    "cmake",
    "ci",
    "fuzz",
    "packaging",
    "debian",
    "man",
    "po",
];
/// How many names of the tree a sentence shows.
const SHOWN: usize = 5;

/// How a tree is built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    /// What builds it.
    pub system: System,
    /// One sentence for the log: what was chosen and why.
    pub reason: String,
    /// The steps, in order; each runs in the source folder, the tree's root.
    pub steps: Vec<Step>,
    /// Environment that this system needs; the recipe's wins over it.
    pub env: BTreeMap<String, String>,
    /// The folder of the project, relative to the tree's root; empty for the root itself.
    pub source_dir: String,
}

/// How a tree is built, and what else in it could build it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// What is done.
    pub first: Choice,
    /// What is tried, in this order, where the one before cannot even be configured for a reason
    /// that is its own.
    pub others: Vec<Choice>,
}

/// Nothing in the tree says how to build it.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{sentence}")]
pub struct NoChoice {
    /// What was looked for, and what to write into `.kiln.toml`.
    pub sentence: String,
}

/// Plans the steps. Contents that [`Listing::wanted_files`] named should have been added.
pub fn plan(
    listing: &Listing,
    recipe: &Recipe,
    toolchain: &ToolchainFacts,
) -> Result<Plan, NoChoice> {
    if !recipe.steps.is_empty() {
        let first = Choice {
            system: System::Recipe,
            reason: "The recipe gives the steps.".to_owned(),
            steps: recipe.steps.clone(),
            env: BTreeMap::new(),
            source_dir: String::new(),
        };
        return Ok(Plan { first, others: Vec::new() });
    }
    let has_submodules = listing.contains(b".gitmodules");
    if !has_submodules && listing.sources().next().is_none() {
        return Err(no_choice(listing, "there is no C or C++ source file in the tree"));
    }
    let wish = Wish { toolchain, test: recipe.test == Some(true) };
    let root = Folder { listing, path: "" };
    if let Some(plan) = planned(root, wish) {
        return Ok(plan);
    }
    if let Some(stub) = systems::stub(root) {
        let problem = format!("{stub} only tells to run something else first");
        return Err(no_choice(listing, &problem));
    }
    // A root that waits for autogen or Meson is the project; a folder below it is not.
    if let Some((_, name, _)) = later(listing) {
        return Err(no_choice(listing, &format!("{name} is not understood yet")));
    }
    let mut below: Vec<(&str, Plan)> = listing
        .folders()
        .into_iter()
        .filter(|path| !PARTS.contains(&path.to_ascii_lowercase().as_str()))
        .filter_map(|path| Some((path, planned(Folder { listing, path }, wish)?)))
        .collect();
    if below.len() > 1
        && let Some(at) = below.iter().position(|(path, _)| *path == "src")
    {
        below = vec![below.swap_remove(at)];
    }
    if below.len() > 1 {
        let names: Vec<String> =
            below.iter().take(SHOWN).map(|(path, _)| printable(path)).collect();
        let problem = format!("several folders could be the project ({})", names.join(", "));
        return Err(no_choice(listing, &problem));
    }
    below.pop().map(|(_, plan)| plan).ok_or_else(|| no_choice(listing, ""))
}

/// Everything that can build this folder.
fn planned(folder: Folder<'_>, wish: Wish<'_>) -> Option<Plan> {
    let mut choices =
        systems::IN_ORDER.iter().filter_map(|find| Some(chosen(folder, find(folder, wish)?)));
    Some(Plan { first: choices.next()?, others: choices.collect() })
}

fn chosen(folder: Folder<'_>, found: Found) -> Choice {
    let place = match folder.path {
        "" => "in the root".to_owned(),
        path => format!("in {}, and nothing to build with in the root", printable(path)),
    };
    // The place belongs right after what was found, before any remark.
    let because = match found.because.split_once(';') {
        Some((what, remark)) => format!("{what} {place};{remark}"),
        None => format!("{} {place}", found.because),
    };
    Choice {
        system: found.system,
        reason: format!("Building with {}: {because}.", found.system),
        steps: found.steps,
        env: found.env,
        source_dir: folder.path.to_owned(),
    }
}

/// What a tree has that is not understood yet: its kind, its name, and the steps that do it.
fn later(listing: &Listing) -> Option<(&'static str, &'static str, [&'static str; 2])> {
    const AUTOGEN: &[(&str, &str)] = &[
        ("autogen.sh", "NOCONFIGURE=1 sh ./autogen.sh && ./configure"),
        ("bootstrap", "sh ./bootstrap && ./configure"),
        ("buildconf", "sh ./buildconf && ./configure"),
        ("configure.ac", "autoreconf -fi && ./configure"),
        ("configure.in", "autoreconf -fi && ./configure"),
    ];
    if listing.file("meson.build").is_some() {
        return Some(("meson", "meson.build", ["meson setup build", "ninja -C build"]));
    }
    AUTOGEN
        .iter()
        .find(|(name, _)| listing.file(name).is_some())
        .map(|&(name, run)| ("autotools", name, [run, "make"]))
}

/// The sentence with an example that has this tree's names.
fn no_choice(listing: &Listing, problem: &str) -> NoChoice {
    let because = if problem.is_empty() { String::new() } else { format!(" ({problem})") };
    let mut sentence = format!(
        "Nothing in the tree says how to build it{because}: looked for CMakeLists.txt, configure, \
         GNUmakefile, makefile and Makefile in the root and in the folders below it. \
         Give the steps in .kiln.toml, for example:\n\n"
    );
    if let Some((_, _, [configure, compile])) = later(listing) {
        sentence.push_str(&example("configure", configure));
        sentence.push_str(&example("compile", compile));
    } else {
        sentence.push_str(&example("compile", &compile_line(listing)));
    }
    NoChoice { sentence: sentence.trim_end().to_owned() }
}

fn example(name: &str, run: &str) -> String {
    let run = run.replace('\\', "\\\\").replace('"', "\\\"");
    format!("[[step]]\nname = \"{name}\"\nrun = \"{run}\"\n")
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

fn printable(path: &str) -> String {
    path.escape_debug().take(100).collect()
}

#[cfg(test)]
mod tests;
