//! Plans how a tree is built: the recipe's steps, or the build systems that fit, the best first.
//!
//! The root counts before the folders below it. A choice comes with its reason, for the log.

mod place;
mod sentence;

use std::collections::BTreeMap;

use super::{
    Listing,
    listing::Folder,
    systems::{self, Found, System, ToolchainFacts, Wish},
};
use crate::model::{Recipe, Step};

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
    if listing.is_empty() {
        return Err(sentence::empty());
    }
    let has_submodules = listing.contains(b".gitmodules");
    if !has_submodules && listing.sources().next().is_none() {
        return Err(sentence::no_sources(listing));
    }
    let wish = Wish { toolchain, test: recipe.test == Some(true) };
    let root = Folder { listing, path: "" };
    if let Some(plan) = planned(root, wish) {
        return Ok(plan);
    }
    // Sources in the root are the project, and a folder beside them is a part of it.
    let only_below = listing.sources().all(|path| path.contains('/'));
    if only_below && let Some(plan) = below(listing, wish)? {
        return Ok(plan);
    }
    match systems::plain(listing, place::is_part) {
        Ok(found) => Ok(Plan { first: chosen(root, found), others: Vec::new() }),
        Err(sources) => Err(sentence::nothing_fits(root, sources)),
    }
}

/// Everything that can build this folder.
fn planned(folder: Folder<'_>, wish: Wish<'_>) -> Option<Plan> {
    let mut choices = systems::find(folder, wish).into_iter().map(|found| chosen(folder, found));
    Some(Plan { first: choices.next()?, others: choices.collect() })
}

/// The one folder of the root that is the project.
fn below(listing: &Listing, wish: Wish<'_>) -> Result<Option<Plan>, NoChoice> {
    let mut plans: Vec<(&str, Plan)> = place::folders(listing)
        .filter_map(|path| Some((path, planned(Folder { listing, path }, wish)?)))
        .collect();
    let names: Vec<&str> = plans.iter().map(|(path, _)| *path).collect();
    match place::project(listing, &names) {
        Some(at) => Ok(Some(plans.swap_remove(at).1)),
        None if names.is_empty() => {
            Ok(place::LAST.iter().find_map(|path| planned(Folder { listing, path }, wish)))
        }
        None => Err(sentence::several(listing, &names)),
    }
}

fn chosen(folder: Folder<'_>, found: Found) -> Choice {
    let place = match (found.system, folder.path) {
        (System::Plain, _) => String::new(),
        (_, "") => " in the root".to_owned(),
        (_, path) => {
            format!(" in {}, and nothing to build with in the root", sentence::printable(path))
        }
    };
    // The place belongs right after what was found, before any remark.
    let because = match found.because.split_once(';') {
        Some((what, remark)) => format!("{what}{place};{remark}"),
        None => format!("{}{place}", found.because),
    };
    Choice {
        system: found.system,
        reason: format!("Building with {}: {because}.", found.system),
        steps: found.steps,
        env: found.env,
        source_dir: folder.path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
