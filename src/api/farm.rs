//! `/api/v1/toolchains` and `/api/v1/agents`: what the farm has.

use axum::{Json as Answer, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiError, AppState, principal::Reads};
use crate::protocol::{AgentToolchain, AgentView, ErrorEnvelope, Page, ToolchainView};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(toolchains)).routes(routes!(agents))
}

/// List toolchains
///
/// Every toolchain that can be asked for, and which agents have its image.
#[utoipa::path(get, path = "/api/v1/toolchains", tag = "farm",
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
#[utoipa::path(get, path = "/api/v1/agents", tag = "farm",
    responses((status = 200, body = Page<AgentView>), (status = "4XX", body = ErrorEnvelope)))]
async fn agents(
    _: Reads,
    State(state): State<AppState>,
) -> Result<Answer<Page<AgentView>>, ApiError> {
    Ok(Answer(Page { items: state.queue.agents().await?, next: None }))
}
