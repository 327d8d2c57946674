//! What the agent has: looked up at the start, by the clock, and told with every claim.

use std::{collections::BTreeSet, time::Duration};

use tokio::sync::watch;

use super::{deps::Deps, register::VERSION};
use crate::{
    model::Label,
    protocol::{AgentStatus, PresentToolchain},
};

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
pub(super) fn status(deps: &Deps, busy: usize, toolchains: Vec<PresentToolchain>) -> AgentStatus {
    AgentStatus {
        workers: deps.workers(),
        busy: u32::try_from(busy).unwrap_or(u32::MAX),
        arch: deps.machine.arch.clone(),
        cpus: deps.machine.cpus,
        memory_bytes: deps.machine.memory_bytes,
        engine: deps.machine.engine.clone(),
        toolchains,
        version: VERSION.to_owned(),
        labels: labels(deps),
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
