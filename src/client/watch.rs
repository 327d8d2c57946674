//! Watching a build: its state whenever it changed, until it has finished.
//!
//! Events wake the watcher and a look by the clock makes sure: events that were missed cost a
//! second, not the build. What is shown always comes from the build itself.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{ClientError, Http, Paths, Rest, backoff::Backoff, sse::Connection};
use crate::{
    model::BuildId,
    protocol::{Build, BuildState, Event},
};

/// How often the build is looked at whether or not an event came. Steps change without events.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What there is to know now.
#[derive(Clone, Debug)]
pub enum WatchUpdate {
    /// The build changed.
    Build(Box<Build>),
    /// The server cannot be reached; said once, then it is tried again.
    Lost(String),
    /// The server is there again.
    Back,
}

/// A build that is watched.
#[derive(Debug)]
pub struct BuildWatch {
    rest: Rest,
    build: BuildId,
    stop: CancellationToken,
    woken: Arc<Notify>,
    events: JoinHandle<()>,
    last: Option<String>,
    lost: bool,
    finished: bool,
    backoff: Backoff,
}

impl BuildWatch {
    /// Watches `build` until it has finished or `stop` is cancelled.
    pub fn new(rest: Rest, build: BuildId, stop: CancellationToken) -> Self {
        let woken = Arc::new(Notify::new());
        let events = tokio::spawn(listen(rest.http().clone(), build, Arc::clone(&woken)));
        let (last, lost, finished, backoff) = (None, false, false, Backoff::new());
        Self { rest, build, stop, woken, events, last, lost, finished, backoff }
    }

    /// The next change; nothing once the build has finished and once it was stopped.
    pub async fn next(&mut self) -> Result<Option<WatchUpdate>, ClientError> {
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(None),
            update = self.update() => update,
        }
    }

    async fn update(&mut self) -> Result<Option<WatchUpdate>, ClientError> {
        if self.finished {
            return Ok(None);
        }
        loop {
            if self.last.is_some() && !self.lost {
                tokio::select! {
                    () = self.woken.notified() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
            match self.rest.build(self.build).await {
                Ok(build) => {
                    self.backoff.reset();
                    if std::mem::take(&mut self.lost) {
                        return Ok(Some(WatchUpdate::Back));
                    }
                    let text = serde_json::to_string(&build)
                        .map_err(|error| ClientError::Answer(error.to_string()))?;
                    if self.last.as_ref() != Some(&text) {
                        self.last = Some(text);
                        self.finished = build.state == BuildState::Finished;
                        return Ok(Some(WatchUpdate::Build(Box::new(build))));
                    }
                }
                Err(error) if error.is_transient() => {
                    let wait = self.backoff.wait();
                    if !std::mem::replace(&mut self.lost, true) {
                        return Ok(Some(WatchUpdate::Lost(error.to_string())));
                    }
                    match wait {
                        Some(wait) => tokio::time::sleep(wait).await,
                        None => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for BuildWatch {
    fn drop(&mut self) {
        self.events.abort();
    }
}

/// Wakes the watcher whenever an event says that its build changed. Ends, and leaves it to the
/// clock, where the server has no events or does not allow them.
async fn listen(http: Http, build: BuildId, woken: Arc<Notify>) {
    let mut backoff = Backoff::new();
    let mut last = None;
    loop {
        let mut told = None;
        match Connection::open(&http, &Paths::events(), last.clone()).await {
            Ok(mut connection) => {
                while let Some(event) = connection.next().await {
                    backoff.reset();
                    if !event.id.is_empty() {
                        last = Some(event.id.clone());
                    }
                    match serde_json::from_str::<Event>(&event.data).map(|event| event.kind) {
                        Ok(kind) if kind.build() != Some(build) => {}
                        // Ours, or `resync`, or something newer: looking is always right.
                        _ => woken.notify_one(),
                    }
                }
                told = connection.retry();
            }
            Err(error) if error.is_transient() => {}
            Err(_) => return,
        }
        match backoff.wait_as_told(told) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return,
        }
    }
}
