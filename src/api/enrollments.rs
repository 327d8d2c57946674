//! `/api/v1/enrollments`: tokens that let agents in.

use axum::{Json as Answer, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    extract::{Json, Path},
    principal::Administers,
};
use crate::{
    model::EnrollmentId,
    protocol::{EnrollmentView, ErrorEnvelope, MadeEnrollment, NewEnrollment, Page},
};

/// The longest an enrollment token may count.
const LONGEST_SECONDS: u64 = 366 * 24 * 3600;
/// The longest note and name prefix.
const MAX_TEXT: usize = 128;
/// The most labels a token gives.
const MAX_LABELS: usize = 32;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(enroll, enrollments)).routes(routes!(revoke))
}

/// Make an enrollment token
///
/// The token is in the answer and nowhere else. It lets in one agent within an hour, unless more is
/// said.
#[utoipa::path(post, path = "/api/v1/enrollments", tag = "farm", security(("token" = ["admin"])), request_body = NewEnrollment,
    responses((status = 201, body = MadeEnrollment), (status = "4XX", body = ErrorEnvelope)))]
async fn enroll(
    Administers(principal): Administers,
    State(state): State<AppState>,
    Json(new): Json<NewEnrollment>,
) -> Result<(StatusCode, Answer<MadeEnrollment>), ApiError> {
    if let Some(sentence) = refusal(&new) {
        return Err(ApiError::invalid(sentence));
    }
    Ok((StatusCode::CREATED, Answer(state.auth.enroll(&principal, new).await?)))
}

fn refusal(new: &NewEnrollment) -> Option<String> {
    let is_text = |text: &str| text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
    if new.unlimited && new.uses.is_some() {
        return Some("give either uses or unlimited, not both".to_owned());
    }
    if new.uses == Some(0) {
        return Some("uses must be at least 1".to_owned());
    }
    if new.expires_in_seconds.is_some_and(|it| !(1..=LONGEST_SECONDS).contains(&it)) {
        return Some(format!("expires_in_seconds must be between 1 and {LONGEST_SECONDS}"));
    }
    if new.labels.len() > MAX_LABELS {
        return Some(format!("labels: at most {MAX_LABELS}"));
    }
    (!is_text(&new.note) || !is_text(&new.name_prefix))
        .then(|| format!("note and name_prefix: at most {MAX_TEXT} bytes on one line"))
}

/// List enrollment tokens
///
/// What they are and how often they were used, without the tokens.
#[utoipa::path(get, path = "/api/v1/enrollments", tag = "farm", security(("token" = ["admin"])),
    responses((status = 200, body = Page<EnrollmentView>), (status = "4XX", body = ErrorEnvelope)))]
async fn enrollments(
    _: Administers,
    State(state): State<AppState>,
) -> Result<Answer<Page<EnrollmentView>>, ApiError> {
    Ok(Answer(Page { items: state.auth.enrollments().await?, next: None }))
}

/// Take an enrollment token back
///
/// Agents that it has let in stay.
#[utoipa::path(delete, path = "/api/v1/enrollments/{enrollment}", tag = "farm", security(("token" = ["admin"])),
    params(("enrollment" = EnrollmentId, Path)),
    responses((status = 204), (status = "4XX", body = ErrorEnvelope)))]
async fn revoke(
    _: Administers,
    State(state): State<AppState>,
    Path(id): Path<EnrollmentId>,
) -> Result<StatusCode, ApiError> {
    if state.auth.revoke(id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found("enrollment", id))
    }
}
