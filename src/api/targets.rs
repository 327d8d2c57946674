//! `/api/v1/projects/{project}/targets` and `notices`: whom a project tells how its builds go.

use axum::{Json as Answer, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    extract::{Json, Path},
    principal::{Administers, Reads, Submits},
    projects::named,
};
use crate::{
    forge::SharedSecret,
    model::{NoticeId, ProjectName, TargetId, TargetKind},
    protocol::{ErrorEnvelope, NewTarget, NoticeView, Page, TargetView},
    store::{NoticeRow, TargetRow},
};

/// The longest token or key, in bytes.
const MAX_SECRET: usize = 4 << 10;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(remove))
        .routes(routes!(notices))
        .routes(routes!(resend))
}

/// List whom a project tells how its builds go
#[utoipa::path(get, path = "/api/v1/projects/{project}/targets", tag = "forges",
    security(("token" = ["submit"])), params(("project" = ProjectName, Path)),
    responses((status = 200, body = Page<TargetView>), (status = "4XX", body = ErrorEnvelope)))]
async fn list(
    _: Submits,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<Answer<Page<TargetView>>, ApiError> {
    let project = named(&state, &name).await?;
    let mut tx = state.store.snapshot().await?;
    let rows = state.store.targets(&mut tx, project.id).await?;
    Ok(Answer(Page { items: rows.into_iter().map(view).collect(), next: None }))
}

/// Tell somebody how builds of a project go
///
/// A forge gets commit statuses, one for each toolchain. A webhook gets `build.finished` with the build as
/// this API has it, signed in `X-Kiln-Signature-256` like GitHub's. What cannot be told is tried again for
/// about a day.
#[utoipa::path(post, path = "/api/v1/projects/{project}/targets", tag = "forges",
    security(("token" = ["admin"])), params(("project" = ProjectName, Path)), request_body = NewTarget,
    responses((status = 201, body = TargetView), (status = "4XX", body = ErrorEnvelope)))]
async fn add(
    Administers(principal): Administers,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
    Json(new): Json<NewTarget>,
) -> Result<(StatusCode, Answer<TargetView>), ApiError> {
    let text = std::str::from_utf8(new.secret.reveal()).unwrap_or_default();
    let least = if new.kind == TargetKind::Webhook { SharedSecret::SHORTEST } else { 1 };
    let fits = (least..=MAX_SECRET).contains(&text.len());
    if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ApiError::invalid(format!(
            "secret: {least} to {MAX_SECRET} letters, digits and signs, without spaces"
        )));
    }
    let project = named(&state, &name).await?;
    let forge = new.kind.forge();
    let found = || forge.and_then(|forge| forge.api_of(project.url.as_deref()?));
    let Some(url) = new.url.clone().or_else(found) else {
        return Err(ApiError::invalid(match forge {
            Some(_) => {
                "url: the project's URL says nothing of the forge's API: give the repository's address there"
            }
            None => "url: say where the webhook goes",
        }));
    };
    let url = state.sources.check_address(&url)?;
    let now = state.queue.time().await?;
    let target = (new.kind, url, &new.secret);
    let row = state.secrets.add_target(project.id, target, (principal.as_key(), now)).await?;
    tracing::info!(project.id = %project.id, target.id = %row.id, "somebody is told how builds go");
    Ok((StatusCode::CREATED, Answer(view(row))))
}

/// Tell somebody no longer
#[utoipa::path(delete, path = "/api/v1/projects/{project}/targets/{target}", tag = "forges",
    security(("token" = ["admin"])),
    params(("project" = ProjectName, Path), ("target" = TargetId, Path)),
    responses((status = 204), (status = "4XX", body = ErrorEnvelope)))]
async fn remove(
    _: Administers,
    State(state): State<AppState>,
    Path((name, id)): Path<(ProjectName, TargetId)>,
) -> Result<StatusCode, ApiError> {
    let project = named(&state, &name).await?;
    let mut tx = state.store.begin().await?;
    let removed = state.store.remove_target(&mut tx, (project.id, id)).await?;
    tx.commit().await?;
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found("target", id)) }
}

/// See what was told of a project's builds
///
/// The newest first, and why it could not be told where it could not.
#[utoipa::path(get, path = "/api/v1/projects/{project}/notices", tag = "forges",
    security(("token" = ["read"])), params(("project" = ProjectName, Path)),
    responses((status = 200, body = Page<NoticeView>), (status = "4XX", body = ErrorEnvelope)))]
async fn notices(
    _: Reads,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<Answer<Page<NoticeView>>, ApiError> {
    let project = named(&state, &name).await?;
    let rows = state.store.outbox(project.id).await?;
    Ok(Answer(Page { items: rows.into_iter().map(notice).collect(), next: None }))
}

/// Tell something once more
///
/// As things are now.
#[utoipa::path(post, path = "/api/v1/projects/{project}/notices/{notice}/resend", tag = "forges",
    security(("token" = ["submit"])),
    params(("project" = ProjectName, Path), ("notice" = NoticeId, Path)),
    responses((status = 202), (status = "4XX", body = ErrorEnvelope)))]
async fn resend(
    _: Submits,
    State(state): State<AppState>,
    Path((name, id)): Path<(ProjectName, NoticeId)>,
) -> Result<StatusCode, ApiError> {
    let project = named(&state, &name).await?;
    if !state.notifier.resend(project.id, id).await? {
        return Err(ApiError::not_found("notice", id));
    }
    Ok(StatusCode::ACCEPTED)
}

fn view(row: TargetRow) -> TargetView {
    TargetView {
        id: row.id,
        kind: row.kind,
        url: row.url,
        created_by: row.created_by,
        created_at: row.created_at,
    }
}

fn notice(row: NoticeRow) -> NoticeView {
    NoticeView {
        id: row.id,
        target: row.target,
        subject: row.subject,
        created_at: row.created_at,
        said: row.said,
        sent_at: row.sent_at,
        problem: row.problem,
        due_at: row.due_at,
    }
}
