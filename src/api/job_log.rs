//! `/api/v1/jobs/{job}/log`: as bytes, and as a stream of events.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::sync::mpsc;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    extract::{Path, Query},
    principal::{Follows, Reads},
    ranged,
    sse::{WAITING, sse},
};
use crate::{
    model::{JobId, LogPosition},
    protocol::{ErrorEnvelope, LogEvent, LogQuery},
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(log)).routes(routes!(stream))
}

/// Download a log
///
/// The bytes as the build wrote them, with kiln's own lines unless one stream is asked for. A
/// header `Kiln-Log-Missing` tells how many bytes beyond the bound were not kept.
#[utoipa::path(get, path = "/api/v1/jobs/{job}/log", tag = "logs", security(("token" = ["read"])),
    params(("job" = JobId, Path), LogQuery,
        ("Range" = Option<String>, Header, description = "One byte range.")),
    responses(
        (status = 200, content_type = "text/plain", body = String),
        (status = 206, content_type = "text/plain", body = String),
        (status = "4XX", body = ErrorEnvelope),
    ))]
async fn log(
    _: Reads,
    State(state): State<AppState>,
    Path(job): Path<JobId>,
    Query(query): Query<LogQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if query.after.is_some() {
        return Err(ApiError::invalid("after: for log/stream only; use a Range header here"));
    }
    let Some(file) = state.logs.open(job, query.attempt, query.stream).await? else {
        return no_attempt(&state, job, query.attempt).await;
    };
    let (length, missing, is_final) = (file.length(), file.missing(), file.is_final());
    let mut response = if file.is_settled() {
        let range = ranged::range(&headers, length)?;
        ranged::response(range, length, |range| Body::from_stream(file.read(range)))
    } else {
        Body::from_stream(file.read(0..u64::MAX)).into_response()
    };
    let headers = response.headers_mut();
    // Shown as text by a browser, never as a page: nosniff and the policy are set for all.
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, text);
    headers.insert("kiln-log-missing", missing.into());
    if !is_final {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

async fn no_attempt(
    state: &AppState,
    job: JobId,
    attempt: Option<u32>,
) -> Result<Response, ApiError> {
    if state.queue.job(job).await?.is_none() {
        return Err(ApiError::not_found("job", job));
    }
    match attempt {
        Some(number) => Err(ApiError::not_found("attempt", number)),
        // It has not begun: its log is empty so far.
        None => Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], "").into_response()),
    }
}

/// Follow a log
///
/// Server-sent events: `log`, `step`, `gap`, `attempt`, `state`, and `end` as the last. The id of
/// an event is `attempt.offset`: going on with `Last-Event-ID` (or `?after=`) neither loses nor
/// repeats a byte. A server that stops ends the stream with `retry`: come back in the same way after
/// as many milliseconds.
#[utoipa::path(get, path = "/api/v1/jobs/{job}/log/stream", tag = "logs", security(("token" = ["read"])),
    params(("job" = JobId, Path), LogQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "Where to go on.")),
    responses(
        (status = 200, content_type = "text/event-stream", body = LogEvent),
        (status = "4XX", body = ErrorEnvelope),
    ))]
async fn stream(
    follows: Follows,
    State(state): State<AppState>,
    Path(job): Path<JobId>,
    Query(query): Query<LogQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if query.stream.is_some() {
        return Err(ApiError::invalid("stream: every event names its stream; filter them there"));
    }
    if state.queue.job(job).await?.is_none() {
        return Err(ApiError::not_found("job", job));
    }
    let place = place(&query, &headers)?;
    let (out, followed) = mpsc::channel(WAITING);
    let (logs, changes, stop) = (state.logs.clone(), state.queue.changes(), state.stop.clone());
    let ended = stop.clone();
    tokio::spawn(async move { logs.follow(job, place, changes, out, stop).await });
    Ok(sse(followed, ended, follows.1))
}

fn place(query: &LogQuery, headers: &HeaderMap) -> Result<LogPosition, ApiError> {
    let last = match headers.get("last-event-id") {
        Some(value) => Some(value.to_str().unwrap_or("not ASCII").to_owned()),
        None => query.after.clone(),
    };
    match (last.filter(|last| !last.is_empty()), query.attempt) {
        (Some(last), _) => {
            last.parse().map_err(|error: &str| ApiError::bad_request(error.to_owned()))
        }
        (None, Some(attempt)) => Ok(LogPosition { attempt, offset: 0 }),
        (None, None) => Ok(LogPosition::default()),
    }
}
