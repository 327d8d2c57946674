//! What the agent has: looked up at the start, by the clock, and told with every claim.

use std::{collections::BTreeSet, time::Duration};

use tokio::sync::watch;

use super::{deps::Deps, register::VERSION};
use crate::{
    model::{Label, Timestamp},
    protocol::{AgentStatus, PresentToolchain},
};

/// Clocks that differ by less are not worth a word.
const SKEW_SECONDS: i64 = 60;

/// Looks at the images again and again; tells when something changed.
pub(super) async fn watch_toolchains(deps: &Deps, present: watch::Sender<Vec<PresentToolchain>>) {
    let every = Duration::from_secs(u64::from(deps.settings.status_seconds.max(1)));
    loop {
        match deps.toolchains.present().await {
            Ok(found) => {
                present.send_if_modified(|known| {
                    let differs = *known != found;
                    *known = found;
                    differs
                });
            }
            Err(error) => tracing::warn!("the images cannot be listed: {}", error.message),
        }
        tokio::time::sleep(every).await;
    }
}

/// What a claim says of the agent.
pub(super) fn status(
    deps: &Deps,
    (busy, promised): (usize, u64),
    toolchains: Vec<PresentToolchain>,
) -> AgentStatus {
    AgentStatus {
        workers: deps.workers(),
        busy: u32::try_from(busy).unwrap_or(u32::MAX),
        arch: deps.machine.arch.clone(),
        cpus: deps.machine.cpus,
        memory_bytes: deps.machine.memory_bytes,
        engine: deps.machine.engine.clone(),
        toolchains,
        version: VERSION.to_owned(),
        clock_skew_seconds: None,
        free_memory_bytes: (busy > 0).then(|| deps.free_memory(deps.workers(), promised)),
        paused: None,
        residue_swept: 0,
        labels: labels(deps),
    }
}

/// How far this machine's clock is from the server's. Nothing depends on it but the times of log
/// lines; who reads them should know.
#[derive(Default)]
pub(super) struct Skew {
    /// Where it is worth saying.
    pub(super) seconds: Option<i64>,
}

impl Skew {
    /// Compares the clocks, and says so when they part or meet again.
    pub(super) fn look(&mut self, ours: Timestamp, theirs: Timestamp) {
        let seconds = (ours.as_millis() - theirs.as_millis()) / 1000;
        let now = (seconds.abs() > SKEW_SECONDS).then_some(seconds);
        if now.is_some() && self.seconds.is_none() {
            tracing::warn!(
                "this machine's clock is {} s {} the server's, and so are the times in logs: set it, \
                 as with `timedatectl set-ntp true`",
                seconds.abs(),
                if seconds > 0 { "ahead of" } else { "behind" }
            );
        }
        self.seconds = now;
    }
}

/// Why nothing is taken; said once each time it begins and ends.
#[derive(Default)]
pub(super) struct Pause(Option<String>);

impl Pause {
    /// Says it if it is news.
    pub(super) fn look(&mut self, refusal: Option<String>) -> Option<String> {
        match (&self.0, &refusal) {
            (None, Some(why)) => tracing::warn!("no job is taken for now: {why}"),
            (Some(_), None) => tracing::info!("jobs are taken again"),
            _ => {}
        }
        self.0.clone_from(&refusal);
        refusal
    }
}

/// What the settings say, and what is known: that counts before it.
fn labels(deps: &Deps) -> BTreeSet<Label> {
    let machine = &deps.machine;
    let isolation = machine.profile.rsplit('/').next().unwrap_or_default();
    let engine = machine.engine.split(' ').next().unwrap_or_default();
    let known = [
        Label::known("agent", &machine.name),
        Label::known("arch", &machine.arch),
        Label::known("engine", engine),
        Label::known("isolation", isolation),
        Label::known("os", "linux"),
    ];
    let is_free = |label: &&Label| known.iter().all(|known| known.key() != label.key());
    deps.settings.labels.iter().filter(is_free).cloned().chain(known.clone()).collect()
}
