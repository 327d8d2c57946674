//! Makes the helper process small, and libgit2 deaf to everything but the request.
//!
//! libgit2's options are process-wide and its binding marks them unsafe for that; this is the only
//! unsafe code of the program, and it runs before anything else does in a process of one thread.

use std::path::Path;

use git2::{ConfigLevel, opts};
use rlimit::Resource;

use super::wire::{Envelope, Failure, FailureKind, Request};

/// Packs are mapped in windows of this size, so that they fit into a small address space.
const WINDOW: usize = 32 << 20;
/// All windows together.
const WINDOWS: usize = 256 << 20;
/// How long the remote may be silent, in milliseconds; the parent's deadline bounds the whole.
const SILENCE_MILLIS: i32 = 60_000;

/// Where no settings of git are.
const NOWHERE: &str = "/nonexistent";

/// Sets the limits of this process, then libgit2's options. The only settings of git that count are
/// those that a fetch puts into the mirror, see `remote::SETTINGS`.
pub(super) fn confine(envelope: &Envelope) -> Result<(), Failure> {
    for (resource, limit) in [
        (Resource::AS, envelope.memory_bytes),
        (Resource::CPU, envelope.cpu_seconds),
        (Resource::FSIZE, envelope.file_bytes),
        (Resource::CORE, 0),
    ] {
        resource.set(limit, limit).map_err(|error| {
            Failure::new(FailureKind::Internal, format!("limiting the helper failed: {error}"))
        })?;
    }
    let system: &Path = match &envelope.request {
        Request::Fetch(fetch) | Request::Deepen { fetch, .. } => &fetch.mirror,
        _ => Path::new(NOWHERE),
    };
    configure_libgit2(system).map_err(|error| {
        Failure::new(FailureKind::Internal, format!("setting up libgit2 failed: {error}"))
    })
}

#[expect(
    unsafe_code,
    reason = "process-wide options of libgit2; nothing else runs in this process yet"
)]
fn configure_libgit2(system: &Path) -> Result<(), git2::Error> {
    // SAFETY: the options are plain global variables inside libgit2. The helper has one thread and
    // has not used libgit2 yet, so that nothing can read them while they are written.
    unsafe {
        for level in [ConfigLevel::ProgramData, ConfigLevel::XDG, ConfigLevel::Global] {
            opts::set_search_path(level, NOWHERE)?;
        }
        opts::set_search_path(ConfigLevel::System, system)?;
        opts::set_mwindow_size(WINDOW)?;
        opts::set_mwindow_mapped_limit(WINDOWS)?;
        opts::set_server_connect_timeout_in_milliseconds(SILENCE_MILLIS)?;
        opts::set_server_timeout_in_milliseconds(SILENCE_MILLIS)?;
        // Mirrors are made by kiln, and libgit2 runs nothing that a repository's config names: who
        // owns the directory does not matter (a mirror on a mounted volume, a git user's files).
        opts::set_verify_owner_validation(false)?;
    }
    opts::strict_hash_verification(true);
    Ok(())
}
