//! `/api/v1/projects/{project}/watch`, `check` and `refs`: what is built by itself, and what became of it.

use axum::{Json as Answer, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    extract::{Json, Path},
    principal::{Administers, Reads, Submits},
    projects::named,
};
use crate::{
    model::{ProjectName, WatchRules},
    protocol::{ErrorEnvelope, HeadView, Page, WatchView},
    store::{HeadRow, WatchRow},
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(show, put, remove))
        .routes(routes!(check))
        .routes(routes!(refs))
}

/// See how a project is watched
#[utoipa::path(get, path = "/api/v1/projects/{project}/watch", tag = "projects",
    security(("token" = ["read"])), params(("project" = ProjectName, Path)),
    responses((status = 200, body = WatchView), (status = "4XX", body = ErrorEnvelope)))]
async fn show(
    _: Reads,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<Answer<WatchView>, ApiError> {
    let project = named(&state, &name).await?;
    let row = state.store.watch(project.id).await?;
    row.map(|row| Answer(view(row))).ok_or_else(|| not_watched(&name))
}

/// Watch a project
///
/// From now on new commits of its branches and tags are built by themselves. Of what is there already, the
/// default branch is built; all other refs are built when they move.
#[utoipa::path(put, path = "/api/v1/projects/{project}/watch", tag = "projects",
    security(("token" = ["admin"])), params(("project" = ProjectName, Path)),
    request_body = WatchRules,
    responses((status = 200, body = WatchView), (status = "4XX", body = ErrorEnvelope)))]
async fn put(
    _: Administers,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
    Json(rules): Json<WatchRules>,
) -> Result<Answer<WatchView>, ApiError> {
    rules.check().map_err(|error| ApiError::invalid(error.to_string()))?;
    let project = named(&state, &name).await?;
    if project.url.is_none() {
        let sentence = format!("the project {name} has no repository that could be watched");
        return Err(ApiError::conflict(sentence));
    }
    state.queue.check_watch(&rules).await?;
    let now = state.queue.time().await?;
    let mut tx = state.store.begin().await?;
    state.store.put_watch(&mut tx, project.id, &rules, now).await?;
    state.store.tell_of_project(&mut tx, now, project.id).await?;
    tx.commit().await?;
    tracing::info!(project.id = %project.id, project.name = %name, "project watched");
    let row = state.store.watch(project.id).await?;
    row.map(|row| Answer(view(row))).ok_or_else(|| not_watched(&name))
}

/// Watch a project no longer
#[utoipa::path(delete, path = "/api/v1/projects/{project}/watch", tag = "projects",
    security(("token" = ["admin"])), params(("project" = ProjectName, Path)),
    responses((status = 204), (status = "4XX", body = ErrorEnvelope)))]
async fn remove(
    _: Administers,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<StatusCode, ApiError> {
    let project = named(&state, &name).await?;
    let now = state.queue.time().await?;
    let mut tx = state.store.begin().await?;
    let removed = state.store.remove_watch(&mut tx, project.id).await?;
    state.store.tell_of_project(&mut tx, now, project.id).await?;
    tx.commit().await?;
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(not_watched(&name)) }
}

/// Look at a project's repository now
///
/// It is asked within a second or two; `refs` shows what became of it.
#[utoipa::path(post, path = "/api/v1/projects/{project}/check", tag = "projects",
    security(("token" = ["submit"])), params(("project" = ProjectName, Path)),
    responses((status = 202), (status = "4XX", body = ErrorEnvelope)))]
async fn check(
    _: Submits,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<StatusCode, ApiError> {
    let project = named(&state, &name).await?;
    let is_watched = state.rebuilder.check(project.id).await?;
    if is_watched { Ok(StatusCode::ACCEPTED) } else { Err(not_watched(&name)) }
}

/// See the refs of a watched project
///
/// Where each was seen last, and what was made of it: a build, or why there is none.
#[utoipa::path(get, path = "/api/v1/projects/{project}/refs", tag = "projects",
    security(("token" = ["read"])), params(("project" = ProjectName, Path)),
    responses((status = 200, body = Page<HeadView>), (status = "4XX", body = ErrorEnvelope)))]
async fn refs(
    _: Reads,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<Answer<Page<HeadView>>, ApiError> {
    let project = named(&state, &name).await?;
    let heads = state.store.heads(project.id).await?;
    Ok(Answer(Page { items: heads.into_iter().map(head).collect(), next: None }))
}

fn not_watched(name: &ProjectName) -> ApiError {
    ApiError::not_found("watch of the project", name)
}

fn view(row: WatchRow) -> WatchView {
    WatchView { rules: row.rules, seen_at: row.seen_at, next_at: row.next_at, problem: row.problem }
}

fn head(row: HeadRow) -> HeadView {
    HeadView {
        name: row.name,
        commit: row.commit,
        seen_at: row.seen_at,
        build: row.build,
        skipped: row.skipped,
    }
}
