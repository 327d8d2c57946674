//! `/healthz` and `/readyz`: for whoever watches over the process. Open to everybody; they tell
//! nothing but yes or no.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{extract::State, http::StatusCode};
use tokio::sync::Mutex;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;
use crate::{artifact::ArtifactStore, protocol::ErrorEnvelope};

/// How long the database and the artifact repository may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long an answer of the artifact repository is believed: it may cost money to ask.
const BELIEVED: Duration = Duration::from_secs(10);

/// Whether the artifact repository answered lately.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<Option<(Instant, bool)>>>);

impl Readiness {
    async fn artifacts(&self, store: &ArtifactStore) -> bool {
        // One asks, the others wait for what it hears.
        let mut known = self.0.lock().await;
        if let Some((at, answers)) = *known
            && at.elapsed() < BELIEVED
        {
            return answers;
        }
        let asked = tokio::time::timeout(PATIENCE, store.probe()).await;
        let answers = match asked {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, "not ready: the artifact repository does not answer");
                false
            }
            Err(_) => {
                tracing::error!("not ready: the artifact repository does not answer in time");
                false
            }
        };
        *known = Some((Instant::now(), answers));
        answers
    }
}

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
    let database = match tokio::time::timeout(PATIENCE, state.store.ping()).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, "not ready: the database does not answer");
            false
        }
        Err(_) => {
            tracing::error!("not ready: the database does not answer in time");
            false
        }
    };
    if !database {
        return (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n");
    }
    if !state.readiness.artifacts(&state.artifacts).await {
        return (StatusCode::SERVICE_UNAVAILABLE, "the artifact repository does not answer\n");
    }
    if state.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "it is stopping\n");
    }
    // What there is can still be read, and jobs that run go on.
    if state.queue.settings().space.shortage().is_some() {
        return (StatusCode::OK, "ok, but its disk is nearly full: it takes no builds\n");
    }
    (StatusCode::OK, "ok\n")
}
