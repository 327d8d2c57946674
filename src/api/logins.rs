//! `/api/v1/projects/{project}/login`: how a project's repository is asked; written, and never shown.

use axum::{Json as Answer, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    extract::{Json, Path},
    principal::{Administers, Submits},
    projects::named,
};
use crate::{
    config::Scheme,
    model::{Login, ProjectName},
    protocol::{ErrorEnvelope, LoginView, PutLogin},
    store::LoginRow,
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show, put, remove))
}

/// See which login a project has
#[utoipa::path(get, path = "/api/v1/projects/{project}/login", tag = "forges",
    security(("token" = ["submit"])), params(("project" = ProjectName, Path)),
    responses((status = 200, body = LoginView), (status = "4XX", body = ErrorEnvelope)))]
async fn show(
    _: Submits,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<Answer<LoginView>, ApiError> {
    let project = named(&state, &name).await?;
    let row = state.secrets.login_row(project.id).await?;
    row.map(|row| Answer(view(row)))
        .ok_or_else(|| ApiError::not_found("login of the project", name))
}

/// Write the login of a project
///
/// Its repository is asked with it from now on: when it is watched, when a build of it is submitted, and
/// when its source is fetched. It goes to this host only, and to no build.
#[utoipa::path(put, path = "/api/v1/projects/{project}/login", tag = "forges",
    security(("token" = ["admin"])), params(("project" = ProjectName, Path)), request_body = PutLogin,
    responses((status = 200, body = LoginView), (status = "4XX", body = ErrorEnvelope)))]
async fn put(
    Administers(principal): Administers,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
    Json(put): Json<PutLogin>,
) -> Result<Answer<LoginView>, ApiError> {
    put.login.check().map_err(|error| ApiError::invalid(error.to_string()))?;
    let project = named(&state, &name).await?;
    let url = project.url.as_deref().map(|url| state.sources.parse_url(url)).transpose()?;
    let Some(url) = url else {
        return Err(ApiError::conflict(format!("the project {name} has no repository")));
    };
    if url.scheme() == Scheme::File {
        return Err(ApiError::invalid(format!(
            "the repository of {name} is a folder of the server's machine: no login is of use for it"
        )));
    }
    let host = put.host.to_ascii_lowercase();
    if host != url.authority() {
        return Err(ApiError::invalid(format!(
            "host: the repository of {name} is on {:?}, and a login goes nowhere else",
            url.authority()
        )));
    }
    let fits = match &put.login {
        Login::Token(login) => {
            url.scheme() == Scheme::Https || (url.scheme() == Scheme::Http && login.plain_http)
        }
        Login::SshKey(_) => url.scheme() == Scheme::Ssh,
    };
    if !fits {
        return Err(ApiError::invalid(format!(
            "login: a {} is of no use for a repository that is asked over {}",
            if matches!(put.login, Login::Token(_)) { "token" } else { "key" },
            url.scheme()
        )));
    }
    let now = state.queue.time().await?;
    let login = (host, &put.login);
    let row = state.secrets.put_login(project.id, login, (principal.as_key(), now)).await?;
    tracing::info!(project.id = %project.id, host = row.host, kind = row.kind.as_str(), "login written");
    Ok(Answer(view(row)))
}

/// Remove the login of a project
#[utoipa::path(delete, path = "/api/v1/projects/{project}/login", tag = "forges",
    security(("token" = ["admin"])), params(("project" = ProjectName, Path)),
    responses((status = 204), (status = "4XX", body = ErrorEnvelope)))]
async fn remove(
    _: Administers,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<StatusCode, ApiError> {
    let project = named(&state, &name).await?;
    if !state.secrets.remove_login(project.id).await? {
        return Err(ApiError::not_found("login of the project", name));
    }
    Ok(StatusCode::NO_CONTENT)
}

fn view(row: LoginRow) -> LoginView {
    LoginView {
        host: row.host,
        kind: row.kind,
        updated_by: row.updated_by,
        updated_at: row.updated_at,
    }
}
