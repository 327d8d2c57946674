//! `/api/v1/projects/{project}/hook` and `deliveries`: what forges tell this server.
//!
//! A delivery carries no token: that it is signed with the project's secret, over the bytes as they
//! came, is what lets it in. Until that is known nothing of it is read, kept or logged.

use axum::{
    Json as Answer,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState,
    extract::{OptionalJson, Path},
    principal::{Administers, Reads, Stranger, Submits},
    projects::named,
};
use crate::{
    forge::{Envelope, SharedSecret},
    model::{DeliveryId, ProjectName},
    protocol::{DeliveryReceipt, DeliveryView, ErrorEnvelope, HookView, Page, PutHook},
    store::{DeliveryRow, HookRow, ProjectRow},
};

/// The largest delivery. Forges cut theirs at 25 MiB; one of a push of 2 000 commits is a tenth of that.
const MAX_DELIVERY: u64 = 5 << 20;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    let most = usize::try_from(MAX_DELIVERY).expect("5 MiB fits");
    let open = OpenApiRouter::new().routes(routes!(deliver)).layer(DefaultBodyLimit::max(most));
    OpenApiRouter::new()
        .routes(routes!(show, put, remove))
        .routes(routes!(list))
        .routes(routes!(replay))
        .merge(open)
}

/// Tell of a push or a pull request
///
/// For GitHub, GitLab, Gitea and Forgejo: give them this address, the content type `application/json`, and
/// the secret that `PUT …/hook` answered. Pushes of branches and tags have the repository looked at at
/// once; pull requests are built as far as the project says.
#[utoipa::path(post, path = "/api/v1/projects/{project}/hook", tag = "forges",
    params(("project" = ProjectName, Path)),
    request_body(content = serde_json::Value, description = "the forge's own description of what happened"),
    responses((status = 202, body = DeliveryReceipt), (status = "4XX", body = ErrorEnvelope)))]
async fn deliver(
    stranger: Stranger,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Answer<DeliveryReceipt>), ApiError> {
    let body = body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            ApiError::too_large(MAX_DELIVERY)
        } else {
            ApiError::bad_request(rejection.body_text())
        }
    })?;
    let envelope = Envelope::read(|name| headers.get(name).and_then(|value| value.to_str().ok()));
    let envelope = envelope.map_err(|error| ApiError::bad_request(error.to_string()))?;
    let project = named(&state, &name).await?;
    if let Err(error) = authentic(&state, &project, (&envelope, &body)).await {
        if error.is_unauthorized() {
            stranger.has_failed(&state)?;
        }
        return Err(error);
    }
    let receipt = state.rebuilder.receive(&project, &envelope, &body).await?;
    let answer = DeliveryReceipt {
        delivery: receipt.id,
        repeated: receipt.is_repeated,
        outcome: receipt.outcome,
    };
    Ok((StatusCode::ACCEPTED, Answer(answer)))
}

/// Refuses what is not signed by who knows the project's secret.
async fn authentic(
    state: &AppState,
    project: &ProjectRow,
    (envelope, body): (&Envelope, &[u8]),
) -> Result<(), ApiError> {
    let now = state.queue.time().await?;
    let mut tx = state.store.snapshot().await?;
    let secrets = state.secrets.hook_secrets(&mut tx, (project.id, now)).await?;
    drop(tx);
    if secrets.is_empty() {
        return Err(ApiError::not_found("webhook of the project", &project.name));
    }
    let Some(signature) = &envelope.signature else {
        return Err(ApiError::unauthorized(
            "the delivery is not signed: give the forge the project's secret (kiln hook)",
        ));
    };
    // All of them are tried, so that the time tells nothing of which it was.
    let secrets = secrets.iter().filter_map(|one| SharedSecret::from_bytes(one.reveal()));
    let good = secrets.filter(|secret| secret.signed(signature, body)).count();
    if good == 0 {
        return Err(ApiError::unauthorized(
            "the delivery's signature is not that of the project's secret",
        ));
    }
    Ok(())
}

/// See the webhook of a project
#[utoipa::path(get, path = "/api/v1/projects/{project}/hook", tag = "forges",
    security(("token" = ["read"])), params(("project" = ProjectName, Path)),
    responses((status = 200, body = HookView), (status = "4XX", body = ErrorEnvelope)))]
async fn show(
    _: Reads,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<Answer<HookView>, ApiError> {
    let project = named(&state, &name).await?;
    let mut tx = state.store.snapshot().await?;
    let row = state.store.hook(&mut tx, project.id).await?;
    let row = row.ok_or_else(|| ApiError::not_found("webhook of the project", &name))?;
    Ok(Answer(view(&state, &name, row, None)))
}

/// Make a webhook for a project, or a new secret for it
///
/// The secret is shown here and never again. After a change the one before is good for another day.
#[utoipa::path(put, path = "/api/v1/projects/{project}/hook", tag = "forges",
    security(("token" = ["admin"])), params(("project" = ProjectName, Path)), request_body = PutHook,
    responses((status = 200, body = HookView), (status = "4XX", body = ErrorEnvelope)))]
async fn put(
    Administers(principal): Administers,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
    OptionalJson(put): OptionalJson<PutHook>,
) -> Result<Answer<HookView>, ApiError> {
    if let Some(secret) = &put.secret {
        let text = std::str::from_utf8(secret.reveal()).unwrap_or_default();
        let is_plain = text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || SharedSecret::new(text.to_owned()).is_none() {
            return Err(ApiError::invalid(format!(
                "secret: {} to 256 letters, digits and signs, without spaces",
                SharedSecret::SHORTEST
            )));
        }
    }
    let project = named(&state, &name).await?;
    let now = state.queue.time().await?;
    let given = put.secret.is_some();
    let by = (principal.as_key(), now);
    let (row, secret) = state.secrets.renew_hook(project.id, put.secret, by).await?;
    tracing::info!(project.id = %project.id, "a webhook's secret was made");
    let shown = (!given).then(|| String::from_utf8_lossy(secret.reveal()).into_owned());
    Ok(Answer(view(&state, &name, row, shown)))
}

/// Remove the webhook of a project
#[utoipa::path(delete, path = "/api/v1/projects/{project}/hook", tag = "forges",
    security(("token" = ["admin"])), params(("project" = ProjectName, Path)),
    responses((status = 204), (status = "4XX", body = ErrorEnvelope)))]
async fn remove(
    _: Administers,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<StatusCode, ApiError> {
    let project = named(&state, &name).await?;
    if !state.secrets.remove_hook(project.id).await? {
        return Err(ApiError::not_found("webhook of the project", name));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// See what forges told of a project
///
/// The last hundred deliveries that were signed as they should be, the newest first.
#[utoipa::path(get, path = "/api/v1/projects/{project}/deliveries", tag = "forges",
    security(("token" = ["read"])), params(("project" = ProjectName, Path)),
    responses((status = 200, body = Page<DeliveryView>), (status = "4XX", body = ErrorEnvelope)))]
async fn list(
    _: Reads,
    State(state): State<AppState>,
    Path(name): Path<ProjectName>,
) -> Result<Answer<Page<DeliveryView>>, ApiError> {
    let project = named(&state, &name).await?;
    let rows = state.store.deliveries(project.id).await?;
    Ok(Answer(Page { items: rows.into_iter().map(delivery).collect(), next: None }))
}

/// Do a delivery once more
///
/// As if it came now.
#[utoipa::path(post, path = "/api/v1/projects/{project}/deliveries/{delivery}/replay", tag = "forges",
    security(("token" = ["submit"])),
    params(("project" = ProjectName, Path), ("delivery" = DeliveryId, Path)),
    responses((status = 202, body = DeliveryView), (status = "4XX", body = ErrorEnvelope)))]
async fn replay(
    _: Submits,
    State(state): State<AppState>,
    Path((name, id)): Path<(ProjectName, DeliveryId)>,
) -> Result<(StatusCode, Answer<DeliveryView>), ApiError> {
    let project = named(&state, &name).await?;
    let row = state.rebuilder.replay(project.id, id).await?;
    let row = row.ok_or_else(|| ApiError::not_found("delivery", id))?;
    Ok((StatusCode::ACCEPTED, Answer(delivery(row))))
}

fn view(state: &AppState, name: &ProjectName, row: HookRow, secret: Option<String>) -> HookView {
    let path = format!("/api/v1/projects/{name}/hook");
    let url = state.notifier.public(path.trim_start_matches('/'));
    HookView {
        path,
        url,
        secret,
        previous_until: row.previous.map(|(_, until)| until),
        created_by: row.created_by,
        created_at: row.created_at,
    }
}

fn delivery(row: DeliveryRow) -> DeliveryView {
    DeliveryView {
        id: row.id,
        forge: row.forge,
        event: row.event,
        forge_id: row.forge_id,
        received_at: row.received_at,
        outcome: row.outcome,
        build: row.build,
        due_at: row.due_at,
    }
}
