//! `/api/v1/queues`: where jobs wait, how many of them run, and who stops it.

use axum::{
    Json as Answer,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    extract::{Json, OptionalJson, Path},
    principal::{Administers, Reads},
};
use crate::{
    model::QueueName,
    protocol::{ErrorEnvelope, Page, PauseRequest, QueueRules, QueueView},
    queue::QueuePut,
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, put, remove))
        .routes(routes!(pause))
        .routes(routes!(resume))
}

/// List queues
///
/// By name, with what waits and runs in them.
#[utoipa::path(get, path = "/api/v1/queues", tag = "queues", security(("token" = ["read"])),
    responses((status = 200, body = Page<QueueView>), (status = "4XX", body = ErrorEnvelope)))]
async fn list(
    _: Reads,
    State(state): State<AppState>,
) -> Result<Answer<Page<QueueView>>, ApiError> {
    Ok(Answer(Page { items: state.queue.queues().await?, next: None }))
}

/// See a queue
#[utoipa::path(get, path = "/api/v1/queues/{queue}", tag = "queues", security(("token" = ["read"])),
    params(("queue" = QueueName, Path)),
    responses((status = 200, body = QueueView), (status = "4XX", body = ErrorEnvelope)))]
async fn show(
    _: Reads,
    State(state): State<AppState>,
    Path(name): Path<QueueName>,
) -> Result<Answer<QueueView>, ApiError> {
    Ok(Answer(state.queue.queue(&name).await?))
}

/// Make or change a queue
///
/// Its rules are replaced as a whole: a limit that is not given is none. What runs goes on, also above
/// a limit that is new; a pause stays.
#[utoipa::path(put, path = "/api/v1/queues/{queue}", tag = "queues", security(("token" = ["admin"])),
    params(("queue" = QueueName, Path)), request_body = QueueRules,
    responses(
        (status = 200, body = QueueView, description = "it was there and has these rules now"),
        (status = 201, body = QueueView, description = "it is new"),
        (status = "4XX", body = ErrorEnvelope),
    ))]
async fn put(
    _: Administers,
    State(state): State<AppState>,
    Path(name): Path<QueueName>,
    Json(rules): Json<QueueRules>,
) -> Result<impl IntoResponse, ApiError> {
    let status = match state.queue.put_queue(&name, &rules).await? {
        QueuePut::Made => StatusCode::CREATED,
        QueuePut::Changed => StatusCode::OK,
    };
    let location = [(header::LOCATION, format!("/api/v1/queues/{name}"))];
    Ok((status, location, Answer(state.queue.queue(&name).await?)))
}

/// Remove a queue
///
/// Refused while jobs wait or run in it, and for the queue `default`.
#[utoipa::path(delete, path = "/api/v1/queues/{queue}", tag = "queues", security(("token" = ["admin"])),
    params(("queue" = QueueName, Path)),
    responses((status = 204), (status = "4XX", body = ErrorEnvelope)))]
async fn remove(
    _: Administers,
    State(state): State<AppState>,
    Path(name): Path<QueueName>,
) -> Result<StatusCode, ApiError> {
    state.queue.remove_queue(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Pause a queue
///
/// No job of it is given out until it is resumed; what runs goes on, and so do plans. Builds can be
/// submitted: their jobs wait and say why.
#[utoipa::path(post, path = "/api/v1/queues/{queue}/pause", tag = "queues", security(("token" = ["admin"])),
    params(("queue" = QueueName, Path)), request_body = PauseRequest,
    responses((status = 200, body = QueueView), (status = "4XX", body = ErrorEnvelope)))]
async fn pause(
    Administers(principal): Administers,
    State(state): State<AppState>,
    Path(name): Path<QueueName>,
    OptionalJson(request): OptionalJson<PauseRequest>,
) -> Result<Answer<QueueView>, ApiError> {
    let why = (&*request.reason, &*principal.as_key());
    Ok(Answer(state.queue.pause_queue(&name, why).await?))
}

/// Have a queue give out jobs again
#[utoipa::path(post, path = "/api/v1/queues/{queue}/resume", tag = "queues", security(("token" = ["admin"])),
    params(("queue" = QueueName, Path)),
    responses((status = 200, body = QueueView), (status = "4XX", body = ErrorEnvelope)))]
async fn resume(
    _: Administers,
    State(state): State<AppState>,
    Path(name): Path<QueueName>,
) -> Result<Answer<QueueView>, ApiError> {
    Ok(Answer(state.queue.resume_queue(&name).await?))
}
