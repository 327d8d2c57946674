//! A step that failed because something is missing: what it is, and the package that has it.
//!
//! What the project itself has, or makes, is no package's: then the error alone is said.

use super::{context::Context, leg::Leg, tries::Tried};
use crate::{
    agent::{
        ports::{Inspection, PinnedToolchain},
        verdict::Judged,
    },
    builder::Listing,
    diagnostics::{Missing, MissingKind},
    images::{Lacking, Wanted},
    model::Cause,
};

/// How many missing things a sentence names.
const SHOWN: usize = 3;
/// What stands behind the name of a file that is made from another of the tree.
const TEMPLATES: &[&str] = &["", ".in", ".cmake", ".cmake.in", ".meson", ".in.in"];

/// The judgment with a sentence about what is missing in place of the error.
pub(super) async fn explain(
    cx: &Context,
    (leg, pinned, found): (Leg<'_>, &PinnedToolchain, &Inspection),
    tried: &Tried,
) -> Judged {
    let judged = &tried.judged;
    // A submodule that could not be had may be what has it.
    if cx.ending.is_stopped() || !is_step(judged) || !found.missing.is_empty() {
        return judged.clone();
    }
    let told = &tried.told;
    let said = told.failed.and_then(|(index, _)| told.diagnostics.get(usize::from(index)));
    let missing = said.map(|said| said.summary.missing.as_slice()).unwrap_or_default();
    let mut sentences: Vec<String> = Vec::new();
    for missing in missing.iter().filter(|missing| !is_own(&found.listing, missing)).take(SHOWN) {
        let lacking = Lacking {
            wanted: wanted(missing),
            toolchain: leg.toolchain,
            image: &pinned.image,
            packages: &leg.recipe.packages,
        };
        match cx.deps.toolchains.lacks(&lacking).await {
            Ok(sentence) if !sentences.contains(&sentence) => sentences.push(sentence),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(job.id = %cx.claimed.job, "no advice: {}", error.message);
            }
        }
    }
    match judged.message.split_once(" failed") {
        Some((step, _)) if !sentences.is_empty() => {
            let message = format!("{step} failed: {}", sentences.join("; "));
            Judged { message, ..judged.clone() }
        }
        _ => judged.clone(),
    }
}

/// Whether it was a step that failed, and not a bound that was met.
fn is_step(judged: &Judged) -> bool {
    let cause = judged.verdict.cause();
    matches!(
        cause,
        Some(
            Cause::Configure
                | Cause::Compile
                | Cause::Link
                | Cause::Test
                | Cause::Install
                | Cause::Command
        )
    )
}

fn wanted(missing: &Missing) -> Wanted<'_> {
    let name = missing.name.as_str();
    match missing.kind {
        MissingKind::Header => Wanted::Header(name),
        MissingKind::Library => Wanted::Library(name),
        MissingKind::Program => Wanted::Program(name),
        MissingKind::PkgConfig => Wanted::PkgConfig(name),
        MissingKind::CMakePackage => Wanted::CMakePackage(name),
        MissingKind::Macro => Wanted::Macro(name),
        MissingKind::PerlModule => Wanted::PerlModule(name),
        MissingKind::PythonModule => Wanted::PythonModule(name),
    }
}

/// Whether the tree has a header or program of this name, or what it is made from.
fn is_own(listing: &Listing, missing: &Missing) -> bool {
    let name = missing.name.trim_start_matches("./");
    if !matches!(missing.kind, MissingKind::Header | MissingKind::Program) || name.is_empty() {
        return false;
    }
    let is_it = |path: &str| {
        TEMPLATES.iter().any(|template| {
            let above = path.strip_suffix(template).and_then(|path| path.strip_suffix(name));
            above.is_some_and(|above| above.is_empty() || above.ends_with('/'))
        })
    };
    name.starts_with("../") || listing.files().any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::FileKind;

    #[test]
    fn what_the_project_has_or_makes_is_its_own() {
        let paths = ["include/app/util.h", "src/config.h.in", "lib/version.h.cmake", "tools/gen"];
        let entries = paths.map(|path| (path.as_bytes().to_vec(), FileKind::File));
        let listing = Listing::new(entries);
        let is_own = |kind, name: &str| is_own(&listing, &Missing { kind, name: name.to_owned() });
        for name in ["util.h", "app/util.h", "config.h", "version.h", "../x.h"] {
            assert!(is_own(MissingKind::Header, name), "{name}");
        }
        assert!(is_own(MissingKind::Program, "./tools/gen"));
        for name in ["til.h", "event2/event.h", "p/util.h"] {
            assert!(!is_own(MissingKind::Header, name), "{name}");
        }
        assert!(!is_own(MissingKind::CMakePackage, "gen"));
    }
}
