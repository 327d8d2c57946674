//! Artifacts: of a job, and of a revision.
//!
//! What is served is a file that somebody else's code made: always as an attachment, never as
//! something a browser shows or runs. The object's key comes from the database, never from a path.

use std::time::Duration;

use axum::{
    Json as Answer,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
    routing::{MethodRouter, get},
};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter},
    routes,
};

use super::{ApiError, AppState, disposition::attachment, extract::Path, principal::Reads, ranged};
use crate::{
    archive::{ArtifactPath, HttpRange, Manifest, ManifestEntry},
    artifact::{AttemptKey, ObjectName, serve_file},
    model::{JobId, Revision, ToolchainName},
    protocol::{CommitArtifacts, ErrorEnvelope, Job},
};

/// The largest manifest that is read: a few hundred bytes for each of 100 000 files.
pub(super) const MAX_MANIFEST: u64 = 64 << 20;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(manifest))
        .routes(routes!(archive))
        .merge(deep(routes!(file), "/api/v1/jobs/{job}/artifacts/{*path}", get(file)))
        .routes(routes!(commit))
        .merge(deep(
            routes!(commit_file),
            "/api/v1/artifacts/{commit}/{toolchain}/{*path}",
            get(commit_file),
        ))
}

/// A route whose last parameter has slashes in it, which a path of the description cannot say.
pub(super) fn deep(
    described: UtoipaMethodRouter<AppState>,
    route: &str,
    handler: MethodRouter<AppState>,
) -> OpenApiRouter<AppState> {
    let description = OpenApiRouter::new().routes(described).into_openapi();
    OpenApiRouter::with_openapi(description).route(route, handler)
}

/// The manifest of a job's artifacts
#[utoipa::path(get, path = "/api/v1/jobs/{job}/manifest", tag = "artifacts", security(("token" = ["read"])),
    params(("job" = JobId, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = ErrorEnvelope)))]
async fn manifest(
    _: Reads,
    State(state): State<AppState>,
    Path(job): Path<JobId>,
) -> Result<Answer<Manifest>, ApiError> {
    let key = key(&state, job).await?;
    Ok(Answer(read_manifest(&state, &key).await?))
}

/// How long a URL of the store itself is good: to begin a download, not to pass around.
const SIGNED_FOR: Duration = Duration::from_mins(5);

/// All artifacts of a job, as a .tar.gz
#[utoipa::path(get, path = "/api/v1/jobs/{job}/artifacts.tar.gz", tag = "artifacts", security(("token" = ["read"])),
    params(("job" = JobId, Path),
        ("Range" = Option<String>, Header, description = "One byte range.")),
    responses(
        (status = 200, content_type = "application/gzip", body = [u8]),
        (status = 206, content_type = "application/gzip", body = [u8]),
        (status = 307, description = "The store itself has it, at this URL, for some minutes.",
            headers(("location" = String))),
        (status = "4XX", body = ErrorEnvelope),
    ))]
async fn archive(
    _: Reads,
    State(state): State<AppState>,
    Path(job): Path<JobId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key = key(&state, job).await?.object(ObjectName::Archive);
    let missing = || ApiError::not_found("artifacts of job", job);
    let meta = state.artifacts.head(&key).await?.ok_or_else(missing)?;
    if let Some(url) = state.artifacts.signed_url(&key, SIGNED_FOR).await? {
        let no_store = (header::CACHE_CONTROL, "no-store");
        return Ok((AppendHeaders([no_store]), Redirect::temporary(&url)).into_response());
    }
    let range = ranged::range(&headers, meta.bytes)?;
    let wanted = match &range {
        HttpRange::Part(range) => range.clone(),
        _ => 0..meta.bytes,
    };
    let object = state.artifacts.get_range(&key, wanted).await?;
    let mut response = ranged::response(range, meta.bytes, |_| Body::from_stream(object.bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/gzip"));
    headers.insert(header::CONTENT_DISPOSITION, attachment(&format!("{job}.tar.gz")));
    Ok(response)
}

/// One artifact of a job
#[utoipa::path(get, path = "/api/v1/jobs/{job}/artifacts/{path}", tag = "artifacts", security(("token" = ["read"])),
    params(("job" = JobId, Path), ("path" = String, Path, description = "As in the manifest."),
        ("Range" = Option<String>, Header, description = "One byte range.")),
    responses(
        (status = 200, content_type = "application/octet-stream", body = [u8]),
        (status = 206, content_type = "application/octet-stream", body = [u8]),
        (status = 304, description = "If-None-Match names its digest"),
        (status = "4XX", body = ErrorEnvelope),
    ))]
async fn file(
    _: Reads,
    State(state): State<AppState>,
    Path((job, path)): Path<(JobId, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    serve(&state, job, &path, &headers).await
}

/// What there is for a commit or an uploaded tree
#[utoipa::path(get, path = "/api/v1/artifacts/{commit}", tag = "artifacts", security(("token" = ["read"])),
    params(("commit" = Revision, Path)),
    responses((status = 200, body = CommitArtifacts), (status = "4XX", body = ErrorEnvelope)))]
async fn commit(
    Reads(scope): Reads,
    State(state): State<AppState>,
    Path(commit): Path<Revision>,
) -> Result<Answer<CommitArtifacts>, ApiError> {
    Ok(Answer(state.queue.commit_artifacts(&scope, &commit).await?))
}

/// One artifact of a commit or an uploaded tree
///
/// From the newest successful job of this toolchain that used the repository's own recipe.
#[utoipa::path(get, path = "/api/v1/artifacts/{commit}/{toolchain}/{path}", tag = "artifacts", security(("token" = ["read"])),
    params(("commit" = Revision, Path), ("toolchain" = ToolchainName, Path),
        ("path" = String, Path, description = "As in the manifest.")),
    responses(
        (status = 200, content_type = "application/octet-stream", body = [u8]),
        (status = "4XX", body = ErrorEnvelope),
    ))]
async fn commit_file(
    Reads(scope): Reads,
    State(state): State<AppState>,
    Path((commit, toolchain, path)): Path<(Revision, ToolchainName, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let there = state.queue.commit_artifacts(&scope, &commit).await?;
    let mut own = there.jobs.iter().filter(|job| job.own_recipe && job.toolchain == toolchain);
    let job = own.next().ok_or_else(|| {
        ApiError::not_found("successful job of this commit with toolchain", &toolchain)
    })?;
    serve(&state, job.job, &path, &headers).await
}

async fn serve(
    state: &AppState,
    job: JobId,
    path: &str,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found("artifact", path);
    let path = path.parse::<ArtifactPath>().map_err(|_| missing())?;
    let key = key(state, job).await?;
    let manifest = read_manifest(state, &key).await?;
    let entry = manifest.file(&path).ok_or_else(missing)?;
    let tag = format!("\"{}\"", entry.sha256);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let tag = HeaderValue::try_from(tag).expect("a digest is a header value");
    if known.is_some_and(|known| known.split(',').any(|known| tag == known.trim())) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let range = ranged::range(headers, entry.size)?;
    let mut response = file_response(state, &key, entry, range)?;
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

fn file_response(
    state: &AppState,
    key: &AttemptKey,
    entry: &ManifestEntry,
    range: HttpRange,
) -> Result<Response, ApiError> {
    let wanted = match &range {
        HttpRange::Part(range) => range.clone(),
        _ => 0..entry.size,
    };
    let archive = key.object(ObjectName::Archive);
    let bytes = serve_file(&state.artifacts, &archive, entry, wanted)?;
    let mut response = ranged::response(range, entry.size, |_| Body::from_stream(bytes));
    let headers = response.headers_mut();
    let binary = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, binary);
    let name = String::from_utf8_lossy(entry.path.file_name());
    headers.insert(header::CONTENT_DISPOSITION, attachment(&name));
    Ok(response)
}

/// Where the artifacts of a job's newest attempt are, if it kept any.
async fn key(state: &AppState, id: JobId) -> Result<AttemptKey, ApiError> {
    let job = state.queue.job(id).await?.ok_or_else(|| ApiError::not_found("job", id))?;
    let none = || ApiError::not_found("artifact of job", id);
    let newest = job.attempts.last().filter(|attempt| attempt.artifacts.is_some());
    if let Some(at) = newest.and_then(|attempt| attempt.artifacts_expired_at) {
        return Err(ApiError::expired("the artifacts of this job", at));
    }
    let number = newest.ok_or_else(none)?.number;
    attempt_key(&job, number).ok_or_else(none)
}

/// The key of an attempt's objects; a plan has none.
pub(super) fn attempt_key(job: &Job, number: u32) -> Option<AttemptKey> {
    let toolchain = job.summary.toolchain.as_ref()?;
    Some(AttemptKey::new(job.commit.clone(), toolchain, job.summary.id, number))
}

pub(super) async fn read_manifest(
    state: &AppState,
    key: &AttemptKey,
) -> Result<Manifest, ApiError> {
    let key = key.object(ObjectName::Manifest);
    let meta = state.artifacts.head(&key).await?;
    let meta = meta.ok_or_else(|| {
        tracing::error!("{key} is gone from the artifact repository");
        ApiError::gone("the artifacts of this job are gone from the artifact repository")
    })?;
    if meta.bytes > MAX_MANIFEST {
        return Err(ApiError::internal(format!("{key} has {} bytes", meta.bytes)));
    }
    let bytes = state.artifacts.read_range(&key, 0..meta.bytes).await?;
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::internal(format!("{key}: {error}")))?;
    manifest.check().map_err(|error| ApiError::internal(format!("{key}: {error}")))?;
    Ok(manifest)
}
