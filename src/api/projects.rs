//! `/api/v1/projects`: repositories by name, to which builds belong.

use axum::{
    Json as Answer,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    extract::{Json, Path, Query},
    principal::{Administers, Reads},
};
use crate::{
    model::{Principal, ProjectId, ProjectName, Scope},
    protocol::{
        ChangeProject, ErrorEnvelope, HistoryQuery, HistoryView, NewProject, Page, ProjectView,
    },
    store::ProjectRow,
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(add, list))
        .routes(routes!(show, change, remove))
        .routes(routes!(history))
}

/// Add a project
///
/// From now on, builds of its repository belong to it. Without a name it is named after its repository, and
/// answered as it is where there is one of that repository already.
#[utoipa::path(post, path = "/api/v1/projects", tag = "projects", security(("token" = ["admin"])), request_body = NewProject,
    responses((status = 201, body = ProjectView), (status = "4XX", body = ErrorEnvelope)))]
async fn add(
    Administers(principal): Administers,
    State(state): State<AppState>,
    Json(new): Json<NewProject>,
) -> Result<impl IntoResponse, ApiError> {
    unrestricted(&principal)?;
    let url = new.url.as_deref().map(|url| state.sources.parse_url(url)).transpose()?;
    let url = url.map(|url| url.to_string());
    let by = principal.as_key();
    let row = match (new.name, url) {
        (Some(name), url) => written(&state, (name, url), by).await?,
        (None, Some(url)) => state.rebuilder.project_of(&url, &by).await?,
        (None, None) => {
            return Err(ApiError::invalid("name: a project without a repository needs one"));
        }
    };
    let location = [(header::LOCATION, format!("/api/v1/projects/{}", row.name))];
    Ok((StatusCode::CREATED, location, Answer(view(row))))
}

/// Writes a new project.
async fn written(
    state: &AppState,
    (name, url): (ProjectName, Option<String>),
    created_by: String,
) -> Result<ProjectRow, ApiError> {
    let now = state.queue.time().await?;
    let row = ProjectRow { id: ProjectId::new(now), name, url, created_by, created_at: now };
    let mut tx = state.store.begin().await?;
    match state.store.insert_project(&mut tx, &row).await {
        Err(error) if error.is_duplicate() => return Err(taken(state, &row).await?),
        written => written?,
    }
    state.store.tell_of_project(&mut tx, now, row.id).await?;
    tx.commit().await?;
    tracing::info!(project.id = %row.id, project.name = %row.name, "project added");
    Ok(row)
}

/// Which of the two is taken.
async fn taken(state: &AppState, row: &ProjectRow) -> Result<ApiError, ApiError> {
    let url = row.url.as_deref().unwrap_or_default();
    Ok(match state.store.project_of_url(url).await? {
        Some(other) if other.id != row.id && other.name != row.name => {
            ApiError::conflict(format!("the project {} has this repository already", other.name))
        }
        _ => ApiError::conflict(format!("there is a project {} already", row.name)),
    })
}

/// List projects
///
/// By name, those that the token is for.
#[utoipa::path(get, path = "/api/v1/projects", tag = "projects", security(("token" = ["read"])),
    responses((status = 200, body = Page<ProjectView>), (status = "4XX", body = ErrorEnvelope)))]
async fn list(
    Reads(scope): Reads,
    State(state): State<AppState>,
) -> Result<Answer<Page<ProjectView>>, ApiError> {
    let rows = state.store.projects().await?;
    let items = rows.into_iter().filter(|row| scope.has(Some(row.id))).map(view).collect();
    Ok(Answer(Page { items, next: None }))
}

/// See a project
#[utoipa::path(get, path = "/api/v1/projects/{project}", tag = "projects", security(("token" = ["read"])),
    params(("project" = ProjectName, Path)),
    responses((status = 200, body = ProjectView), (status = "4XX", body = ErrorEnvelope)))]
async fn show(
    _: Reads,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<Answer<ProjectView>, ApiError> {
    Ok(Answer(view(named(&state, &name).await?)))
}

/// See what became of a project's builds over time
///
/// Figures of its newest finished builds, for charts.
#[utoipa::path(get, path = "/api/v1/projects/{project}/history", tag = "projects", security(("token" = ["read"])),
    params(("project" = ProjectName, Path), HistoryQuery),
    responses((status = 200, body = HistoryView), (status = "4XX", body = ErrorEnvelope)))]
async fn history(
    _: Reads,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
    Query(query): Query<HistoryQuery>,
) -> Result<Answer<HistoryView>, ApiError> {
    Ok(Answer(state.queue.history(&name, &query).await?))
}

/// Change the name or the repository of a project
///
/// Its builds, secrets and settings stay. With another repository its login is gone, which was for the one
/// before, and if it is watched, that one is looked at for the first time.
#[utoipa::path(patch, path = "/api/v1/projects/{project}", tag = "projects", security(("token" = ["admin"])),
    params(("project" = ProjectName, Path)), request_body = ChangeProject,
    responses((status = 200, body = ProjectView), (status = "4XX", body = ErrorEnvelope)))]
async fn change(
    Administers(principal): Administers,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
    Json(change): Json<ChangeProject>,
) -> Result<Answer<ProjectView>, ApiError> {
    unrestricted(&principal)?;
    let before = named(&state, &name).await?;
    let url = change.url.as_deref().map(|url| state.sources.parse_url(url)).transpose()?;
    let row = ProjectRow {
        name: change.name.unwrap_or_else(|| before.name.clone()),
        url: url.map(|url| url.to_string()).or_else(|| before.url.clone()),
        ..before.clone()
    };
    let now = state.queue.time().await?;
    let mut tx = state.store.begin().await?;
    match state.store.set_project(&mut tx, &row).await {
        Err(error) if error.is_duplicate() => {
            drop(tx);
            return Err(taken(&state, &row).await?);
        }
        written => written?,
    }
    if row.url != before.url {
        state.store.remove_login(&mut tx, row.id).await?;
        state.store.forget_heads(&mut tx, row.id, now).await?;
    }
    state.store.tell_of_project(&mut tx, now, row.id).await?;
    tx.commit().await?;
    tracing::info!(project.id = %row.id, project.name = %row.name, "project changed");
    Ok(Answer(view(row)))
}

/// Remove a project
///
/// Its builds stay and belong to none; its secrets and settings are gone.
#[utoipa::path(delete, path = "/api/v1/projects/{project}", tag = "projects", security(("token" = ["admin"])),
    params(("project" = ProjectName, Path)),
    responses((status = 204), (status = "4XX", body = ErrorEnvelope)))]
async fn remove(
    Administers(principal): Administers,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<StatusCode, ApiError> {
    unrestricted(&principal)?;
    let row = named(&state, &name).await?;
    let now = state.queue.time().await?;
    let mut tx = state.store.begin().await?;
    state.store.remove_project(&mut tx, row.id).await?;
    state.store.tell_of_project(&mut tx, now, row.id).await?;
    tx.commit().await?;
    tracing::info!(project.id = %row.id, project.name = %row.name, "project removed");
    Ok(StatusCode::NO_CONTENT)
}

/// The project of this name.
pub(super) async fn named(state: &AppState, name: &ProjectName) -> Result<ProjectRow, ApiError> {
    let row = state.store.project_named(name).await?;
    row.ok_or_else(|| ApiError::not_found("project", name))
}

/// Which projects there are is said by who may change all of them.
fn unrestricted(principal: &Principal) -> Result<(), ApiError> {
    match principal.scope() {
        Scope::All => Ok(()),
        Scope::Projects(_) => Err(ApiError::forbidden(
            "this token is for some projects only: adding and removing them needs an \
             administrator's token without a restriction",
        )),
    }
}

fn view(row: ProjectRow) -> ProjectView {
    ProjectView {
        id: row.id,
        name: row.name,
        url: row.url,
        created_by: row.created_by,
        created_at: row.created_at,
    }
}
