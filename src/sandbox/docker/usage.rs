//! What a build uses, seen from outside.
//!
//! Followed while it runs, because a container's control group, and its counters with it, vanish with the last
//! process. In the background, so that a short job is not slowed down: it just has no figures.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bollard::{models::ContainerStatsResponse, query_parameters::StatsOptionsBuilder};
use futures_util::StreamExt;
use tokio::task::JoinHandle;

use super::engine::Engine;
use crate::sandbox::ResourceUse;

/// Before the first look: shorter jobs are not worth one.
const FIRST: Duration = Duration::from_millis(250);

/// Watches one container.
#[derive(Debug)]
pub(super) struct Meter {
    seen: Arc<Mutex<Option<ResourceUse>>>,
    task: JoinHandle<()>,
}

impl Meter {
    pub(super) fn start(engine: &Engine, name: &str) -> Self {
        let seen = Arc::new(Mutex::new(None));
        let (docker, name, shared) = (engine.docker().clone(), name.to_owned(), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            tokio::time::sleep(FIRST).await;
            // A stream, of which the engine sends an item each second; asking for single ones takes
            // it up to a second each as well.
            let options = StatsOptionsBuilder::default().stream(true).build();
            let mut stats = std::pin::pin!(docker.stats(&name, Some(options)));
            while let Some(Ok(stats)) = stats.next().await {
                let mut seen = shared.lock().unwrap_or_else(PoisonError::into_inner);
                *seen = merge(*seen, &stats);
            }
        });
        Self { seen, task }
    }

    /// The highest figures that were seen.
    pub(super) fn stop(self) -> Option<ResourceUse> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A container that has ended answers with zeros, so figures only ever grow.
fn merge(seen: Option<ResourceUse>, stats: &ContainerStatsResponse) -> Option<ResourceUse> {
    let memory = stats.memory_stats.as_ref();
    let peak = memory.and_then(|memory| memory.max_usage.max(memory.usage)).unwrap_or(0);
    let cpu = stats.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage);
    let cpu = Duration::from_nanos(cpu.unwrap_or(0));
    if peak == 0 && cpu.is_zero() {
        return seen;
    }
    let seen = seen.unwrap_or_default();
    Some(ResourceUse {
        peak_memory_bytes: seen.peak_memory_bytes.max(peak),
        cpu: seen.cpu.max(cpu),
    })
}
