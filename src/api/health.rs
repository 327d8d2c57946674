//! `/healthz` and `/readyz`: for whoever watches over the process. Open to everybody; they tell
//! nothing but yes or no.

use axum::{extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;
use crate::protocol::ErrorEnvelope;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(alive)).routes(routes!(ready))
}

/// Whether the process runs
#[utoipa::path(get, path = "/healthz", tag = "health",
    responses((status = 200, body = String), (status = "4XX", body = ErrorEnvelope)))]
async fn alive() -> &'static str {
    "ok\n"
}

/// Whether it can do its work
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, body = String), (status = 503, body = String),
        (status = "4XX", body = ErrorEnvelope)))]
async fn ready(State(state): State<AppState>) -> (StatusCode, &'static str) {
    match state.store.ping().await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::error!(%error, "not ready: the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
    }
}
