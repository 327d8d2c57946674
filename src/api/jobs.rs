//! `/api/v1/jobs/{job}`: see, cancel, retry.

use axum::{Json as Answer, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    extract::Path,
    principal::{Reads, Submits},
};
use crate::{
    model::{CancelReason, JobId},
    protocol::{ErrorEnvelope, Job},
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(cancel)).routes(routes!(retry))
}

/// See a job
#[utoipa::path(get, path = "/api/v1/jobs/{job}", tag = "jobs", security(("token" = ["read"])), params(("job" = JobId, Path)),
    responses((status = 200, body = Job), (status = "4XX", body = ErrorEnvelope)))]
async fn show(
    _: Reads,
    State(state): State<AppState>,
    Path(id): Path<JobId>,
) -> Result<Answer<Job>, ApiError> {
    job(&state, id).await
}

/// Cancel a job
///
/// A queued job ends at once, a running one within seconds. Cancelling twice is not an error.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/cancel", tag = "jobs", security(("token" = ["submit"])),
    params(("job" = JobId, Path)),
    responses((status = 200, body = Job), (status = "4XX", body = ErrorEnvelope)))]
async fn cancel(
    _: Submits,
    State(state): State<AppState>,
    Path(id): Path<JobId>,
) -> Result<Answer<Job>, ApiError> {
    state.queue.cancel_job(id, CancelReason::Requested).await?;
    job(&state, id).await
}

/// Run a finished job again
///
/// Answers the new job, which takes the old one's place in its build.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/retry", tag = "jobs", security(("token" = ["submit"])),
    params(("job" = JobId, Path)),
    responses((status = 200, body = Job), (status = "4XX", body = ErrorEnvelope)))]
async fn retry(
    _: Submits,
    State(state): State<AppState>,
    Path(id): Path<JobId>,
) -> Result<Answer<Job>, ApiError> {
    let new = state.queue.retry_job(id).await?;
    job(&state, new).await
}

async fn job(state: &AppState, id: JobId) -> Result<Answer<Job>, ApiError> {
    let job = state.queue.job(id).await?;
    job.map(Answer).ok_or_else(|| ApiError::not_found("job", id))
}
