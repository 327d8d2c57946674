//! `/api/v1/projects/{project}/secrets`: written and removed, never shown; and which refs get them.

use axum::{Json as Answer, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    extract::{Json, Path},
    principal::{Administers, Reads, Submits},
    projects::named,
};
use crate::{
    model::{ProjectName, RefPattern, SecretName},
    protocol::{ErrorEnvelope, Page, PutSecret, SecretView, TrustedRefs},
    secrets::NewSecret,
    store::SecretRow,
};

/// The most patterns of trusted refs.
const MAX_PATTERNS: usize = 64;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(put, remove))
        .routes(routes!(trusted, set_trusted))
}

/// List the secrets of a project
///
/// Their names and who gets them; no values.
#[utoipa::path(get, path = "/api/v1/projects/{project}/secrets", tag = "secrets",
    security(("token" = ["submit"])), params(("project" = ProjectName, Path)),
    responses((status = 200, body = Page<SecretView>), (status = "4XX", body = ErrorEnvelope)))]
async fn list(
    _: Submits,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<Answer<Page<SecretView>>, ApiError> {
    let project = named(&state, &name).await?;
    let rows = state.secrets.list(project.id).await?;
    Ok(Answer(Page { items: rows.into_iter().map(view).collect(), next: None }))
}

/// Write a secret
///
/// Jobs that start from now on get it, if their build is of a ref that the project trusts. The value is
/// never shown again, and masked in logs.
#[utoipa::path(put, path = "/api/v1/projects/{project}/secrets/{secret}", tag = "secrets",
    security(("token" = ["admin"])),
    params(("project" = ProjectName, Path), ("secret" = SecretName, Path)),
    request_body = PutSecret,
    responses((status = 200, body = SecretView), (status = "4XX", body = ErrorEnvelope)))]
async fn put(
    Administers(principal): Administers,
    State(state): State<AppState>,
    Path((project, name)): Path<(ProjectName, SecretName)>,
    Json(put): Json<PutSecret>,
) -> Result<Answer<SecretView>, ApiError> {
    let project = named(&state, &project).await?;
    let new =
        NewSecret { project: project.id, name, form: put.form, steps: put.steps, value: put.value };
    let now = state.queue.time().await?;
    let row = state.secrets.put(new, (principal.as_key(), now)).await?;
    tracing::info!(project.id = %project.id, secret.name = %row.name, "secret written");
    Ok(Answer(view(row)))
}

/// Remove a secret
///
/// Jobs that run keep it to their end.
#[utoipa::path(delete, path = "/api/v1/projects/{project}/secrets/{secret}", tag = "secrets",
    security(("token" = ["admin"])),
    params(("project" = ProjectName, Path), ("secret" = SecretName, Path)),
    responses((status = 204), (status = "4XX", body = ErrorEnvelope)))]
async fn remove(
    _: Administers,
    State(state): State<AppState>,
    Path((project, name)): Path<(ProjectName, SecretName)>,
) -> Result<StatusCode, ApiError> {
    let project = named(&state, &project).await?;
    if !state.secrets.remove(project.id, &name).await? {
        return Err(ApiError::not_found("secret", name));
    }
    tracing::info!(project.id = %project.id, secret.name = %name, "secret removed");
    Ok(StatusCode::NO_CONTENT)
}

/// See which refs get the secrets of a project
#[utoipa::path(get, path = "/api/v1/projects/{project}/trusted-refs", tag = "secrets",
    security(("token" = ["read"])), params(("project" = ProjectName, Path)),
    responses((status = 200, body = TrustedRefs), (status = "4XX", body = ErrorEnvelope)))]
async fn trusted(
    _: Reads,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<Answer<TrustedRefs>, ApiError> {
    let project = named(&state, &name).await?;
    let mut tx = state.store.snapshot().await?;
    let refs = state.store.trusted_refs(&mut tx, project.id).await?;
    Ok(Answer(TrustedRefs { refs: refs.unwrap_or_else(RefPattern::defaults) }))
}

/// Write which refs get the secrets of a project
///
/// Only branches and tags can be trusted: under other names forges keep what anybody proposes.
#[utoipa::path(put, path = "/api/v1/projects/{project}/trusted-refs", tag = "secrets",
    security(("token" = ["admin"])), params(("project" = ProjectName, Path)),
    request_body = TrustedRefs,
    responses((status = 200, body = TrustedRefs), (status = "4XX", body = ErrorEnvelope)))]
async fn set_trusted(
    _: Administers,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
    Json(trusted): Json<TrustedRefs>,
) -> Result<Answer<TrustedRefs>, ApiError> {
    if trusted.refs.len() > MAX_PATTERNS {
        return Err(ApiError::invalid(format!("refs: at most {MAX_PATTERNS} patterns")));
    }
    let project = named(&state, &name).await?;
    let mut tx = state.store.begin().await?;
    state.store.set_trusted_refs(&mut tx, project.id, Some(&trusted.refs)).await?;
    tx.commit().await?;
    Ok(Answer(trusted))
}

fn view(row: SecretRow) -> SecretView {
    SecretView {
        name: row.name,
        form: row.form,
        steps: row.steps,
        updated_by: row.updated_by,
        updated_at: row.updated_at,
    }
}
