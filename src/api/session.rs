//! `/api/v1/session`: signing in with a browser.
//!
//! A browser gets the token back as a cookie that no script can read and no other site can send, sealed
//! with the server's key. Whatever changes something needs a header beside it, which forms and links
//! of other sites cannot have.

use std::time::Duration;

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiError, AppState, extract::Json, guard::is_ours, principal::Stranger};
use crate::{
    model::Principal,
    protocol::{ErrorEnvelope, NewSession, WhoView},
};

/// The cookie's name.
const COOKIE: &str = "kiln_session";
/// The header that a page sends with everything that changes something.
const PAGE: HeaderName = HeaderName::from_static("x-kiln-page");
/// How long a session lasts, unless its token ends before.
const LASTS: Duration = Duration::from_hours(24 * 30);

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(begin, end))
}

/// Sign in
///
/// With a token; the answer has a cookie that stands for it. With the cookie, requests other than GET need
/// the header `X-Kiln-Page: 1`.
#[utoipa::path(post, path = "/api/v1/session", tag = "accounts", request_body = NewSession,
    responses((status = 200, body = WhoView), (status = "4XX", body = ErrorEnvelope)))]
async fn begin(
    stranger: Stranger,
    State(state): State<AppState>,
    Json(new): Json<NewSession>,
) -> Result<([(HeaderName, HeaderValue); 1], Answer<WhoView>), ApiError> {
    let token = std::str::from_utf8(new.token.reveal()).unwrap_or_default().trim();
    let principal = match state.auth.principal(Some(token)).await.map_err(ApiError::from) {
        Ok(principal) => principal,
        Err(error) => {
            if error.is_unauthorized() {
                stranger.has_failed(&state)?;
            }
            return Err(error);
        }
    };
    if matches!(principal, Principal::Agent(_)) {
        return Err(ApiError::forbidden("an agent's token only opens the agent API"));
    }
    let now = state.queue.time().await?;
    let value = state.secrets.seal_session(token, now.plus(LASTS));
    let who = state.auth.who(&principal).await?;
    Ok((cookie(&state, &value, LASTS)?, Answer(who)))
}

/// Sign out
#[utoipa::path(delete, path = "/api/v1/session", tag = "accounts",
    responses((status = 204), (status = "4XX", body = ErrorEnvelope)))]
async fn end(
    _: Stranger,
    State(state): State<AppState>,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1]), ApiError> {
    Ok((StatusCode::NO_CONTENT, cookie(&state, "", Duration::ZERO)?))
}

fn cookie(
    state: &AppState,
    value: &str,
    lasts: Duration,
) -> Result<[(HeaderName, HeaderValue); 1], ApiError> {
    let secure = if state.secure_cookies { "; Secure" } else { "" };
    let text = format!(
        "{COOKIE}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}",
        lasts.as_secs()
    );
    let mut value = HeaderValue::try_from(text).map_err(ApiError::internal)?;
    value.set_sensitive(true);
    Ok([(header::SET_COOKIE, value)])
}

/// The token of a request's session, if it has one.
pub(super) async fn token(parts: &Parts, state: &AppState) -> Result<Option<String>, ApiError> {
    let Some(cookie) = sent(&parts.headers) else { return Ok(None) };
    let changes = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && !parts.headers.contains_key(PAGE) {
        return Err(ApiError::forbidden(
            "a session changes something only with the header X-Kiln-Page, which other sites cannot send",
        ));
    }
    let site = parts.headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    let is_here = site.is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin = parts.headers.get(header::ORIGIN);
    if changes && !is_here && !origin.is_some_and(|origin| is_ours(state, origin)) {
        return Err(ApiError::forbidden("requests from other web sites are refused"));
    }
    let now = state.queue.time().await?;
    match state.secrets.open_session(cookie, now) {
        Some(token) => Ok(Some(token)),
        None => Err(ApiError::unauthorized("the session has ended: sign in again")),
    }
}

fn sent(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == COOKIE && !value.is_empty()).map(|(_, value)| value)
}
