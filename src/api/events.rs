//! `/api/v1/events`: state changes as they happen, none left out, none twice.

use std::collections::HashMap;

use axum::{extract::State, http::HeaderMap, response::Response};
use bytes::Bytes;
use tokio::sync::{broadcast, mpsc};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    feed::{BATCH, LOOK_AGAIN, Numbered, numbered},
    principal::Follows,
    sse::{WAITING, sse},
};
use crate::{
    model::{BuildId, Scope},
    protocol::{ErrorEnvelope, Event, EventKind},
    store::BelongsTo,
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Follow state changes
///
/// Server-sent events `build`, `job`, `agent`, `queue` and `project`. Without `Last-Event-ID` it begins with what happens next;
/// `resync` means that events were missed for good: read the lists again. A server that stops ends
/// the stream with `retry`: come back after as many milliseconds, with the last id.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", security(("token" = ["read"])),
    params(("Last-Event-ID" = Option<u64>, Header, description = "Go on after this event.")),
    responses(
        (status = 200, content_type = "text/event-stream", body = Event),
        (status = "4XX", body = ErrorEnvelope),
    ))]
async fn events(
    Follows(scope, open): Follows,
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (oldest, newest) = state.store.event_bounds().await?;
    let after = match headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?")) {
        None | Some("") => newest,
        Some(text) => {
            let bad = |_| ApiError::bad_request("Last-Event-ID must be an event's number");
            text.parse::<u64>().map_err(bad)?
        }
    };
    // Older than what is kept, or from the future (another database): begin anew.
    let missed = after > newest || after + 1 < oldest;
    let (out, waiting) = mpsc::channel(WAITING);
    if missed {
        // The channel is empty, so there is room.
        let _ = out.try_send(resync(newest));
    }
    let after = if missed { newest } else { after };
    let stop = state.stop.clone();
    let ended = stop.clone();
    tokio::spawn(async move {
        let gone = out.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = gone.closed() => {}
            () = pump(&state, Sight::new(scope), after, out) => {}
        }
    });
    Ok(sse(waiting, ended, open))
}

/// What of all events a stream may show.
struct Sight {
    scope: Scope,
    /// Builds that were asked for lately: an event is rarely the only one of its build.
    known: HashMap<BuildId, bool>,
}

/// Builds of which a stream remembers whether it may show them.
const KNOWN: usize = 1_000;

impl Sight {
    fn new(scope: Scope) -> Self {
        Self { scope, known: HashMap::new() }
    }

    async fn has(&mut self, state: &AppState, event: &EventKind) -> bool {
        let build = match event {
            _ if self.scope == Scope::All => return true,
            // Everybody may list these.
            EventKind::Agent { .. } | EventKind::Queue { .. } => return true,
            EventKind::Project { project } => return self.scope.has(Some(*project)),
            EventKind::Build { build, .. } | EventKind::Job { build, .. } => *build,
        };
        if let Some(known) = self.known.get(&build) {
            return *known;
        }
        // What cannot be found out is not shown.
        let project = state.store.project_of_build(&build.to_string()).await;
        let has = matches!(project, Ok(Some(BelongsTo(project))) if self.scope.has(project));
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(build, has);
        has
    }
}

/// Says that events were missed for good.
fn resync(newest: u64) -> Bytes {
    format!("event: resync\nid: {newest}\ndata: {{}}\n\n").into()
}

/// Stored events first, then the reader's while they continue, and back to the store when they do
/// not: numbers have no holes.
async fn pump(state: &AppState, mut sight: Sight, mut after: u64, out: mpsc::Sender<Bytes>) {
    let reader = state.feed.reader(state.queue.changes());
    let mut live = reader.subscribe().await;
    loop {
        let caught_up = catch_up(state, &mut sight, &mut after, &out).await;
        if !caught_up || !pass_on(state, &mut live, (&mut sight, &mut after), &out).await {
            return;
        }
    }
}

/// Sends what is stored after number `after`; whether there is somebody to send to.
async fn catch_up(
    state: &AppState,
    sight: &mut Sight,
    after: &mut u64,
    out: &mpsc::Sender<Bytes>,
) -> bool {
    loop {
        let events = match state.feed.stored(*after).await {
            Ok(events) => events,
            Err(error) => {
                tracing::error!(%error, "reading events failed");
                return false;
            }
        };
        let read = events.len();
        // What is missing was forgotten before this stream came to it.
        if events.first().is_some_and(|first| first.id != *after + 1) {
            let Ok((_, newest)) = state.store.event_bounds().await else { return false };
            *after = newest;
            if out.send(resync(newest)).await.is_err() {
                return false;
            }
            continue;
        }
        for event in events {
            *after = event.id;
            let event = numbered(&event);
            if !sight.has(state, &event.kind).await {
                continue;
            }
            if out.send(event.wire).await.is_err() {
                return false;
            }
        }
        if read < BATCH as usize {
            return true;
        }
    }
}

/// Passes on what the reader sends while it continues; whether there is somebody to send to.
async fn pass_on(
    state: &AppState,
    live: &mut broadcast::Receiver<Numbered>,
    (sight, after): (&mut Sight, &mut u64),
    out: &mpsc::Sender<Bytes>,
) -> bool {
    loop {
        let event = match live.recv().await {
            Ok(event) => event,
            Err(broadcast::error::RecvError::Lagged(_)) => return true,
            Err(broadcast::error::RecvError::Closed) => {
                tokio::time::sleep(LOOK_AGAIN).await;
                return true;
            }
        };
        if event.id <= *after {
            continue;
        }
        if event.id != *after + 1 {
            return true;
        }
        *after = event.id;
        if sight.has(state, &event.kind).await && out.send(event.wire).await.is_err() {
            return false;
        }
    }
}
