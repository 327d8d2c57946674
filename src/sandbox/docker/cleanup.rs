//! Taking a session's containers and volume away, and making sure that they are gone.
//!
//! A volume cannot be removed while a container has it, so a volume that is gone says that nothing
//! of the session is left.

use std::time::Duration;

use bollard::query_parameters::{RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::engine::{Engine, Refusal};
use crate::sandbox::SandboxError;

/// Removing is tried again for this long, for each thing.
const DEADLINE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Something that the engine can remove.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Thing {
    /// By name or id; it is killed if it runs.
    Container(String),
    /// By name.
    Volume(String),
}

/// Removes the containers, together, and then the volume. Tries all of it, and says what is left.
pub(super) async fn remove(
    engine: Engine,
    containers: Vec<String>,
    volume: Option<String>,
) -> Result<(), SandboxError> {
    let removals = containers.into_iter().map(|name| {
        let engine = engine.clone();
        async move { remove_one(&engine, &Thing::Container(name)).await }
    });
    let removed = join_all(removals).await;
    let volume = match volume {
        Some(name) => remove_one(&engine, &Thing::Volume(name)).await,
        None => Ok(false),
    };
    removed.into_iter().chain([volume]).try_for_each(|removed| removed.map(drop))
}

/// Until it is gone; false if it was gone already. An engine may go on listing a container that it
/// has removed, when it removed it by itself at the same moment. 409 means that the engine is at it (`removal in
/// progress`, `volume in use`); anything else may pass as well, so it is tried again too.
pub(super) async fn remove_one(engine: &Engine, thing: &Thing) -> Result<bool, SandboxError> {
    let last = Instant::now() + DEADLINE;
    let mut pause = PAUSE;
    let mut was_there = false;
    loop {
        match try_remove(engine, thing).await {
            Ok(()) => return Ok(true),
            Err(refusal) if refusal.status == 404 => return Ok(was_there),
            Err(refusal) if Instant::now() >= last => return Err(refusal.error),
            Err(_) => sleep(pause).await,
        }
        was_there = true;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn try_remove(engine: &Engine, thing: &Thing) -> Result<(), Refusal> {
    let docker = engine.docker();
    match thing {
        Thing::Container(name) => {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            engine.ask("remove", docker.remove_container(name, Some(options))).await
        }
        Thing::Volume(name) => {
            let options = RemoveVolumeOptionsBuilder::default().build();
            engine.ask("remove volume", docker.remove_volume(name, Some(options))).await
        }
    }
}
