//! `/api/v1/events`: state changes as they happen, none left out, none twice.

use std::time::Duration;

use axum::{
    extract::State,
    http::HeaderMap,
    response::{Response, sse},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiError, AppState, job_log::sse, principal::Reads};
use crate::protocol::{ErrorEnvelope, Event};

/// Events read at a time, and how many wait for a slow reader.
const BATCH: u32 = 100;
const WAITING: usize = 16;

/// How often the store is looked at though nothing woke the stream.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Follow state changes
///
/// Server-sent events `build` and `job`. Without `Last-Event-ID` it begins with what happens next;
/// `resync` means that events were missed for good: read the lists again.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(("Last-Event-ID" = Option<u64>, Header, description = "Go on after this event.")),
    responses(
        (status = 200, content_type = "text/event-stream", body = Event),
        (status = "4XX", body = ErrorEnvelope),
    ))]
async fn events(
    _: Reads,
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
    tokio::spawn(async move {
        let stop = state.stop.clone();
        let gone = out.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = gone.closed() => {}
            () = pump(&state, after, out) => {}
        }
    });
    Ok(sse(ReceiverStream::new(waiting)))
}

/// Says that events were missed for good.
fn resync(newest: u64) -> sse::Event {
    sse::Event::default().event("resync").id(newest.to_string()).data("{}")
}

async fn pump(state: &AppState, mut after: u64, out: mpsc::Sender<sse::Event>) {
    let mut changes = state.queue.changes();
    loop {
        changes.mark_unchanged();
        let events = match state.store.events_after(after, BATCH).await {
            Ok(events) => events,
            Err(error) => {
                tracing::error!(%error, "reading events failed");
                return;
            }
        };
        let read = events.len();
        // Numbers have no holes: what is missing was forgotten before this reader came to it.
        if events.first().is_some_and(|first| first.id != after + 1) {
            let Ok((_, newest)) = state.store.event_bounds().await else { return };
            after = newest;
            if out.send(resync(newest)).await.is_err() {
                return;
            }
            continue;
        }
        for event in events {
            after = event.id;
            let data = serde_json::to_string(&event).expect("events serialize");
            let event =
                sse::Event::default().event(event.kind.name()).id(event.id.to_string()).data(data);
            if out.send(event).await.is_err() {
                return;
            }
        }
        if read < BATCH as usize {
            // Something changed, or it is time to look anyway.
            let _ = tokio::time::timeout(LOOK_AGAIN, changes.changed()).await;
        }
    }
}
