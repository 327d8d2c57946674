//! What a build made: chosen by rules, read from the sandbox as a tar nobody trusts, written again
//! as our own archive, and sent.
//!
//! The archive goes to a file without a name first, so that a server that is away for a moment does
//! not cost the whole build, and nothing is left of it when the agent is killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::timeout;

use super::{
    context::Context,
    leg::Leg,
    repack::{self, Chosen, Kept},
    trouble::Trouble,
    upload,
};
use crate::{
    agent::{
        ports::{Inspection, PinnedToolchain},
        verdict::{Judged, size},
    },
    archive::{ArtifactPath, Manifest, ManifestHeader},
    builder::{Candidate, EntryType, Selection, Selector},
    model::{Cause, Limits},
    protocol::ArtifactsSummary,
    sandbox::{EntryKind, Session, WorkspaceEntry},
};

/// How long listing, reading and packing may take together: a GiB takes under a minute, and a session
/// has some minutes beyond the time of its steps.
const PACKING: Duration = Duration::from_mins(5);
/// What is read to find programs and libraries may be so many times what is kept: most of it is
/// something else with an executable's mode, and every byte of it costs time.
const LOOKED_AT: u64 = 4;

/// What is to be kept of what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order<'a> {
    /// The leg.
    pub leg: Leg<'a>,
    /// What it was built with.
    pub pinned: &'a PinnedToolchain,
    /// What it was built from.
    pub found: &'a Inspection,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Collected {
    /// What is stored now.
    pub summary: Option<ArtifactsSummary>,
    /// How a build that succeeded ends now.
    pub judged: Judged,
}

/// Chooses, packs and stores the artifacts.
pub(super) async fn keep(
    cx: &Context,
    session: &mut dyn Session,
    order: Order<'_>,
) -> Result<Collected, Trouble> {
    let selector = Selector::new(&order.leg.recipe.artifacts)
        .map_err(|error| Trouble::new(Cause::RecipeInvalid, error.to_string()))?;
    let packing = pack(cx, session, order, &selector);
    let Ok(kept) = timeout(PACKING, packing).await else {
        let message = format!(
            "the artifacts could not be read and packed within {} s: keep fewer",
            PACKING.as_secs()
        );
        return Err(Trouble::new(Cause::ArtifactLimit, message));
    };
    let kept = kept?;
    // What was listed may still have been left out, so what counts is what was packed.
    let there = kept.iter().flat_map(present);
    let judged = match &*selector.missing(there) {
        [] => Judged::SUCCESS,
        missing => Judged::failed(
            Cause::ArtifactMissing,
            format!("no file matches {}", missing.join(", ")),
        ),
    };
    let Some(kept) = kept.filter(|kept| present(kept).next().is_some()) else {
        return Ok(nothing(cx, judged).await);
    };
    let summary = store(cx, order, kept).await?;
    let (files, bytes) = (summary.files, size(summary.bytes));
    let archive = size(summary.archive_bytes);
    let noun = if files == 1 { "file" } else { "files" };
    cx.log.say(format!("Artifacts: {files} {noun}, {bytes}, {archive} packed")).await;
    Ok(Collected { summary: Some(summary), judged })
}

/// Lists, chooses and packs; none if nothing was chosen.
async fn pack(
    cx: &Context,
    session: &mut dyn Session,
    order: Order<'_>,
    selector: &Selector,
) -> Result<Option<Kept>, Trouble> {
    let limits = order.leg.limits;
    let most = usize::try_from(limits.workspace_files).unwrap_or(usize::MAX);
    let entries = session.list(most).await?;
    // What of git came with the tree is no part of it, and nothing that was made.
    let made = entries.iter().filter(|entry| !is_git(&entry.path));
    let selection = selector.select(|path| order.found.listing.contains(path), made.map(candidate));
    for note in &selection.notes {
        cx.log.say(format!("Artifacts: {note}")).await;
    }
    let chosen = choose(&selection, &entries, limits)?;
    if chosen.paths.is_empty() {
        return Ok(None);
    }
    let modified = order.found.info.committed_at.as_millis().div_euclid(1_000);
    let names = chosen.paths.iter().map(|path| path.as_bytes().to_vec()).collect();
    let tar = session.collect(names).await?;
    let kept = repack::repack(tar, chosen, modified, cx.spool_path("artifacts")).await?;
    for (name, reason) in kept.skipped.iter().take(20) {
        cx.log.say(format!("Artifacts: {name} {reason}, it is left out")).await;
    }
    Ok(Some(kept))
}

fn is_git(path: &[u8]) -> bool {
    path.strip_prefix(b".git").is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// The paths of what was packed, but not those of symlinks to what was not.
fn present(kept: &Kept) -> impl Iterator<Item = &[u8]> {
    let files = &kept.packed.files;
    let is_there = |path: &ArtifactPath| files.binary_search_by(|file| file.path.cmp(path)).is_ok();
    files
        .iter()
        .filter(move |file| file.target.is_none() || file.link().is_some_and(|to| is_there(&to)))
        .map(|file| file.path.as_bytes())
}

/// A build that made nothing says so: a success that is easily taken for more than it is.
async fn nothing(cx: &Context, judged: Judged) -> Collected {
    let message = "the steps succeeded, but made no program or library that could be kept";
    let judged = if judged.is_success() {
        cx.log.say(format!("Artifacts: none; {message}")).await;
        Judged { message: message.to_owned(), ..judged }
    } else {
        judged
    };
    Collected { summary: None, judged }
}

fn candidate(entry: &WorkspaceEntry) -> Candidate<'_> {
    let kind = match entry.kind {
        EntryKind::File => EntryType::File,
        EntryKind::Symlink => EntryType::Symlink,
        EntryKind::Directory | EntryKind::Other => EntryType::Other,
    };
    Candidate { path: &entry.path, kind, mode: entry.mode }
}

/// The paths to ask for; refused here already if the named files alone are beyond the bounds.
fn choose(
    selection: &Selection,
    entries: &[WorkspaceEntry],
    limits: &Limits,
) -> Result<Chosen, Trouble> {
    let sizes: BTreeMap<&[u8], u64> =
        entries.iter().map(|entry| (&*entry.path, entry.size)).collect();
    let size_of = |path: &Vec<u8>| sizes.get(&**path).copied().unwrap_or(0);
    let named: u64 = selection.named.iter().map(size_of).fold(0, u64::saturating_add);
    if named > limits.artifact_bytes {
        return Err(Trouble::new(
            Cause::ArtifactLimit,
            format!(
                "the artifacts are {}, at most {} are kept",
                size(named),
                size(limits.artifact_bytes)
            ),
        ));
    }
    if selection.named.len() as u64 > limits.artifact_files {
        return Err(Trouble::new(
            Cause::ArtifactLimit,
            format!(
                "there are {} artifacts, at most {} are kept",
                selection.named.len(),
                limits.artifact_files
            ),
        ));
    }
    let (mut paths, mut likely, mut skipped) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let all = selection.named.iter().map(|path| (path, false));
    for (path, is_likely) in all.chain(selection.likely.iter().map(|path| (path, true))) {
        match ArtifactPath::from_bytes(path) {
            Ok(path) => {
                if is_likely {
                    likely.insert(path.clone());
                }
                paths.insert(path);
            }
            Err(error) => skipped.push((error.path, error.problem)),
        }
    }
    let tar_bytes = selection.likely.iter().map(size_of).fold(named, u64::saturating_add);
    let most_bytes = limits.artifact_bytes.saturating_mul(LOOKED_AT);
    let most_files = limits.artifact_files.saturating_mul(LOOKED_AT);
    if tar_bytes > most_bytes || paths.len() as u64 > most_files {
        let message = format!(
            "{} files of {} may be programs or libraries, more than {most_files} files and {} are \
             not searched: name those to keep in artifacts.include",
            paths.len(),
            size(tar_bytes),
            size(most_bytes)
        );
        return Err(Trouble::new(Cause::ArtifactLimit, message));
    }
    Ok(Chosen {
        paths,
        likely,
        skipped,
        tar_bytes: tar_bytes.max(limits.artifact_bytes),
        bytes: limits.artifact_bytes,
        files: limits.artifact_files,
    })
}

async fn store(cx: &Context, order: Order<'_>, kept: Kept) -> Result<ArtifactsSummary, Trouble> {
    let Kept { file, packed, .. } = kept;
    let claimed = &cx.claimed;
    let header = ManifestHeader {
        revision: claimed.source.revision().to_string(),
        toolchain: order.leg.toolchain.to_string(),
        image: order.pinned.image.0.clone(),
        compiler: Some(order.pinned.compiler.clone()).filter(|text| !text.is_empty()),
        job: claimed.job.to_string(),
        attempt: claimed.attempt,
        modified: repack::modified(order.found.info.committed_at),
    };
    let manifest = Manifest::new(header, packed);
    let summary = ArtifactsSummary {
        files: manifest.files.len() as u64,
        bytes: manifest.content_bytes(),
        archive_bytes: manifest.archive_bytes,
        tar_sha256: manifest.tar_sha256.to_string(),
    };
    upload::archive(cx, file, manifest.archive_bytes).await?;
    upload::manifest(cx, &manifest).await?;
    Ok(summary)
}
