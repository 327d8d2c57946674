//! Removing what a crash left behind, by its labels.

use std::collections::{HashMap, HashSet};

use bollard::query_parameters::{ListContainersOptionsBuilder, ListVolumesOptionsBuilder};
use futures_util::{StreamExt, stream};

use super::{
    cleanup::{self, Thing},
    engine::Engine,
    label::{self, Key},
    open::Machine,
};
use crate::sandbox::{SandboxError, Swept};

/// Removals at one time: few enough to leave the engine to running jobs.
const AT_ONCE: usize = 4;

/// Removes what belongs to nobody alive. One item that resists does not keep the others.
pub(super) async fn sweep(machine: &Machine, alive: &HashSet<Key>) -> Result<Swept, SandboxError> {
    let (engine, docker) = (&machine.engine, machine.engine.docker());
    let filter = label::filter(&machine.identity);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filter).build();
    let found = engine.call("list", docker.list_containers(Some(options))).await?;
    let is_left_over = left_over(machine, alive);
    let containers: Vec<Thing> = found
        .into_iter()
        .filter(|container| container.labels.as_ref().is_some_and(&is_left_over))
        .filter_map(|container| container.id.map(Thing::Container))
        .collect();
    let containers = remove(engine, containers).await;

    let options = ListVolumesOptionsBuilder::default().filters(&filter).build();
    let found = engine.call("list volumes", docker.list_volumes(Some(options))).await?;
    let is_left_over = left_over(machine, alive);
    let volumes: Vec<Thing> = found
        .volumes
        .unwrap_or_default()
        .into_iter()
        .filter(|volume| is_left_over(&volume.labels))
        .map(|volume| Thing::Volume(volume.name))
        .collect();
    let volumes = remove(engine, volumes).await;

    let swept = Swept { containers: containers?, volumes: volumes? };
    if swept != Swept::default() {
        tracing::info!(swept.containers, swept.volumes, "removed what an earlier run left behind");
    }
    Ok(swept)
}

/// Says what is to go. What is open is looked up now, after the list was made: a session that was
/// opened in between is known by then.
fn left_over(machine: &Machine, alive: &HashSet<Key>) -> impl Fn(&HashMap<String, String>) -> bool {
    let (open, now) = (machine.open_now(), machine.clock.now());
    move |labels| {
        let is_alive = |key: &Key| alive.contains(key) || open.contains(key);
        label::is_left_over(labels, &machine.identity, now, is_alive)
    }
}

/// Removes every item and counts those that were there; the last failure counts as the sweep's.
async fn remove(engine: &Engine, things: Vec<Thing>) -> Result<usize, SandboxError> {
    let removals = things.into_iter().map(|thing| {
        let engine = engine.clone();
        async move { cleanup::remove_one(&engine, &thing).await }
    });
    let removed: Vec<_> = stream::iter(removals).buffer_unordered(AT_ONCE).collect().await;
    removed
        .into_iter()
        .try_fold(0, |count, removed| removed.map(|was_there| count + usize::from(was_there)))
}
