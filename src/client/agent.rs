//! Typed client of the agent API: registering, claiming, and everything about one attempt.
//!
//! Deadlines are set here, on every request: an answer that never comes must not hold a worker.
//! Trying again is the caller's: only it knows how long that makes sense. What the server's answers
//! say of it, its protocol and its time, is kept for who asks.

use std::{
    fs::File,
    io::{self, Seek},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::BoxStream};
use reqwest::{
    Body, Method, RequestBuilder, StatusCode,
    header::{DATE, HeaderMap},
};
use serde::Serialize;
use tokio_util::io::ReaderStream;

use super::{ClientError, Http};
use crate::{
    model::{JobId, Timestamp},
    protocol::{
        ArtifactPart, ClaimRequest, Claimed, FinishReport, LogEnd, PROTOCOL_HEADER,
        PROTOCOL_VERSION, RegisterAnswer, RegisterRequest, RenewAnswer, RenewRequest, StartReport,
        UNSAID_PROTOCOL,
    },
};

/// How long a plain request may take.
const REQUEST_DEADLINE: Duration = Duration::from_secs(20);
/// What a long-poll may take beyond the time it asked to wait.
const POLL_MARGIN: Duration = Duration::from_secs(10);
/// How long an artifact may take: the largest (8 GiB) at 5 MB/s.
const UPLOAD_DEADLINE: Duration = Duration::from_mins(30);

/// How much of a file is read at a time.
const PIECE: usize = 256 * 1024;

/// The agent API of one server, with one agent's token.
#[derive(Clone, Debug)]
pub struct AgentClient {
    http: Http,
    /// What the server's clock said with its last answer to a claim.
    server_time: Arc<Mutex<Option<Timestamp>>>,
    /// The protocol that the server's last answer said it speaks.
    server_protocol: Arc<AtomicU32>,
}

/// Everything about one attempt: its job and number are the fence of every message.
#[derive(Clone, Debug)]
pub struct AttemptClient {
    http: Http,
    path: String,
}

impl AgentClient {
    /// A client of the server at `base`.
    pub fn new(base: &str, token: Option<String>) -> Result<Self, ClientError> {
        let server_protocol = Arc::new(AtomicU32::new(PROTOCOL_VERSION));
        Ok(Self { http: Http::new(base, token)?, server_time: Arc::default(), server_protocol })
    }

    /// Asks nothing but whom this is. A server that does not know the question answers it, too: by
    /// what its answer does not say.
    pub async fn hello(&self) -> Result<(), ClientError> {
        let get = request(&self.http, Method::GET, "agent/v1/hello").timeout(REQUEST_DEADLINE);
        let answer = get.send().await.map_err(|error| self.http.unreachable(&error))?;
        let status = answer.status();
        // Perhaps it was a proxy that answered; what a server says is below.
        if status.is_server_error() {
            let problem = format!("it answered {status}");
            return Err(ClientError::Unreachable { server: self.http.base().to_string(), problem });
        }
        self.hear(answer.headers());
        Ok(())
    }

    /// The protocol that the server speaks, as far as is known.
    pub fn server_protocol(&self) -> u32 {
        self.server_protocol.load(Ordering::Relaxed)
    }

    fn hear(&self, headers: &HeaderMap) {
        let said = headers.get(PROTOCOL_HEADER).and_then(|said| said.to_str().ok());
        let said = said.and_then(|said| said.parse().ok());
        self.server_protocol.store(said.unwrap_or(UNSAID_PROTOCOL), Ordering::Relaxed);
    }

    /// What the server's clock said with its last answer to a claim, to the second; asked once.
    pub fn take_server_time(&self) -> Option<Timestamp> {
        self.server_time.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Makes the agent known; needs the enrollment token.
    pub async fn register(&self, ask: &RegisterRequest) -> Result<RegisterAnswer, ClientError> {
        let post = request(&self.http, Method::POST, "agent/v1/register");
        let ask = ask.as_of(self.server_protocol());
        self.http.json(post.timeout(REQUEST_DEADLINE).json(&ask)).await
    }

    /// Asks for a job; none came if the answer is `None`.
    pub async fn claim(&self, ask: &ClaimRequest) -> Result<Option<Claimed>, ClientError> {
        let deadline = Duration::from_millis(ask.wait_ms) + POLL_MARGIN;
        let post = request(&self.http, Method::POST, "agent/v1/claim");
        let ask = ask.as_of(self.server_protocol());
        let answer = self.http.send(post.timeout(deadline).json(&ask)).await?;
        self.hear(answer.headers());
        if let Some(date) = answer.headers().get(DATE).and_then(|date| date.to_str().ok()) {
            *self.server_time.lock().unwrap_or_else(PoisonError::into_inner) =
                Timestamp::from_http_date(date);
        }
        if answer.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        let bytes = answer.bytes().await.map_err(|error| self.http.unreachable(&error))?;
        let claimed = serde_json::from_slice(&bytes);
        claimed.map(Some).map_err(|error| ClientError::Answer(error.to_string()))
    }

    /// The client of one attempt.
    pub fn attempt(&self, job: JobId, number: u32) -> AttemptClient {
        let path = format!("agent/v1/jobs/{job}/attempts/{number}");
        AttemptClient { http: self.http.clone(), path }
    }
}

impl AttemptClient {
    /// Extends the lease; answered when the job is to be cancelled, or after the time given.
    pub async fn renew(&self, wait: Duration) -> Result<RenewAnswer, ClientError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let post = self.post("renew").timeout(wait + POLL_MARGIN);
        self.http.json(post.json(&RenewRequest { wait_ms })).await
    }

    /// Says what the attempt runs in.
    pub async fn start(&self, report: &StartReport) -> Result<(), ClientError> {
        self.say("start", report).await
    }

    /// The uploaded tree that the attempt builds: a gzipped tar, as it comes.
    pub async fn source(
        &self,
    ) -> Result<BoxStream<'static, Result<Bytes, ClientError>>, ClientError> {
        let get = request(&self.http, Method::GET, &format!("{}/source", self.path));
        let answer = self.http.send(get.timeout(UPLOAD_DEADLINE)).await?;
        let http = self.http.clone();
        Ok(answer
            .bytes_stream()
            .map(move |piece| piece.map_err(|error| http.unreachable(&error)))
            .boxed())
    }

    /// Appends frames in their wire form; answers how far the log reaches now.
    pub async fn log(&self, frames: Vec<u8>) -> Result<LogEnd, ClientError> {
        let post = self.post("log").timeout(REQUEST_DEADLINE);
        self.http.json(post.header("content-type", "application/octet-stream").body(frames)).await
    }

    /// Stores the archive: the whole of `file`, which has `bytes` bytes. The place in the file is
    /// moved, so that tries must come one after the other.
    pub async fn put_archive(&self, file: &File, bytes: u64) -> Result<(), ClientError> {
        let body = file_body(file).map_err(|error| {
            ClientError::Answer(format!("nothing was asked: the archive cannot be read: {error}"))
        })?;
        self.put(ArtifactPart::Archive, bytes, body).await
    }

    /// Stores the manifest.
    pub async fn put_manifest(&self, manifest: Vec<u8>) -> Result<(), ClientError> {
        self.put(ArtifactPart::Manifest, manifest.len() as u64, manifest.into()).await
    }

    /// Stores what was said: a gzipped report.
    pub async fn put_diagnostics(&self, report: Vec<u8>) -> Result<(), ClientError> {
        self.put(ArtifactPart::Diagnostics, report.len() as u64, report.into()).await
    }

    async fn put(&self, part: ArtifactPart, bytes: u64, body: Body) -> Result<(), ClientError> {
        let name = match part {
            ArtifactPart::Archive => "archive",
            ArtifactPart::Manifest => "manifest",
            ArtifactPart::Diagnostics => "diagnostics",
        };
        let put = request(&self.http, Method::PUT, &format!("{}/artifacts/{name}", self.path));
        let put = put.timeout(UPLOAD_DEADLINE).header("content-length", bytes);
        self.http.send(put.body(body)).await.map(drop)
    }

    /// The attempt is over.
    pub async fn finish(&self, report: &FinishReport) -> Result<(), ClientError> {
        self.say("finish", report).await
    }

    fn post(&self, verb: &str) -> RequestBuilder {
        request(&self.http, Method::POST, &format!("{}/{verb}", self.path))
    }

    async fn say(&self, verb: &str, message: &impl Serialize) -> Result<(), ClientError> {
        let post = self.post(verb).timeout(REQUEST_DEADLINE);
        self.http.send(post.json(message)).await.map(drop)
    }
}

/// A request that says which protocol is spoken.
fn request(http: &Http, method: Method, path: &str) -> RequestBuilder {
    http.request(method, path).header(PROTOCOL_HEADER, PROTOCOL_VERSION)
}

/// The file from its beginning.
fn file_body(file: &File) -> io::Result<Body> {
    let mut file = file.try_clone()?;
    file.rewind()?;
    let stream = ReaderStream::with_capacity(tokio::fs::File::from_std(file), PIECE);
    Ok(Body::wrap_stream(stream))
}

impl ClientError {
    /// Whether the server says that this attempt is not ours any more: drop the work, say nothing.
    pub fn is_stale_attempt(&self) -> bool {
        self.code() == Some("stale_attempt")
    }

    /// How far the server's log reaches, if that is what it complains about.
    pub fn log_end(&self) -> Option<LogEnd> {
        match self {
            Self::Refused { body, .. } if matches!(&*body.code, "log_gap" | "log_incomplete") => {
                serde_json::from_value(body.details.clone()?).ok()
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ErrorBody;

    fn refused(code: &str, details: Option<serde_json::Value>) -> ClientError {
        let body = ErrorBody { code: code.to_owned(), message: String::new(), details };
        ClientError::Refused { status: 409, body }
    }

    #[test]
    fn refusals_say_what_to_do() {
        let end = serde_json::json!({"seq": 3, "offset": 70});
        for (error, stale, log_end) in [
            (refused("stale_attempt", None), true, None),
            (refused("log_gap", Some(end.clone())), false, Some(LogEnd { seq: 3, offset: 70 })),
            (refused("log_incomplete", Some(end)), false, Some(LogEnd { seq: 3, offset: 70 })),
            (refused("log_gap", None), false, None),
            (refused("not_found", None), false, None),
            (ClientError::Answer(String::new()), false, None),
        ] {
            assert_eq!((error.is_stale_attempt(), error.log_end()), (stale, log_end), "{error:?}");
        }
    }
}
