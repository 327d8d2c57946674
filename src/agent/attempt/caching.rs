//! The compiler cache of an attempt: a copy goes in before the steps, and what became of it may be kept.
//!
//! A build must never fail for its cache: whatever goes wrong with it is said in the log, and the build
//! goes on without.

use std::{fmt::Write as _, fs::File, time::Duration};

use tokio::time::{Instant, timeout};

use super::{context::Context, lines, trouble::Trouble};
use crate::{
    agent::{ccache::Place, ports::PinnedToolchain, verdict::size},
    model::Limits,
    pipe,
    sandbox::Session,
};

/// How long taking a cache out may take.
const KEEPING: Duration = Duration::from_mins(2);
/// What is read at a time.
const PIECE: usize = 1 << 20;

/// The cache of an attempt.
#[derive(Debug)]
pub(super) struct Cached {
    place: Place,
    /// What was there when it began, and its length.
    found: Option<(File, u64)>,
    writes: bool,
}

/// How many compilations of a run were not done again, and how many were.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(in crate::agent) struct CacheCounts {
    pub(in crate::agent) hits: u64,
    pub(in crate::agent) misses: u64,
}

impl Cached {
    /// The cache that a job may have, if any.
    pub(super) fn find(cx: &Context, limits: &Limits, pinned: &PinnedToolchain) -> Option<Self> {
        let order = cx.claimed.cache.as_ref()?;
        let bytes = limits.workspace_bytes;
        let place = cx.deps.ccache.place(order.project, &pinned.image, bytes)?;
        let found = place.open(cx.deps.clock.now());
        Some(Self { place, found, writes: order.writes })
    }

    /// The most that it may have in the workspace, in bytes.
    pub(super) fn most(&self) -> u64 {
        self.place.most
    }

    /// What it takes of the workspace before anything is built, in bytes.
    pub(super) fn source_bytes(&self) -> u64 {
        if self.found.is_some() { self.place.most } else { 0 }
    }

    /// Brings it into a session that has its source.
    pub(super) async fn load(
        &self,
        cx: &Context,
        session: &mut dyn Session,
    ) -> Result<(), Trouble> {
        let began = Instant::now();
        let Some((file, bytes)) = &self.found else {
            cx.log.say("Compiler cache: none yet").await;
            return Ok(());
        };
        let file = match file.try_clone() {
            Ok(file) => file,
            Err(error) => {
                cx.log.say(format!("Compiler cache: it cannot be read: {error}")).await;
                return Ok(());
            }
        };
        let (writer, tar) = pipe::from_writer();
        let reading = tokio::task::spawn_blocking(move || copy(&file, writer));
        let loaded = session.load(tar).await;
        let _ = reading.await;
        loaded?;
        cx.log.say(lines::cache_loaded(*bytes, began.elapsed())).await;
        Ok(())
    }

    /// Says what it was good for, and keeps what became of it if this job may.
    pub(super) async fn keep(&self, cx: &Context, session: &mut dyn Session, counts: CacheCounts) {
        let CacheCounts { hits, misses } = counts;
        if hits + misses == 0 {
            return;
        }
        let mut line = lines::cache_used(hits, misses);
        if !self.writes {
            line.push_str("; nothing is added to it, because this build is not of a ref that its project trusts");
        } else if misses > 0 {
            match self.take_out(cx, session).await {
                Ok(said) => line.push_str(&said),
                Err(problem) => {
                    let _ = write!(line, "; it could not be kept: {problem}");
                }
            }
        }
        cx.log.say(line).await;
    }

    async fn take_out(&self, cx: &Context, session: &mut dyn Session) -> Result<String, String> {
        let (sender, reader) = pipe::to_reader();
        let (cache, place) = (cx.deps.ccache.clone(), self.place.clone());
        let name = format!("{}-{}", cx.claimed.job, cx.claimed.attempt);
        let keeping = tokio::task::spawn_blocking(move || cache.keep(&place, reader, &name));
        // A tar has some KiB of its own for each file.
        let most = self.place.most.saturating_mul(2);
        let taken = timeout(KEEPING, session.export(most, sender)).await;
        let kept = keeping.await.map_err(|error| error.to_string())?;
        taken
            .map_err(|_| format!("it took longer than {} s", KEEPING.as_secs()))?
            .map_err(|error| error.to_string())?;
        let saved = kept.map_err(|error| error.to_string())?;
        Ok(format!("; it has {} files of {} now", saved.files, size(saved.bytes)))
    }
}

/// Reads a file from its beginning into a pipe; a reader that goes away ends it.
fn copy(file: &File, mut writer: pipe::PipeWriter) {
    use std::{io::Write as _, os::unix::fs::FileExt as _};
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    // By position: another try of the same attempt reads the same file.
    loop {
        match file.read_at(&mut piece, at) {
            Ok(0) => break,
            Ok(count) => {
                if writer.write_all(&piece[..count]).is_err() {
                    return;
                }
                at += count as u64;
            }
            Err(error) => return writer.fail(error),
        }
    }
    let _ = writer.flush();
}
