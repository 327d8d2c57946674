//! The server's side of the agent API, as small as the tests need it: it writes everything down
//! and can be told to misbehave.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use kiln::{
    model::{AgentId, Frame, JobId, Stream, Timestamp},
    protocol::{
        ClaimRequest, Claimed, ErrorBody, ErrorEnvelope, FinishReport, LogEnd, PROTOCOL_HEADER,
        PROTOCOL_VERSION, RegisterAnswer, RenewAnswer, RenewRequest, StartReport,
    },
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle, time::timeout};

/// How long a test waits for something that has to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type Key = (JobId, u32);

/// What is known of one attempt.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    pub start: Option<StartReport>,
    pub frames: Vec<Frame>,
    pub archive: Option<Vec<u8>>,
    pub manifest: Option<Vec<u8>>,
    pub diagnostics: Option<Vec<u8>>,
    pub finish: Option<FinishReport>,
    pub renewals: usize,
    /// Messages of any kind.
    pub messages: usize,
}

impl Attempt {
    pub fn end(&self) -> LogEnd {
        self.frames
            .last()
            .map_or(LogEnd::default(), |last| LogEnd { seq: last.seq + 1, offset: last.end() })
    }

    pub fn text(&self, stream: Stream) -> String {
        let frames = self.frames.iter().filter(|frame| frame.stream() == Some(stream));
        let bytes: Vec<u8> = frames.flat_map(|frame| frame.data().to_vec()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// How the server misbehaves.
#[derive(Debug, Default)]
pub struct Faults {
    /// Everything is answered with 503.
    pub down: bool,
    /// So many log posts are stored but answered with 503.
    pub lost_answers: usize,
    /// So many log posts are refused with `log_gap`.
    pub gaps: usize,
    /// So many uploads are read and answered with 503.
    pub lost_uploads: usize,
    /// So many reports are answered with `log_incomplete`.
    pub incomplete: usize,
    /// Attempts that are answered with `stale_attempt`.
    pub stale: bool,
    /// The job is to be cancelled.
    pub cancel: bool,
    /// The log is not taken, it is answered with 503.
    pub log_down: bool,
    /// It is of another release. Protocol 2 said no version, had no greeting, and refused every
    /// field that it did not know.
    pub protocol: Option<u32>,
}

#[derive(Debug, Default)]
pub struct Known {
    pub queue: VecDeque<Claimed>,
    pub claims: HashMap<String, Claimed>,
    pub last_claim: Option<ClaimRequest>,
    /// The last claim as it was sent.
    pub last_claim_sent: Value,
    pub attempts: HashMap<Key, Attempt>,
    pub faults: Faults,
    pub registered: Vec<String>,
    pub last_register: Value,
}

#[derive(Clone, Debug, Default)]
pub struct Server {
    known: Arc<Mutex<Known>>,
    changed: Arc<Notify>,
}

pub struct Running {
    pub server: Server,
    pub url: String,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(faults: Faults) -> Running {
        let server = Self::default();
        server.lock().faults = faults;
        let attempt = "/agent/v1/jobs/{job}/attempts/{number}";
        let routes = Router::new()
            .route("/agent/v1/hello", get(hello))
            .route("/agent/v1/register", post(register))
            .route("/agent/v1/claim", post(claim))
            .route(&format!("{attempt}/renew"), post(renew))
            .route(&format!("{attempt}/start"), post(start))
            .route(&format!("{attempt}/log"), post(log))
            .route(&format!("{attempt}/artifacts/{{part}}"), put(artifact))
            .route(&format!("{attempt}/finish"), post(finish))
            .layer(DefaultBodyLimit::max(64 << 20))
            .layer(from_fn_with_state(server.clone(), speak))
            .with_state(server.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Running { server, url, task }
    }

    pub fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    /// Changes what the server knows or how it behaves, and wakes whoever waits.
    pub fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.lock());
        self.changed.notify_waiters();
    }

    /// Waits until `look` finds something.
    pub async fn until<T>(&self, what: &str, look: impl Fn(&Known) -> Option<T>) -> T {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if let Some(found) = look(&self.lock()) {
                    return found;
                }
                changed.await;
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} did not happen"))
    }

    pub async fn finished(&self, key: Key) -> (Attempt, FinishReport) {
        self.until("finish", |known| {
            let attempt = known.attempts.get(&key)?.clone();
            let finish = attempt.finish.clone()?;
            Some((attempt, finish))
        })
        .await
    }

    /// The record of an attempt, or the answer that refuses the message.
    fn attempt(&self, key: Key) -> Result<MutexGuard<'_, Known>, Response> {
        let mut known = self.lock();
        let attempt = known.attempts.entry(key).or_default();
        attempt.messages += 1;
        if attempt.finish.is_some() || known.faults.stale {
            return Err(refuse(StatusCode::CONFLICT, "stale_attempt", None));
        }
        if known.faults.down {
            return Err(away());
        }
        Ok(known)
    }
}

fn refuse(status: StatusCode, code: &str, end: Option<LogEnd>) -> Response {
    let details = end.map(|end| serde_json::to_value(end).unwrap());
    let error = ErrorBody { code: code.to_owned(), message: code.to_owned(), details };
    (status, Json(ErrorEnvelope { error })).into_response()
}

fn away() -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "unavailable", None)
}

fn token(headers: &HeaderMap) -> &str {
    headers.get("authorization").map_or("", |value| value.to_str().unwrap())
}

async fn speak(State(server): State<Server>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let protocol = server.lock().faults.protocol.unwrap_or(PROTOCOL_VERSION);
    if protocol != 2 {
        response.headers_mut().insert(PROTOCOL_HEADER, HeaderValue::from(protocol));
    }
    response
}

async fn hello(State(server): State<Server>) -> StatusCode {
    let has_it = server.lock().faults.protocol != Some(2);
    if has_it { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

/// Whether protocol 2 would have refused this body.
fn is_unknown(server: &Server, body: &Value, known: &[&str]) -> bool {
    let mut fields = body.as_object().unwrap().keys();
    server.lock().faults.protocol == Some(2) && fields.any(|field| !known.contains(&&**field))
}

async fn register(
    State(server): State<Server>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    if token(&headers) != "Bearer enroll" {
        return refuse(StatusCode::UNAUTHORIZED, "unauthorized", None);
    }
    if is_unknown(&server, &request, &["name", "protocol", "version"]) {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "invalid", None);
    }
    server.lock().last_register = request;
    let agent = AgentId::new(Timestamp::from_millis(0));
    let token = format!("agent-{}", server.lock().registered.len());
    server.change(|known| known.registered.push(format!("Bearer {token}")));
    Json(RegisterAnswer { agent, token }).into_response()
}

async fn claim(
    State(server): State<Server>,
    headers: HeaderMap,
    Json(sent): Json<Value>,
) -> Response {
    if server.lock().registered.last().map(String::as_str) != Some(token(&headers)) {
        return refuse(StatusCode::UNAUTHORIZED, "unauthorized", None);
    }
    if is_unknown(&server, &sent, &["claim", "wait_ms", "status"]) {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "invalid", None);
    }
    let request: ClaimRequest = serde_json::from_value(sent.clone()).unwrap();
    server.lock().last_claim_sent = sent;
    let id = request.claim.to_string();
    server.change(|known| known.last_claim = Some(request));
    let look = || {
        let mut known = server.lock();
        if known.faults.down {
            return Some(away());
        }
        if let Some(claimed) = known.claims.get(&id) {
            return Some(Json(claimed.clone()).into_response());
        }
        let claimed = known.queue.pop_front()?;
        known.claims.insert(id.clone(), claimed.clone());
        Some(Json(claimed).into_response())
    };
    let wait = async {
        loop {
            let changed = server.changed.notified();
            if let Some(answer) = look() {
                return answer;
            }
            changed.await;
        }
    };
    let none = |_| StatusCode::NO_CONTENT.into_response();
    timeout(Duration::from_millis(500), wait).await.unwrap_or_else(none)
}

async fn renew(
    State(server): State<Server>,
    Path(key): Path<Key>,
    Json(request): Json<RenewRequest>,
) -> Response {
    let look = || match server.attempt(key) {
        Err(answer) => Some(answer),
        Ok(known) if known.faults.cancel => {
            Some(Json(RenewAnswer { lease_ms: 3_000, cancel: true }).into_response())
        }
        Ok(_) => None,
    };
    let wait = async {
        loop {
            let changed = server.changed.notified();
            if let Some(answer) = look() {
                return answer;
            }
            changed.await;
        }
    };
    let answer = timeout(Duration::from_millis(request.wait_ms), wait).await;
    server.change(|known| known.attempts.entry(key).or_default().renewals += 1);
    let renewed = |_| Json(RenewAnswer { lease_ms: 3_000, cancel: false }).into_response();
    answer.unwrap_or_else(renewed)
}

async fn start(
    State(server): State<Server>,
    Path(key): Path<Key>,
    Json(report): Json<StartReport>,
) -> Response {
    match server.attempt(key) {
        Err(answer) => return answer,
        Ok(mut known) => known.attempts.get_mut(&key).unwrap().start = Some(report),
    }
    server.changed.notify_waiters();
    StatusCode::NO_CONTENT.into_response()
}

async fn log(State(server): State<Server>, Path(key): Path<Key>, body: Bytes) -> Response {
    assert!(body.len() <= 1 << 20, "a body of {} bytes", body.len());
    let frames = Frame::decode_all(&body).unwrap();
    let answer = match server.attempt(key) {
        Err(answer) => return answer,
        Ok(mut known) => {
            let end = known.attempts[&key].end();
            if known.faults.log_down {
                return away();
            }
            if known.faults.gaps > 0 {
                known.faults.gaps -= 1;
                return refuse(StatusCode::CONFLICT, "log_gap", Some(end));
            }
            let attempt = known.attempts.get_mut(&key).unwrap();
            for frame in frames {
                let end = attempt.end();
                if frame.seq > end.seq {
                    return refuse(StatusCode::CONFLICT, "log_gap", Some(end));
                }
                if frame.seq == end.seq {
                    assert_eq!(frame.offset, end.offset);
                    attempt.frames.push(frame);
                }
            }
            let end = attempt.end();
            if known.faults.lost_answers > 0 {
                known.faults.lost_answers -= 1;
                away()
            } else {
                Json(end).into_response()
            }
        }
    };
    server.changed.notify_waiters();
    answer
}

async fn artifact(
    State(server): State<Server>,
    Path((job, number, part)): Path<(JobId, u32, String)>,
    body: Bytes,
) -> Response {
    match server.attempt((job, number)) {
        Err(answer) => answer,
        Ok(mut known) if known.faults.lost_uploads > 0 => {
            known.faults.lost_uploads -= 1;
            away()
        }
        Ok(mut known) => {
            let attempt = known.attempts.get_mut(&(job, number)).unwrap();
            match &*part {
                "archive" => attempt.archive = Some(body.to_vec()),
                "manifest" => attempt.manifest = Some(body.to_vec()),
                "diagnostics" => attempt.diagnostics = Some(body.to_vec()),
                other => panic!("{other}"),
            }
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

async fn finish(
    State(server): State<Server>,
    Path(key): Path<Key>,
    Json(report): Json<FinishReport>,
) -> Response {
    match server.attempt(key) {
        Err(answer) => return answer,
        Ok(mut known) => {
            let end = known.attempts[&key].end();
            if known.faults.incomplete > 0 || end != report.log_end {
                known.faults.incomplete = known.faults.incomplete.saturating_sub(1);
                return refuse(StatusCode::CONFLICT, "log_incomplete", Some(end));
            }
            known.attempts.get_mut(&key).unwrap().finish = Some(report);
        }
    }
    server.changed.notify_waiters();
    StatusCode::NO_CONTENT.into_response()
}
