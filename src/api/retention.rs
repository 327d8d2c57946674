//! `/api/v1/retention`, `/api/v1/usage` and the rules of projects: what is kept, and what it takes.

use axum::{Json as Answer, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    extract::{Json, Path},
    principal::{Administers, Reads},
    projects::named,
};
use crate::{
    model::{ProjectName, RetentionPolicy, RetentionRules},
    protocol::{ErrorEnvelope, ProjectRetention, ProjectUsage, RetentionReport, Usage},
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(plan))
        .routes(routes!(sweep))
        .routes(routes!(rules, set_rules))
        .routes(routes!(usage))
}

/// See what the rules would remove now
///
/// Nothing is removed.
#[utoipa::path(get, path = "/api/v1/retention/plan", tag = "retention",
    security(("token" = ["admin"])),
    responses((status = 200, body = RetentionReport), (status = "4XX", body = ErrorEnvelope)))]
async fn plan(
    _: Administers,
    State(state): State<AppState>,
) -> Result<Answer<RetentionReport>, ApiError> {
    Ok(Answer(state.retention.plan().await?))
}

/// Apply the rules now
///
/// They are applied each hour by themselves. Refused while another server does it.
#[utoipa::path(post, path = "/api/v1/retention/run", tag = "retention",
    security(("token" = ["admin"])),
    responses((status = 200, body = RetentionReport), (status = "4XX", body = ErrorEnvelope)))]
async fn sweep(
    _: Administers,
    State(state): State<AppState>,
) -> Result<Answer<RetentionReport>, ApiError> {
    let swept = state.retention.sweep().await?;
    swept.map(Answer).ok_or_else(|| ApiError::conflict("another server applies the rules just now"))
}

/// See the rules of a project
#[utoipa::path(get, path = "/api/v1/projects/{project}/retention", tag = "retention",
    security(("token" = ["read"])), params(("project" = ProjectName, Path)),
    responses((status = 200, body = ProjectRetention), (status = "4XX", body = ErrorEnvelope)))]
async fn rules(
    _: Reads,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<Answer<ProjectRetention>, ApiError> {
    let row = named(&state, &name).await?;
    let all = state.store.retention_rules().await?;
    let own = all.into_iter().find(|(id, _)| *id == row.id).map(|(_, rules)| rules);
    Ok(Answer(view(own.unwrap_or_default(), state.retention.defaults())))
}

/// Write the rules of a project
///
/// What is left out is as the server's settings say.
#[utoipa::path(put, path = "/api/v1/projects/{project}/retention", tag = "retention",
    security(("token" = ["admin"])), params(("project" = ProjectName, Path)),
    request_body = RetentionRules,
    responses((status = 200, body = ProjectRetention), (status = "4XX", body = ErrorEnvelope)))]
async fn set_rules(
    _: Administers,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
    Json(rules): Json<RetentionRules>,
) -> Result<Answer<ProjectRetention>, ApiError> {
    let row = named(&state, &name).await?;
    let mut tx = state.store.begin().await?;
    state.store.set_retention_rules(&mut tx, row.id, &rules).await?;
    tx.commit().await?;
    Ok(Answer(view(rules, state.retention.defaults())))
}

fn view(own: RetentionRules, defaults: RetentionPolicy) -> ProjectRetention {
    let policy = own.over(&defaults);
    let counts = RetentionRules {
        build_days: Some(policy.build_days),
        artifact_days: Some(policy.artifact_days),
        log_days: Some(policy.log_days),
        upload_days: Some(policy.upload_days),
        builds_per_branch: Some(policy.builds_per_branch),
        keep_last_success: Some(policy.keep_last_success),
        keep_tags: Some(policy.keep_tags),
    };
    ProjectRetention { own, counts }
}

/// See what is used, by project
#[utoipa::path(get, path = "/api/v1/usage", tag = "retention", security(("token" = ["read"])),
    responses((status = 200, body = Usage), (status = "4XX", body = ErrorEnvelope)))]
async fn usage(
    Reads(scope): Reads,
    State(state): State<AppState>,
) -> Result<Answer<Usage>, ApiError> {
    let names = state.store.projects().await?;
    let rows = state.store.usage().await?;
    let projects = rows.into_iter().filter(|row| scope.has(row.project)).map(|row| ProjectUsage {
        project: names
            .iter()
            .find(|project| Some(project.id) == row.project)
            .map(|project| project.name.clone()),
        builds: row.builds,
        artifact_bytes: row.artifact_bytes,
        log_bytes: row.log_bytes,
    });
    Ok(Answer(Usage { projects: projects.collect() }))
}
