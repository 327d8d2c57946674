//! `/agent/v1`: what agents and the server say to each other. Agent tokens only.

use axum::{
    Json as Answer, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use futures_util::TryStreamExt as _;

use super::{
    ApiError, AppState,
    artifacts::{MAX_MANIFEST, attempt_key, read_manifest},
    diagnostics,
    extract::{Json, Path},
    principal::{Enrolls, RunsJobs},
};
use crate::{
    artifact::ObjectName,
    model::{Frame, JobId, Revision},
    protocol::{
        AppendAnswer, ArtifactPart, ClaimRequest, FinishReport, PROTOCOL_HEADER, PROTOCOL_VERSION,
        RegisterAnswer, RegisterRequest, RenewAnswer, RenewRequest, StartReport,
        unsupported_protocol,
    },
    queue::QueueError,
};

/// The largest batch of log frames.
const MAX_FRAMES: usize = 4 << 20;

/// What a plan may report: the text of `.kiln.toml` and a thousand paths.
const MAX_REPORT: usize = 8 << 20;

/// Room in an archive for what is not content: headers of files, and compression that fails.
const ARCHIVE_OVERHEAD: u64 = 64 << 20;

pub(super) fn routes() -> Router<AppState> {
    let attempt = Router::new()
        .route("/renew", post(renew))
        .route("/start", post(start))
        .route("/source", get(source))
        .route("/log", post(log).layer(DefaultBodyLimit::max(MAX_FRAMES)))
        .route("/artifacts/{part}", put(artifact))
        .route("/finish", post(finish).layer(DefaultBodyLimit::max(MAX_REPORT)));
    Router::new()
        .route("/agent/v1/hello", get(hello))
        .route("/agent/v1/register", post(register))
        .route("/agent/v1/claim", post(claim))
        .nest("/agent/v1/jobs/{job}/attempts/{attempt}", attempt)
        .layer(from_fn(speak))
}

/// Says with every answer which protocol this server speaks, refusals included, and turns agents
/// away that it does not understand: those that say no version are looked at where they register.
async fn speak(request: Request, next: Next) -> Response {
    let said = request.headers().get(PROTOCOL_HEADER).and_then(|said| said.to_str().ok());
    let theirs = said.and_then(|said| said.parse().ok());
    let mut response = match theirs.and_then(unsupported_protocol) {
        Some(sentence) => ApiError::from(QueueError::Protocol(sentence)).into_response(),
        None => next.run(request).await,
    };
    response.headers_mut().insert(PROTOCOL_HEADER, HeaderValue::from(PROTOCOL_VERSION));
    response
}

/// For agents that want to know whom they speak with before they say anything: the headers are the
/// answer. Any token will do.
async fn hello(_: Enrolls) -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn register(
    Enrolls(token): Enrolls,
    State(state): State<AppState>,
    Json(request): Json<RegisterRequest>,
) -> Result<Answer<RegisterAnswer>, ApiError> {
    Ok(Answer(state.auth.register(&token, &request).await?))
}

async fn claim(
    RunsJobs(agent): RunsJobs,
    State(state): State<AppState>,
    Json(request): Json<ClaimRequest>,
) -> Result<Response, ApiError> {
    let claimed = tokio::select! {
        claimed = state.queue.claim(agent, &request) => claimed?,
        // The agent asks again, and finds the next server.
        () = state.stop.cancelled() => None,
    };
    Ok(match claimed {
        Some(claimed) => Answer(claimed).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

async fn renew(
    RunsJobs(agent): RunsJobs,
    State(state): State<AppState>,
    Path((job, attempt)): Path<(JobId, u32)>,
    Json(request): Json<RenewRequest>,
) -> Result<Answer<RenewAnswer>, ApiError> {
    let renew = state.queue.renew(agent, job, attempt, &request);
    tokio::select! {
        answer = renew => Ok(Answer(answer?)),
        // Extended already; the agent renews again with the next server.
        () = state.stop.cancelled() => {
            let wait_none = RenewRequest { wait_ms: 0 };
            Ok(Answer(state.queue.renew(agent, job, attempt, &wait_none).await?))
        }
    }
}

async fn start(
    RunsJobs(agent): RunsJobs,
    State(state): State<AppState>,
    Path((job, attempt)): Path<(JobId, u32)>,
    Json(report): Json<StartReport>,
) -> Result<StatusCode, ApiError> {
    state.queue.start(agent, job, attempt, &report.sandbox).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The uploaded tree that the attempt builds.
async fn source(
    RunsJobs(agent): RunsJobs,
    State(state): State<AppState>,
    Path((job, attempt)): Path<(JobId, u32)>,
) -> Result<Response, ApiError> {
    state.queue.check_attempt(agent, job, attempt).await?;
    let view = state.queue.job(job).await?.ok_or_else(|| ApiError::not_found("job", job))?;
    let Revision::Tree(digest) = view.commit else {
        return Err(ApiError::invalid("this job builds a commit: fetch it from its repository"));
    };
    let object = state.uploads.open(&digest).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (header::CONTENT_LENGTH, object.meta.bytes.to_string()),
    ];
    Ok((headers, Body::from_stream(object.bytes)).into_response())
}

async fn log(
    RunsJobs(agent): RunsJobs,
    State(state): State<AppState>,
    Path((job, attempt)): Path<(JobId, u32)>,
    frames: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Answer<AppendAnswer>, ApiError> {
    let frames = frames.map_err(|_| ApiError::too_large(MAX_FRAMES as u64))?;
    let frames =
        Frame::decode_all(&frames).map_err(|error| ApiError::bad_request(error.to_string()))?;
    Ok(Answer(state.logs.append(agent, job, attempt, frames).await?))
}

async fn artifact(
    RunsJobs(agent): RunsJobs,
    State(state): State<AppState>,
    Path((job, attempt, part)): Path<(JobId, u32, ArtifactPart)>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let row = state.queue.check_attempt(agent, job, attempt).await?;
    let view = state.queue.job(job).await?.ok_or_else(|| ApiError::not_found("job", job))?;
    let key = attempt_key(&view, attempt)
        .ok_or_else(|| ApiError::invalid("a plan keeps no artifacts"))?;
    let (name, most) = match part {
        ArtifactPart::Archive => {
            (ObjectName::Archive, row.job.limits.artifact_bytes.saturating_add(ARCHIVE_OVERHEAD))
        }
        ArtifactPart::Manifest => (ObjectName::Manifest, MAX_MANIFEST),
        ArtifactPart::Diagnostics => {
            diagnostics::store(&state, &key, request.into_body()).await?;
            return Ok(StatusCode::NO_CONTENT);
        }
    };
    let bytes = request.into_body().into_data_stream().map_err(std::io::Error::other);
    state.artifacts.put_stream(&key.object(name), Box::pin(bytes), most).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn finish(
    RunsJobs(agent): RunsJobs,
    State(state): State<AppState>,
    Path((job, attempt)): Path<(JobId, u32)>,
    Json(report): Json<FinishReport>,
) -> Result<StatusCode, ApiError> {
    if report.artifacts.is_some() {
        let view = state.queue.job(job).await?.ok_or_else(|| ApiError::not_found("job", job))?;
        let key = attempt_key(&view, attempt)
            .ok_or_else(|| ApiError::invalid("a plan keeps no artifacts"))?;
        let stored = state.artifacts.head(&key.object(ObjectName::Archive)).await?;
        let manifest = state.artifacts.head(&key.object(ObjectName::Manifest)).await?;
        let described = match (&stored, manifest) {
            (Some(archive), Some(_)) => {
                // What could not be served later is refused now.
                let manifest = read_manifest(&state, &key).await;
                manifest.is_ok_and(|manifest| manifest.archive_bytes == archive.bytes)
            }
            _ => false,
        };
        if !described {
            state.queue.check_attempt(agent, job, attempt).await?;
            let sentence = "store the artifacts, and the manifest that describes them, first";
            return Err(ApiError::invalid(sentence));
        }
    }
    state.queue.finish(agent, job, attempt, report).await?;
    Ok(StatusCode::NO_CONTENT)
}
