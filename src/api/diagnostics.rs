//! `/api/v1/jobs/{job}/diagnostics`: what compilers, linkers and build tools said, as JSON or SARIF.
//!
//! An agent stores them, gzipped, before it finishes; they are read whole and checked on the way in,
//! so that what is there can be answered. An attempt in which nothing was said stores nothing.

use std::io::Read as _;

use axum::{
    Json as Answer,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    artifacts::attempt_key,
    extract::{Path, Query},
    principal::Reads,
};
use crate::{
    artifact::{AttemptKey, ObjectName},
    model::JobId,
    protocol::{
        AttemptView, BuildSource, DiagnosticsFormat, DiagnosticsQuery, DiagnosticsReport,
        ErrorEnvelope, Job, JobDiagnostics,
    },
    sarif::{Origin, sarif},
};

/// The largest object an agent may store: ten thousand diagnostics with their notes are under 1 MiB.
pub(super) const MAX_STORED: usize = 16 << 20;
/// The most that is inflated of one: an agent keeps 8 MiB of text, and JSON may double it.
const MAX_INFLATED: u64 = 64 << 20;
/// The media type of SARIF.
const SARIF: &str = "application/sarif+json";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(diagnostics))
}

/// Errors and warnings of a job
///
/// Every different one once, with how often it was said, its notes, and the way to it. With
/// `Accept: application/sarif+json` or `?format=sarif` as SARIF 2.1.0.
#[utoipa::path(get, path = "/api/v1/jobs/{job}/diagnostics", tag = "jobs", security(("token" = ["read"])),
    params(("job" = JobId, Path), DiagnosticsQuery),
    responses(
        (status = 200, content(
            (JobDiagnostics = "application/json"),
            (Object = "application/sarif+json"),
        )),
        (status = "4XX", body = ErrorEnvelope),
    ))]
async fn diagnostics(
    _: Reads,
    State(state): State<AppState>,
    Path(id): Path<JobId>,
    Query(query): Query<DiagnosticsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let job = state.queue.job(id).await?.ok_or_else(|| ApiError::not_found("job", id))?;
    let none = || ApiError::not_found("diagnostics of job", id);
    let attempt = match query.attempt {
        Some(number) => job.attempts.iter().find(|attempt| attempt.number == number),
        None => job.attempts.last(),
    };
    let attempt = attempt.ok_or_else(none)?;
    let key = attempt_key(&job, attempt.number).ok_or_else(none)?;
    let mut report = stored(&state, &key, attempt).await?.ok_or_else(none)?;
    if let Some(wanted) = query.severity {
        report.diagnostics.retain(|one| wanted.takes(one.severity));
    }
    let view = view(&job, attempt, report).ok_or_else(none)?;
    let as_sarif = match query.format {
        Some(format) => format == DiagnosticsFormat::Sarif,
        None => accepts_sarif(&headers),
    };
    let vary = (header::VARY, HeaderValue::from_static("accept"));
    if !as_sarif {
        return Ok(([vary], Answer(view)).into_response());
    }
    let build = state.queue.build(job.build).await?;
    let repository = build.and_then(|build| match build.source {
        BuildSource::Git(git) => Some(git.url),
        BuildSource::Upload(_) => None,
    });
    let commit = job.commit.to_string();
    let origin = repository.as_ref().map(|repository| Origin { repository, commit: &commit });
    let mut response = Answer(sarif(&view, origin)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SARIF));
    headers.insert(vary.0, vary.1);
    Ok(response)
}

/// Stores what an agent sends for an attempt.
pub(super) async fn store(state: &AppState, key: &AttemptKey, body: Body) -> Result<(), ApiError> {
    let bytes = to_bytes(body, MAX_STORED).await;
    let bytes = bytes.map_err(|_| ApiError::too_large(MAX_STORED as u64))?;
    let read = inflate(bytes.clone()).await;
    read.map_err(|problem| ApiError::invalid(format!("diagnostics: {problem}")))?;
    state.artifacts.put_bytes(&key.object(ObjectName::Diagnostics), bytes).await?;
    Ok(())
}

/// What is stored of an attempt; empty if it said that there is nothing.
async fn stored(
    state: &AppState,
    key: &AttemptKey,
    attempt: &AttemptView,
) -> Result<Option<DiagnosticsReport>, ApiError> {
    let key = key.object(ObjectName::Diagnostics);
    let Some(meta) = state.artifacts.head(&key).await? else {
        let silent = attempt.diagnostics.as_ref().filter(|seen| seen.errors + seen.warnings == 0);
        return Ok(silent.map(|_| DiagnosticsReport::default()));
    };
    let bytes = state.artifacts.read_range(&key, 0..meta.bytes).await?;
    let read = inflate(bytes).await;
    read.map(Some).map_err(|problem| ApiError::internal(format!("{key}: {problem}")))
}

/// What is in an object; on a thread that may be held up by it.
async fn inflate(bytes: Bytes) -> Result<DiagnosticsReport, String> {
    let read = tokio::task::spawn_blocking(move || unpack(&bytes)).await;
    read.unwrap_or_else(|error| Err(error.to_string()))
}

fn unpack(bytes: &[u8]) -> Result<DiagnosticsReport, String> {
    let mut text = Vec::new();
    let mut reader = MultiGzDecoder::new(bytes).take(MAX_INFLATED + 1);
    reader.read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_INFLATED {
        return Err(format!("more than {MAX_INFLATED} bytes of JSON"));
    }
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

fn view(job: &Job, attempt: &AttemptView, report: DiagnosticsReport) -> Option<JobDiagnostics> {
    Some(JobDiagnostics {
        job: job.summary.id,
        attempt: attempt.number,
        commit: job.commit.clone(),
        toolchain: job.summary.toolchain.clone()?,
        compiler: attempt.sandbox.as_ref().map(|one| one.compiler.clone()).unwrap_or_default(),
        errors: report.errors,
        warnings: report.warnings,
        omitted: report.omitted,
        diagnostics: report.diagnostics,
    })
}

/// Whether SARIF is asked for by name; `*/*` is answered with plain JSON.
fn accepts_sarif(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let essence = range.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case(SARIF)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sarif_is_answered_only_to_who_names_it() {
        for (accept, expected) in [
            ("application/sarif+json", true),
            ("text/html, application/SARIF+json;q=0.9", true),
            ("application/json", false),
            ("*/*", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(accepts_sarif(&headers), expected, "{accept}");
        }
    }
}
