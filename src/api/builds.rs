//! `/api/v1/builds`: submit, list, see, cancel, retry.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    extract::{Json, OptionalJson, Path, Query},
    principal::{Administers, Reads, Submits},
};
use crate::{
    model::{BuildId, CancelReason, Revision, Scope},
    protocol::{
        Build, BuildFilter, BuildSource, ErrorEnvelope, GitSource, GitSubmission, Page, Pin,
        PinRequest, Retry, SourceSubmission, SubmitBuild, Trigger, UploadSource,
    },
    queue::Submission,
    source::{GitUrl, LoginReach, RefSpec},
};

/// The longest idempotency key.
const MAX_KEY: usize = 255;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(submit, list))
        .routes(routes!(show, remove))
        .routes(routes!(pin, unpin))
        .routes(routes!(remove_artifacts))
        .routes(routes!(cancel))
        .routes(routes!(retry))
}

/// Submit a build
///
/// The ref is resolved to a commit at once, so that every job builds the same one; a working tree is
/// uploaded first. The answer has no jobs yet: the plan finds out which there are.
#[utoipa::path(post, path = "/api/v1/builds", tag = "builds", security(("token" = ["submit"])), request_body = SubmitBuild,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "Sending the same request with the same key again gives the same build.")),
    responses(
        (status = 201, body = Build),
        (status = 507, body = ErrorEnvelope, description = "the server's disk is nearly full"),
        (status = "4XX", body = ErrorEnvelope, description = "unknown ref or toolchain, unreachable host, limits above policy …"),
    ))]
async fn submit(
    Submits(principal): Submits,
    State(state): State<AppState>,
    headers: HeaderMap,
    Json(request): Json<SubmitBuild>,
) -> Result<impl IntoResponse, ApiError> {
    let key = idempotency_key(&headers)?;
    state.queue.check(&request)?;
    if let Some(key) = &key
        && let Some(id) = state.queue.replay(&principal, key, &request).await?
    {
        return created(&state, id).await;
    }
    ApiError::unless_space(&state.queue.settings().space)?;
    state.queue.check_queue(&request).await?;
    let (source, commit, resolved_ref) = match &request.source {
        SourceSubmission::Git(git) => resolve(&state, (&principal.scope(), git)).await?,
        SourceSubmission::Upload(upload) => {
            let source = UploadSource { upload: upload.digest.clone(), base: upload.base.clone() };
            (BuildSource::Upload(source), Revision::Tree(upload.digest.clone()), None)
        }
    };
    // Before the build, which then belongs to the project that is watched.
    if let (BuildSource::Git(git), Scope::All) = (&source, principal.scope()) {
        let by = principal.as_key();
        state.rebuilder.adopt(&git.url, resolved_ref.as_deref(), &by).await?;
    }
    let project = state.queue.project_for(&principal.scope(), &request, &source).await?;
    let trigger = Trigger::Manual;
    let submission =
        Submission { principal, request, source, commit, project, resolved_ref, trigger, key };
    let id = state.queue.submit(submission).await?;
    created(&state, id).await
}

/// The commit that a git source stands for now.
async fn resolve(
    state: &AppState,
    (scope, git): (&Scope, &GitSubmission),
) -> Result<(BuildSource, Revision, Option<String>), ApiError> {
    let url: GitUrl = state.sources.parse_url(&git.url)?;
    let url = as_its_project(state, scope, url).await?;
    let wanted = match (&git.reference, &git.commit) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid("source.git: give either ref or commit, not both"));
        }
        (Some(reference), None) => RefSpec::Ref(reference.clone()),
        (None, Some(commit)) => RefSpec::Commit(commit.clone()),
        (None, None) => RefSpec::Default,
    };
    let place = state.resolving.acquire().await.map_err(ApiError::internal)?;
    let resolved = state.sources.resolve(&url, &wanted).await?;
    drop(place);
    // What was resolved tells the agent where to look if the remote gives out no bare commits.
    let found = resolved.refname.as_deref().and_then(|name| name.parse().ok());
    let source = GitSource { url: url.to_string(), reference: git.reference.clone().or(found) };
    Ok((BuildSource::Git(source), resolved.commit.into(), resolved.refname))
}

/// The URL with the login of the project whose repository it is, for who may build that.
async fn as_its_project(state: &AppState, scope: &Scope, url: GitUrl) -> Result<GitUrl, ApiError> {
    let project = state.store.project_of_url(&url.to_string()).await?;
    let Some(project) = project.filter(|project| scope.has(Some(project.id))) else {
        return Ok(url);
    };
    let mut tx = state.store.snapshot().await?;
    let login = state.secrets.login_for(&mut tx, project.id, &url.authority()).await?;
    Ok(url.with_login(login.map(|login| (Arc::new(login), LoginReach::Itself))))
}

async fn created(
    state: &AppState,
    id: BuildId,
) -> Result<(StatusCode, [(header::HeaderName, String); 1], Answer<Build>), ApiError> {
    let build = state.queue.build(id).await?;
    let build = build.ok_or_else(|| ApiError::not_found("build", id))?;
    let location = [(header::LOCATION, format!("/api/v1/builds/{id}"))];
    Ok((StatusCode::CREATED, location, Answer(build)))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=MAX_KEY).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(ApiError::bad_request(format!(
            "Idempotency-Key: 1 to {MAX_KEY} printable ASCII characters"
        ))),
    }
}

/// List builds
///
/// The newest first.
#[utoipa::path(get, path = "/api/v1/builds", tag = "builds", security(("token" = ["read"])), params(BuildFilter),
    responses((status = 200, body = Page<Build>), (status = "4XX", body = ErrorEnvelope)))]
async fn list(
    Reads(scope): Reads,
    State(state): State<AppState>,
    Query(filter): Query<BuildFilter>,
) -> Result<Answer<Page<Build>>, ApiError> {
    Ok(Answer(state.queue.builds(&scope, &filter).await?))
}

/// See a build
#[utoipa::path(get, path = "/api/v1/builds/{build}", tag = "builds", security(("token" = ["read"])),
    params(("build" = BuildId, Path)),
    responses((status = 200, body = Build), (status = "4XX", body = ErrorEnvelope)))]
async fn show(
    _: Reads,
    State(state): State<AppState>,
    Path(id): Path<BuildId>,
) -> Result<Answer<Build>, ApiError> {
    let build = state.queue.build(id).await?;
    build.map(Answer).ok_or_else(|| ApiError::not_found("build", id))
}

/// Cancel a build
///
/// Queued jobs end at once, running ones within seconds. Cancelling twice is not an error.
#[utoipa::path(post, path = "/api/v1/builds/{build}/cancel", tag = "builds", security(("token" = ["submit"])),
    params(("build" = BuildId, Path)),
    responses((status = 200, body = Build), (status = "4XX", body = ErrorEnvelope)))]
async fn cancel(
    _: Submits,
    State(state): State<AppState>,
    Path(id): Path<BuildId>,
) -> Result<Answer<Build>, ApiError> {
    state.queue.cancel_build(id, CancelReason::Requested).await?;
    let build = state.queue.build(id).await?;
    build.map(Answer).ok_or_else(|| ApiError::not_found("build", id))
}

/// Run jobs of a build again
///
/// Those of the named toolchains, else all that did not succeed.
#[utoipa::path(post, path = "/api/v1/builds/{build}/retry", tag = "builds", security(("token" = ["submit"])), request_body = Retry,
    params(("build" = BuildId, Path)),
    responses((status = 200, body = Build), (status = "4XX", body = ErrorEnvelope)))]
async fn retry(
    _: Submits,
    State(state): State<AppState>,
    Path(id): Path<BuildId>,
    OptionalJson(retry): OptionalJson<Retry>,
) -> Result<Answer<Build>, ApiError> {
    state.queue.retry_build(id, &retry.toolchains).await?;
    let build = state.queue.build(id).await?;
    build.map(Answer).ok_or_else(|| ApiError::not_found("build", id))
}

/// Remove a build
///
/// With its jobs, logs and artifacts, at once. Refused while it is not over, and if it is pinned.
#[utoipa::path(delete, path = "/api/v1/builds/{build}", tag = "builds",
    security(("token" = ["admin"])), params(("build" = BuildId, Path)),
    responses((status = 204), (status = "4XX", body = ErrorEnvelope)))]
async fn remove(
    _: Administers,
    State(state): State<AppState>,
    Path(id): Path<BuildId>,
) -> Result<StatusCode, ApiError> {
    state.retention.remove(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove the artifacts of a build
///
/// The build stays, with its logs, and says that they were removed.
#[utoipa::path(delete, path = "/api/v1/builds/{build}/artifacts", tag = "builds",
    security(("token" = ["admin"])), params(("build" = BuildId, Path)),
    responses((status = 204), (status = "4XX", body = ErrorEnvelope)))]
async fn remove_artifacts(
    _: Administers,
    State(state): State<AppState>,
    Path(id): Path<BuildId>,
) -> Result<StatusCode, ApiError> {
    state.retention.remove_artifacts(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Pin a build
///
/// It is kept with everything until the pin is taken away. Pinning it again changes the reason.
#[utoipa::path(put, path = "/api/v1/builds/{build}/pin", tag = "builds",
    security(("token" = ["submit"])), params(("build" = BuildId, Path)), request_body = PinRequest,
    responses((status = 200, body = Build), (status = "4XX", body = ErrorEnvelope)))]
async fn pin(
    Submits(principal): Submits,
    State(state): State<AppState>,
    Path(id): Path<BuildId>,
    OptionalJson(request): OptionalJson<PinRequest>,
) -> Result<Answer<Build>, ApiError> {
    if request.reason.len() > MAX_KEY || request.reason.contains(char::is_control) {
        return Err(ApiError::invalid(format!("reason: at most {MAX_KEY} bytes on one line")));
    }
    let since = state.queue.time().await?;
    let pin = Pin { reason: request.reason, since, by: principal.as_key() };
    set_pin(&state, id, Some(&pin)).await
}

/// Take the pin of a build away
#[utoipa::path(delete, path = "/api/v1/builds/{build}/pin", tag = "builds",
    security(("token" = ["submit"])), params(("build" = BuildId, Path)),
    responses((status = 200, body = Build), (status = "4XX", body = ErrorEnvelope)))]
async fn unpin(
    _: Submits,
    State(state): State<AppState>,
    Path(id): Path<BuildId>,
) -> Result<Answer<Build>, ApiError> {
    set_pin(&state, id, None).await
}

async fn set_pin(
    state: &AppState,
    id: BuildId,
    pin: Option<&Pin>,
) -> Result<Answer<Build>, ApiError> {
    let mut tx = state.store.begin().await?;
    let is_there = state.store.set_pin(&mut tx, id, pin).await?;
    tx.commit().await?;
    let build = if is_there { state.queue.build(id).await? } else { None };
    build.map(Answer).ok_or_else(|| ApiError::not_found("build", id))
}
