//! One connection to an event stream.
//!
//! The server sends a comment every few seconds where nothing happens; silence beyond that means
//! that the connection is dead though nobody said so, and it ends here like any other break.

use std::{io, pin::Pin, time::Duration};

use eventsource_stream::{Event, EventStream, Eventsource};
use futures_util::{Stream, StreamExt};
use reqwest::{Method, header};

use super::{ClientError, Http};

/// The longest silence of a live connection: several of the server's keep-alive comments.
const SILENCE: Duration = Duration::from_mins(1);

type Bytes = Pin<Box<dyn Stream<Item = io::Result<bytes::Bytes>> + Send>>;

/// The longest wait that a server may ask for.
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// An open event stream.
pub(super) struct Connection {
    events: EventStream<Bytes>,
    retry: Option<Duration>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl Connection {
    /// Opens the stream at `path`, after `last_event_id` if there is one.
    pub(super) async fn open(
        http: &Http,
        path: &str,
        last_event_id: Option<String>,
    ) -> Result<Self, ClientError> {
        let mut request =
            http.request(Method::GET, path).header(header::ACCEPT, "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let sent = tokio::time::timeout(SILENCE, http.send(request)).await;
        let response = sent.map_err(|_| ClientError::Unreachable {
            server: http.base().to_string(),
            problem: "no answer".to_owned(),
        })??;
        let bytes = tokio_stream::StreamExt::timeout(response.bytes_stream(), SILENCE);
        let bytes = bytes.map(|item| match item {
            Ok(bytes) => bytes.map_err(io::Error::other),
            Err(silence) => Err(io::Error::new(io::ErrorKind::TimedOut, silence)),
        });
        let bytes: Bytes = Box::pin(bytes);
        Ok(Self { events: bytes.eventsource(), retry: None })
    }

    /// The next event; nothing once the connection is over, however it ended.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            let event = StreamExt::next(&mut self.events).await?.ok()?;
            if let Some(retry) = event.retry {
                self.retry = Some(retry.min(LONGEST_RETRY));
            }
            if event.event != "retry" {
                return Some(event);
            }
        }
    }

    /// When to come back, if the server said so before it ended the stream.
    pub(super) fn retry(&self) -> Option<Duration> {
        self.retry
    }
}
