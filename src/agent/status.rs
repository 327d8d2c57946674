//! What the agent has: looked up at the start, by the clock, and told with every claim.

use std::time::Duration;

use tokio::sync::watch;

use super::{deps::Deps, register::VERSION};
use crate::protocol::{AgentStatus, PresentToolchain};

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
    }
}
