//! `/api/v1/projects/{project}/badge.svg` and `latest`: how the newest build of a branch went, and where
//! what it made is.

use axum::{
    extract::{FromRequestParts, State},
    http::{header, request::Parts},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    artifacts::deep,
    extract::{Path, Query},
    principal::{Reads, Stranger},
};
use crate::{
    model::{Outcome, ProjectName, ToolchainName},
    protocol::ErrorEnvelope,
    store::ProjectRow,
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(badge)).routes(routes!(archive)).merge(deep(
        routes!(file),
        "/api/v1/projects/{project}/latest/{toolchain}/artifacts/{*path}",
        get(file),
    ))
}

/// Of which branch.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OfBranch {
    /// The branch; default: the repository's own default one.
    branch: Option<String>,
}

/// Which builds.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// The branch; default: the repository's own default one.
    branch: Option<String>,
    /// One toolchain; default: all of the build.
    #[param(value_type = Option<String>)]
    toolchain: Option<ToolchainName>,
}

/// May see badges: who may read, or everybody where the settings say so.
#[derive(Debug)]
struct SeesBadges {
    is_stranger: bool,
}

impl FromRequestParts<AppState> for SeesBadges {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if state.public_badges {
            Stranger::from_request_parts(parts, state).await?;
            return Ok(Self { is_stranger: true });
        }
        Reads::from_request_parts(parts, state).await?;
        Ok(Self { is_stranger: false })
    }
}

/// See how the newest build of a branch went, as a picture
///
/// For pages of the project. Who shows it has no token: `server.public_badges` lets everybody see them.
#[utoipa::path(get, path = "/api/v1/projects/{project}/badge.svg", tag = "projects",
    security(("token" = ["read"])), params(("project" = ProjectName, Path), Which),
    responses((status = 200, body = String, content_type = "image/svg+xml"), (status = "4XX", body = ErrorEnvelope)))]
async fn badge(
    sees: SeesBadges,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
    Query(which): Query<Which>,
) -> Result<Response, ApiError> {
    let project = state.store.project_named(&name).await?;
    let outcome = match &project {
        Some(project) => outcome(&state, project, &which).await?,
        // Who has no token is not told which projects there are.
        None if sees.is_stranger => None,
        None => return Err(ApiError::not_found("project", name)),
    };
    let (text, color) = match outcome {
        Some(Outcome::Success) => ("builds", "#2a7a3b"),
        Some(Outcome::Failure) => ("fails", "#b3261e"),
        Some(Outcome::Timeout) => ("times out", "#b3261e"),
        Some(Outcome::Error) => ("error", "#8a5a00"),
        Some(Outcome::Cancelled) => ("cancelled", "#5f6368"),
        None => ("unknown", "#5f6368"),
    };
    let label = which.toolchain.as_ref().map_or_else(|| "kiln".to_owned(), ToString::to_string);
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache, max-age=0"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    Ok((headers, picture(&label, text, color)).into_response())
}

/// Find the newest archive that a branch has for a toolchain
///
/// Leads to what the newest successful job kept.
#[utoipa::path(get, path = "/api/v1/projects/{project}/latest/{toolchain}/artifacts.tar.gz", tag = "artifacts",
    security(("token" = ["read"])),
    params(("project" = ProjectName, Path), ("toolchain" = ToolchainName, Path), OfBranch),
    responses((status = 307), (status = "4XX", body = ErrorEnvelope)))]
async fn archive(
    _: Reads,
    State(state): State<AppState>,
    Path((name, toolchain)): Path<(ProjectName, ToolchainName)>,
    Query(of): Query<OfBranch>,
) -> Result<Redirect, ApiError> {
    let job = newest(&state, &name, (of.branch, &toolchain)).await?;
    Ok(Redirect::temporary(&format!("/api/v1/jobs/{job}/artifacts.tar.gz")))
}

/// Find a file in the newest that a branch has for a toolchain
///
/// Leads to the file in what the newest successful job kept.
#[utoipa::path(get, path = "/api/v1/projects/{project}/latest/{toolchain}/artifacts/{path}", tag = "artifacts",
    security(("token" = ["read"])),
    params(("project" = ProjectName, Path), ("toolchain" = ToolchainName, Path), ("path" = String, Path), OfBranch),
    responses((status = 307), (status = "4XX", body = ErrorEnvelope)))]
async fn file(
    _: Reads,
    State(state): State<AppState>,
    Path((name, toolchain, path)): Path<(ProjectName, ToolchainName, String)>,
    Query(of): Query<OfBranch>,
) -> Result<Redirect, ApiError> {
    let job = newest(&state, &name, (of.branch, &toolchain)).await?;
    let mut url = url::Url::parse("http://localhost/api/v1/jobs").map_err(ApiError::internal)?;
    let job = job.to_string();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.extend([&*job, "artifacts"]).extend(path.split('/'));
    }
    Ok(Redirect::temporary(url.path()))
}

async fn newest(
    state: &AppState,
    name: &ProjectName,
    (branch, toolchain): (Option<String>, &ToolchainName),
) -> Result<crate::model::JobId, ApiError> {
    let project = super::projects::named(state, name).await?;
    let branch = branch_of(state, &project, branch).await?;
    let none = || {
        ApiError::not_found(
            "successful build yet of the branch",
            branch.as_deref().unwrap_or("that is the default"),
        )
    };
    let Some(reference) = branch.as_deref().map(|branch| format!("refs/heads/{branch}")) else {
        return Err(none());
    };
    let job = state.store.newest_success(project.id, &reference, toolchain).await?;
    job.ok_or_else(none)
}

/// The branch that is meant.
async fn branch_of(
    state: &AppState,
    project: &ProjectRow,
    branch: Option<String>,
) -> Result<Option<String>, ApiError> {
    if branch.is_some() {
        return Ok(branch);
    }
    let watch = state.store.watch(project.id).await?;
    let known = watch.and_then(|row| row.default_ref);
    let known = match known {
        Some(name) => Some(name),
        None => state.store.newest_branch(project.id).await?,
    };
    Ok(known.and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned)))
}

async fn outcome(
    state: &AppState,
    project: &ProjectRow,
    which: &Which,
) -> Result<Option<Outcome>, ApiError> {
    let Some(branch) = branch_of(state, project, which.branch.clone()).await? else {
        return Ok(None);
    };
    let reference = format!("refs/heads/{branch}");
    let toolchain = which.toolchain.as_ref();
    Ok(state.store.newest_outcome(project.id, &reference, toolchain).await?)
}

/// Two words beside each other. Neither comes from a build.
fn picture(label: &str, text: &str, color: &str) -> String {
    // Every letter of the font is at most this wide, so the picture needs no measuring.
    let width = |text: &str| 12 + 7 * text.chars().count();
    let (left, right) = (width(label), width(text));
    let whole = left + right;
    let (first, second) = (left / 2, left + right / 2);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"20\" role=\"img\" \
         aria-label=\"{label}: {text}\"><title>{label}: {text}</title>\
         <rect width=\"{left}\" height=\"20\" rx=\"3\" fill=\"#3c4043\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" rx=\"3\" fill=\"{color}\"/>\
         <g fill=\"#fff\" text-anchor=\"middle\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">\
         <text x=\"{first}\" y=\"14\">{label}</text><text x=\"{second}\" y=\"14\">{text}</text></g></svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_as_wide_as_its_words() {
        let svg = picture("gcc:14", "builds", "#2a7a3b");
        assert!(svg.contains("width=\"108\""), "{svg}");
        assert!(svg.contains("<title>gcc:14: builds</title>"));
    }
}
