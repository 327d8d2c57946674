//! `/api/v1/toolchains` and `/api/v1/agents`: what the farm has.

use axum::{Json as Answer, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    extract::{OptionalJson, Path, Query},
    principal::{Administers, Reads},
};
use crate::{
    model::AgentId,
    protocol::{
        AgentToolchain, AgentView, ErrorEnvelope, HoldKind, HoldRequest, Page, ToolchainView,
    },
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(toolchains))
        .routes(routes!(agents))
        .routes(routes!(remove))
        .routes(routes!(hold))
        .routes(routes!(drain))
        .routes(routes!(resume))
}

/// List toolchains
///
/// Every toolchain that can be asked for, and which agents have its image.
#[utoipa::path(get, path = "/api/v1/toolchains", tag = "farm", security(("token" = ["read"])),
    responses((status = 200, body = Page<ToolchainView>), (status = "4XX", body = ErrorEnvelope)))]
async fn toolchains(
    _: Reads,
    State(state): State<AppState>,
) -> Result<Answer<Page<ToolchainView>>, ApiError> {
    let agents = state.queue.agents().await?;
    let items = state.toolchains.iter().map(|info| ToolchainView {
        agents: agents
            .iter()
            .flat_map(|agent| {
                let has = agent.status.toolchains.iter().filter(|have| have.name == info.name);
                has.map(|image| AgentToolchain {
                    agent: agent.id,
                    agent_name: agent.name.clone(),
                    image: image.clone(),
                })
            })
            .collect(),
        ..info.clone()
    });
    Ok(Answer(Page { items: items.collect(), next: None }))
}

/// List agents
#[utoipa::path(get, path = "/api/v1/agents", tag = "farm", security(("token" = ["read"])),
    responses((status = 200, body = Page<AgentView>), (status = "4XX", body = ErrorEnvelope)))]
async fn agents(
    _: Reads,
    State(state): State<AppState>,
) -> Result<Answer<Page<AgentView>>, ApiError> {
    Ok(Answer(Page { items: state.queue.agents().await?, next: None }))
}

/// How an agent is removed.
#[derive(Clone, Copy, Default, Debug, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Removal {
    /// Also if it runs jobs: they are tried again elsewhere.
    force: bool,
}

/// Remove an agent
///
/// Its token counts no more. Refused while it runs jobs, unless that is forced.
#[utoipa::path(delete, path = "/api/v1/agents/{agent}", tag = "farm", security(("token" = ["admin"])),
    params(("agent" = AgentId, Path), Removal),
    responses((status = 204), (status = "4XX", body = ErrorEnvelope)))]
async fn remove(
    _: Administers,
    State(state): State<AppState>,
    Path(agent): Path<AgentId>,
    Query(removal): Query<Removal>,
) -> Result<StatusCode, ApiError> {
    state.queue.remove_agent(agent, removal.force).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Hold an agent
///
/// It takes no more jobs until it is resumed; what it runs goes on.
#[utoipa::path(post, path = "/api/v1/agents/{agent}/hold", tag = "farm", security(("token" = ["admin"])),
    params(("agent" = AgentId, Path)), request_body = HoldRequest,
    responses((status = 200, body = AgentView), (status = "4XX", body = ErrorEnvelope)))]
async fn hold(
    Administers(principal): Administers,
    State(state): State<AppState>,
    Path(agent): Path<AgentId>,
    OptionalJson(request): OptionalJson<HoldRequest>,
) -> Result<Answer<AgentView>, ApiError> {
    let why = (&*request.reason, &*principal.as_key());
    Ok(Answer(state.queue.hold_agent(agent, HoldKind::Held, why).await?))
}

/// Drain an agent
///
/// It takes no more jobs and is empty when what it runs has ended.
#[utoipa::path(post, path = "/api/v1/agents/{agent}/drain", tag = "farm", security(("token" = ["admin"])),
    params(("agent" = AgentId, Path)), request_body = HoldRequest,
    responses((status = 200, body = AgentView), (status = "4XX", body = ErrorEnvelope)))]
async fn drain(
    Administers(principal): Administers,
    State(state): State<AppState>,
    Path(agent): Path<AgentId>,
    OptionalJson(request): OptionalJson<HoldRequest>,
) -> Result<Answer<AgentView>, ApiError> {
    let why = (&*request.reason, &*principal.as_key());
    Ok(Answer(state.queue.hold_agent(agent, HoldKind::Draining, why).await?))
}

/// Have an agent take jobs again
#[utoipa::path(post, path = "/api/v1/agents/{agent}/resume", tag = "farm", security(("token" = ["admin"])),
    params(("agent" = AgentId, Path)),
    responses((status = 200, body = AgentView), (status = "4XX", body = ErrorEnvelope)))]
async fn resume(
    _: Administers,
    State(state): State<AppState>,
    Path(agent): Path<AgentId>,
) -> Result<Answer<AgentView>, ApiError> {
    Ok(Answer(state.queue.resume_agent(agent).await?))
}
