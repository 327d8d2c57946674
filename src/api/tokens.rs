//! `/api/v1/tokens`, `/api/v1/whoami` and `/api/v1/audit`: who may what, and who did what.

use axum::{Json as Answer, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    extract::{Json, Path, Query},
    principal::{Administers, Anybody},
};
use crate::{
    model::TokenId,
    protocol::{
        AuditEntry, AuditFilter, ErrorEnvelope, MadeToken, NewToken, Page, TokenView, WhoView,
        page_limit,
    },
};

/// The longest a token may count that ends at all.
const LONGEST_SECONDS: u64 = 10 * 366 * 24 * 3600;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(whoami))
        .routes(routes!(make, tokens))
        .routes(routes!(revoke))
        .routes(routes!(audit))
}

/// Who asks
///
/// And what they may, where.
#[utoipa::path(get, path = "/api/v1/whoami", tag = "accounts",
    security(("token" = ["read"])),
    responses((status = 200, body = WhoView), (status = "4XX", body = ErrorEnvelope)))]
async fn whoami(
    Anybody(principal): Anybody,
    State(state): State<AppState>,
) -> Result<Answer<WhoView>, ApiError> {
    Ok(Answer(state.auth.who(&principal).await?))
}

/// Make a token
///
/// The token is in the answer and nowhere else. It ends in 90 days, unless more is said.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "accounts", request_body = NewToken,
    security(("token" = ["admin"])),
    responses((status = 201, body = MadeToken), (status = "4XX", body = ErrorEnvelope)))]
async fn make(
    Administers(principal): Administers,
    State(state): State<AppState>,
    Json(new): Json<NewToken>,
) -> Result<(StatusCode, Answer<MadeToken>), ApiError> {
    if let Some(sentence) = refusal(&new) {
        return Err(ApiError::invalid(sentence));
    }
    Ok((StatusCode::CREATED, Answer(state.auth.make_token(&principal, new).await?)))
}

fn refusal(new: &NewToken) -> Option<String> {
    if new.never_expires && new.expires_in_seconds.is_some() {
        return Some("give either expires_in_seconds or never_expires, not both".to_owned());
    }
    if new.expires_in_seconds.is_some_and(|it| !(1..=LONGEST_SECONDS).contains(&it)) {
        return Some(format!("expires_in_seconds must be between 1 and {LONGEST_SECONDS}"));
    }
    new.projects
        .as_ref()
        .is_some_and(Vec::is_empty)
        .then(|| "projects: name at least one, or leave it out for all".to_owned())
}

/// List tokens
///
/// What they are for and when they were used, without the tokens. The newest first, those that
/// count no more too.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "accounts", security(("token" = ["admin"])),
    responses((status = 200, body = Page<TokenView>), (status = "4XX", body = ErrorEnvelope)))]
async fn tokens(
    _: Administers,
    State(state): State<AppState>,
) -> Result<Answer<Page<TokenView>>, ApiError> {
    Ok(Answer(Page { items: state.auth.tokens().await?, next: None }))
}

/// Take a token back
///
/// From the next request on it opens nothing. Doing it again changes nothing.
#[utoipa::path(delete, path = "/api/v1/tokens/{token}", tag = "accounts",
    security(("token" = ["admin"])), params(("token" = TokenId, Path)),
    responses((status = 204), (status = "4XX", body = ErrorEnvelope)))]
async fn revoke(
    _: Administers,
    State(state): State<AppState>,
    Path(id): Path<TokenId>,
) -> Result<StatusCode, ApiError> {
    if state.auth.revoke_token(id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found("token", id))
    }
}

/// Read the audit log
///
/// Every request that was to change something, the newest first, those that were refused too.
#[utoipa::path(get, path = "/api/v1/audit", tag = "accounts", params(AuditFilter),
    security(("token" = ["admin"])),
    responses((status = 200, body = Page<AuditEntry>), (status = "4XX", body = ErrorEnvelope)))]
async fn audit(
    _: Administers,
    State(state): State<AppState>,
    Query(filter): Query<AuditFilter>,
) -> Result<Answer<Page<AuditEntry>>, ApiError> {
    let limit = page_limit(filter.limit).map_err(ApiError::invalid)?;
    let mut items = state.store.audit(filter.actor.as_deref(), filter.cursor, limit + 1).await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(|entry| entry.id.to_string());
    Ok(Answer(Page { items, next }))
}
