//! Following a job's log: events in order, each byte once, over broken connections and restarts of
//! the server, until the job has ended.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    ClientError, Paths, Rest,
    backoff::Backoff,
    cursor::{Cursor, Next},
    sse::Connection,
};
use crate::{
    model::JobId,
    protocol::{LogEvent, LogQuery},
};

/// The events this version knows; others are from a newer server and are passed over.
const KNOWN: [&str; 6] = ["log", "step", "gap", "attempt", "state", "end"];

/// A connection that lasted this long worked, though nothing may have happened on it.
const LIVED: Duration = Duration::from_secs(5);

/// A job's log that is followed.
#[derive(Debug)]
pub struct LogFollow {
    rest: Rest,
    path: String,
    stop: CancellationToken,
    cursor: Cursor,
    ready: VecDeque<LogEvent>,
    connection: Option<(Connection, Instant)>,
    backoff: Backoff,
    ended: bool,
}

impl LogFollow {
    /// Follows `job` from its first attempt on, or only one attempt, until it ends or `stop` is
    /// cancelled.
    pub fn new(rest: Rest, job: JobId, attempt: Option<u32>, stop: CancellationToken) -> Self {
        // Never one stream only: offsets count all streams, and a hole must mean a loss.
        let path = Paths::log_stream(job, &LogQuery { attempt, ..LogQuery::default() });
        Self {
            rest,
            path,
            stop,
            cursor: Cursor::default(),
            ready: VecDeque::new(),
            connection: None,
            backoff: Backoff::new(),
            ended: false,
        }
    }

    /// Gives up after this long without the server.
    #[must_use]
    pub fn giving_up_after(mut self, time: Duration) -> Self {
        self.backoff = Backoff::giving_up_after(time);
        self
    }

    /// The next event; nothing after `end`, after an error, and once it was stopped.
    pub async fn next(&mut self) -> Option<Result<LogEvent, ClientError>> {
        let stop = self.stop.clone();
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.ended |= matches!(event, LogEvent::End(_));
                return Some(Ok(event));
            }
            if self.ended {
                return None;
            }
            let step = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                step = self.step() => step,
            };
            if let Err(error) = step {
                self.ended = true;
                return Some(Err(error));
            }
        }
    }

    /// Reads one event, or connects, or waits before connecting again.
    async fn step(&mut self) -> Result<(), ClientError> {
        let Some((connection, since)) = &mut self.connection else {
            let id = self.cursor.last_event_id();
            match Connection::open(self.rest.http(), &self.path, id).await {
                Ok(connection) => self.connection = Some((connection, Instant::now())),
                Err(error) if error.is_transient() => match self.backoff.wait() {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            }
            return Ok(());
        };
        let Some(event) = connection.next().await else {
            if since.elapsed() >= LIVED {
                self.backoff.reset();
            }
            let told = connection.retry();
            self.connection = None;
            // A server that accepts and hangs up must not be asked without end and pause either.
            let wait = self.backoff.wait_as_told(told).ok_or_else(|| ClientError::Unreachable {
                server: self.rest.http().base().to_string(),
                problem: "the log's stream breaks off again and again".to_owned(),
            })?;
            tokio::time::sleep(wait).await;
            return Ok(());
        };
        if !KNOWN.contains(&event.event.as_str()) {
            return Ok(());
        }
        let event = serde_json::from_str(&event.data)
            .map_err(|error| ClientError::Answer(format!("a log event: {error}")))?;
        let next = self.cursor.take(event, &mut self.ready)?;
        if !self.ready.is_empty() {
            self.backoff.reset();
        }
        if next == Next::Reconnect {
            self.connection = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{
        Router,
        body::{Body, Bytes},
        http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
        response::{IntoResponse, Response},
        routing::get,
    };
    use futures_util::stream;

    use super::*;
    use crate::{
        client::event_bytes,
        model::{LogPosition, Outcome, Stream, Timestamp},
        protocol::LogStreamEnd,
    };

    fn wire(event: &LogEvent, id: LogPosition) -> String {
        let data = serde_json::to_string(event).unwrap();
        format!("event: {}\nid: {id}\ndata: {data}\n\n", event.name())
    }

    fn log(attempt: u32, offset: u64, text: &str) -> LogEvent {
        let (text, base64) = (Some(text.to_owned()), None);
        let (at, stream) = (Timestamp::from_millis(0), Stream::Stderr);
        LogEvent::Log { attempt, offset, at, stream, step: Some(0), text, base64 }
    }

    fn end() -> LogEvent {
        LogEvent::End(LogStreamEnd {
            outcome: Outcome::Success,
            cause: None,
            message: String::new(),
        })
    }

    /// The log of two attempts as it is sent after a position.
    fn script(after: LogPosition) -> String {
        let mut text = String::from(": hello\n\nevent: novelty\ndata: {\"event\":\"novelty\"}\n\n");
        for (attempt, log_text) in [(1, "first\nattempt\n"), (2, "Ünicode\r\nlines\n")] {
            if attempt < after.attempt {
                continue;
            }
            let begin = if attempt == after.attempt { after.offset } else { 0 };
            text += &wire(&LogEvent::Attempt { attempt }, LogPosition { attempt, offset: begin });
            // Chunks begin where they like, so what was had in part comes again as a whole.
            let mut offset = 0;
            for piece in log_text.split_inclusive(' ').flat_map(|part| part.split_inclusive('\n')) {
                let end = offset + piece.len() as u64;
                if end > begin {
                    text +=
                        &wire(&log(attempt, offset, piece), LogPosition { attempt, offset: end });
                }
                offset = end;
            }
        }
        text + &wire(&end(), LogPosition { attempt: 2, offset: 16 })
    }

    /// A server that cuts each connection after `cut` more bytes than the one before.
    async fn check_cut_every(cut: usize) {
        let ids = Arc::new(Mutex::new(Vec::new()));
        let calls = Arc::new(AtomicUsize::new(0));
        let answer = {
            let ids = Arc::clone(&ids);
            move |headers: HeaderMap| async move {
                let call = calls.fetch_add(1, Ordering::SeqCst);
                if call % 5 == 3 {
                    return StatusCode::SERVICE_UNAVAILABLE.into_response();
                }
                let id = headers.get("last-event-id").map(|id| id.to_str().unwrap().to_owned());
                let after =
                    id.as_deref().map_or_else(LogPosition::default, |id| id.parse().unwrap());
                ids.lock().unwrap().push(id);
                let text = script(after).into_bytes();
                let until = (cut * (call + 1)).min(text.len());
                let mut parts = vec![Ok(Bytes::from(text[..until].to_vec()))];
                if until < text.len() {
                    parts.push(Err(std::io::Error::other("cut")));
                }
                let body = Body::from_stream(stream::iter(parts));
                Response::builder().header(CONTENT_TYPE, "text/event-stream").body(body).unwrap()
            }
        };
        let job = JobId::new(Timestamp::from_millis(0));
        let path = format!("/api/v1/jobs/{job}/log/stream");
        let (rest, server) = serve(Router::new().route(&path, get(answer))).await;
        let mut follow = LogFollow::new(rest, job, None, CancellationToken::new());
        follow.backoff = Backoff::giving_up_after(Duration::from_mins(1));
        let (mut bytes, mut attempts, mut ends) = (Vec::new(), Vec::new(), 0);
        while let Some(event) = follow.next().await {
            let event = event.unwrap();
            bytes.extend(event_bytes(&event).unwrap());
            match event {
                LogEvent::Attempt { attempt } => attempts.push(attempt),
                LogEvent::End(_) => ends += 1,
                _ => {}
            }
        }
        assert_eq!(String::from_utf8(bytes).unwrap(), "first\nattempt\nÜnicode\r\nlines\n");
        assert_eq!((attempts, ends), (vec![1, 2], 1), "cut {cut}");
        assert_eq!(ids.lock().unwrap().first(), Some(&None));
        server.abort();
    }

    async fn serve(app: Router) -> (Rest, tokio::task::JoinHandle<()>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rest = Rest::new(&format!("http://{}", listener.local_addr().unwrap()), None).unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (rest, server)
    }

    #[tokio::test]
    async fn no_byte_is_lost_or_repeated_wherever_connections_break() {
        let cuts = [173, 200, 251, 399, 640, 5_000];
        futures_util::future::join_all(cuts.map(check_cut_every)).await;
    }

    #[tokio::test]
    async fn a_stopped_follower_ends() {
        let job = JobId::new(Timestamp::from_millis(0));
        let path = format!("/api/v1/jobs/{job}/log/stream");
        let pending = || async { Body::from_stream(stream::pending::<std::io::Result<Bytes>>()) };
        let (rest, server) = serve(Router::new().route(&path, get(pending))).await;
        let stop = CancellationToken::new();
        let mut follow = LogFollow::new(rest, job, None, stop.clone());
        let next = tokio::spawn(async move { follow.next().await.is_none() });
        stop.cancel();
        assert!(next.await.unwrap());
        server.abort();
    }

    #[tokio::test]
    async fn a_refusal_is_final_and_a_dead_server_is_given_up() {
        let job = JobId::new(Timestamp::from_millis(0));
        let (rest, server) = serve(Router::new()).await;
        let mut follow = LogFollow::new(rest.clone(), job, None, CancellationToken::new());
        let refused = follow.next().await;
        assert!(matches!(refused, Some(Err(ClientError::Refused { status: 404, .. }))));
        assert!(follow.next().await.is_none());
        server.abort();
        let _ = server.await;
        let mut follow = LogFollow::new(rest, job, None, CancellationToken::new())
            .giving_up_after(Duration::from_millis(500));
        assert!(matches!(follow.next().await, Some(Err(ClientError::Unreachable { .. }))));
    }
}
