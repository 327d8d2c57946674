//! Streams of server-sent events as answers: kept alive, not buffered by proxies, and ended with a
//! hint when the server stops.
//!
//! Events come complete as they go over the wire, so that many streams can share one. Axum's own
//! would encode each again for each stream.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::bounds::OpenStream;

/// Events that wait for a slow client; what does not fit stays where it is stored.
pub(super) const WAITING: usize = 16;

/// How often a silent stream says that it is alive: under the idle limit of usual proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// When to come back after the server stopped, in milliseconds. Another server answers at once and
/// this one soon; spread, so that those who left together do not come back together.
const COME_BACK: std::ops::Range<u64> = 500..1_500;

struct Events {
    waiting: mpsc::Receiver<Bytes>,
    stop: CancellationToken,
    ended: bool,
    _place: OpenStream,
}

/// What `waiting` gives, until its senders are gone. If that is because of `stop`, clients hear
/// when to come back: as the field that browsers know, in an event of its own for those that look
/// at events only.
pub(super) fn sse(
    waiting: mpsc::Receiver<Bytes>,
    stop: CancellationToken,
    place: OpenStream,
) -> Response {
    let events = Events { waiting, stop, ended: false, _place: place };
    let stream = stream::unfold(events, |mut events| async {
        if events.ended {
            return None;
        }
        let wire = match tokio::time::timeout(KEEP_ALIVE, events.waiting.recv()).await {
            Ok(Some(wire)) => wire,
            Ok(None) if events.stop.is_cancelled() => {
                events.ended = true;
                come_back()
            }
            Ok(None) => return None,
            Err(_) => Bytes::from_static(b":\n\n"),
        };
        Some((Ok::<_, Infallible>(wire), events))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(stream)).into_response()
}

fn come_back() -> Bytes {
    let wait = rand::random_range(COME_BACK);
    format!("retry: {wait}\nevent: retry\ndata: {{}}\n\n").into()
}
