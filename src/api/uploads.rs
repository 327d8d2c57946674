//! `/api/v1/uploads`: working trees in, and whether one is there already.

use axum::{
    Json as Answer,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use futures_util::TryStreamExt as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiError, AppState, extract::Path, principal::Submits};
use crate::{
    model::TreeDigest,
    protocol::{ErrorEnvelope, Upload},
};

/// What a tar is called. A form of another site cannot send these; what it is, its bytes say.
const KINDS: [&str; 5] = [
    "application/x-tar",
    "application/gzip",
    "application/x-gzip",
    "application/x-gtar",
    "application/octet-stream",
];

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(take)).routes(routes!(show)).routes(routes!(renew))
}

/// Upload a working tree
///
/// A tar of the tree, plain or gzipped; paths are relative to the tree's root. The answer's digest
/// is what a build names as its source. Sending the same tree again keeps it longer.
#[utoipa::path(post, path = "/api/v1/uploads", tag = "uploads", security(("token" = ["submit"])),
    request_body(content((Vec<u8> = "application/gzip"), (Vec<u8> = "application/x-tar"))),
    responses(
        (status = 201, body = Upload),
        (status = 507, body = ErrorEnvelope, description = "the server's disk is nearly full"),
        (status = "4XX", body = ErrorEnvelope, description = "no tar, names that lead out, hard links, devices, too large …"),
    ))]
async fn take(
    Submits(principal): Submits,
    State(state): State<AppState>,
    headers: HeaderMap,
    request: Request,
) -> Result<impl IntoResponse, ApiError> {
    check_kind(&headers)?;
    ApiError::unless_space(&state.queue.settings().space)?;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let most = state.uploads.bounds().body_bytes;
    if length.and_then(|length| length.parse().ok()).is_some_and(|length: u64| length > most) {
        return Err(ApiError::too_large(most));
    }
    let body = request.into_body().into_data_stream().map_err(std::io::Error::other);
    let upload = state.uploads.take(&principal, Box::pin(body)).await?;
    let location = [(header::LOCATION, format!("/api/v1/uploads/{}", upload.digest))];
    Ok((StatusCode::CREATED, location, Answer(upload)))
}

/// See an upload
///
/// Whether this tree is there, and until when.
#[utoipa::path(get, path = "/api/v1/uploads/{digest}", tag = "uploads", security(("token" = ["submit"])),
    params(("digest" = TreeDigest, Path)),
    responses((status = 200, body = Upload), (status = "4XX", body = ErrorEnvelope)))]
async fn show(
    Submits(principal): Submits,
    State(state): State<AppState>,
    Path(digest): Path<TreeDigest>,
) -> Result<Answer<Upload>, ApiError> {
    let upload = state.uploads.find(&principal, &digest).await?;
    upload.map(Answer).ok_or_else(|| ApiError::not_found("upload", digest))
}

/// Keep an upload longer
///
/// Asked before a tree is sent: where this finds it, nothing needs to be sent.
#[utoipa::path(post, path = "/api/v1/uploads/{digest}/renew", tag = "uploads", security(("token" = ["submit"])),
    params(("digest" = TreeDigest, Path)),
    responses((status = 200, body = Upload), (status = "4XX", body = ErrorEnvelope)))]
async fn renew(
    Submits(principal): Submits,
    State(state): State<AppState>,
    Path(digest): Path<TreeDigest>,
) -> Result<Answer<Upload>, ApiError> {
    let upload = state.uploads.renew(&principal, &digest).await?;
    upload.map(Answer).ok_or_else(|| ApiError::not_found("upload", digest))
}

fn check_kind(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if KINDS.iter().any(|known| essence.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    Err(ApiError::bad_request(
        "send a tar with Content-Type: application/x-tar, or application/gzip if it is gzipped",
    ))
}
