//! `/api/v1/rebuild`: every watched branch once more.

use axum::{Json as Answer, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiError, AppState, extract::OptionalJson, principal::Administers};
use crate::protocol::{ErrorEnvelope, Page, Rebuild, RebuiltView};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(rebuild))
}

/// Build every watched branch once more
///
/// Such as after the image of a toolchain changed: the newest commit of every watched branch that was built
/// before, with the lowest priority, so that it is behind everything that somebody waits for.
#[utoipa::path(post, path = "/api/v1/rebuild", tag = "builds", security(("token" = ["admin"])), request_body = Rebuild,
    responses((status = 202, body = Page<RebuiltView>), (status = "4XX", body = ErrorEnvelope)))]
async fn rebuild(
    _: Administers,
    State(state): State<AppState>,
    OptionalJson(wanted): OptionalJson<Rebuild>,
) -> Result<(StatusCode, Answer<Page<RebuiltView>>), ApiError> {
    if wanted.projects.len() > 1_000 {
        return Err(ApiError::invalid("projects: at most 1000"));
    }
    if let Some(toolchain) = &wanted.toolchain {
        let known = std::slice::from_ref(toolchain);
        if let Some(sentence) = state.queue.settings().unknown_toolchain(known) {
            return Err(ApiError::invalid(sentence));
        }
    }
    let again = state.rebuilder.again(&wanted.projects, wanted.toolchain.as_ref()).await?;
    let items = again.into_iter().map(|one| RebuiltView {
        project: one.project,
        name: one.reference,
        commit: one.commit,
        build: one.build.as_ref().ok().copied(),
        skipped: one.build.err(),
    });
    Ok((StatusCode::ACCEPTED, Answer(Page { items: items.collect(), next: None })))
}
