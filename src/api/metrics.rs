//! `/metrics`: figures for Prometheus, and how long each request took.

use std::{fmt::Write as _, time::Instant};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiError, AppState, principal::Reads};
use crate::{
    meters,
    model::Scope,
    protocol::{ErrorEnvelope, HoldKind},
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// The same on an address of its own, for those who are let that far by the network.
pub fn metrics_router(state: AppState) -> Router {
    let figures = |State(state): State<AppState>| async move { figures(&state).await };
    Router::new().route("/metrics", get(figures)).with_state(state)
}

/// Figures for Prometheus
///
/// Of this server, and of the whole farm as the database has it. Needs a token without a restriction
/// to projects; `server.metrics_listen` gives them without one on another address.
#[utoipa::path(get, path = "/metrics", tag = "health", security(("token" = ["read"])),
    responses((status = 200, content_type = "text/plain", body = String),
        (status = "4XX", body = ErrorEnvelope), (status = "5XX", body = ErrorEnvelope)))]
async fn metrics(Reads(scope): Reads, State(state): State<AppState>) -> Result<Response, ApiError> {
    if scope != Scope::All {
        return Err(ApiError::forbidden(
            "this token is for some projects only, and the figures are of all",
        ));
    }
    figures(&state).await
}

async fn figures(state: &AppState) -> Result<Response, ApiError> {
    let mut text = meters::render();
    // How things stand is asked now and belongs to nobody's recorder: what is not there any more is
    // not told any more either.
    stand(state, &mut text).await?;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

async fn stand(state: &AppState, out: &mut String) -> Result<(), ApiError> {
    let now = state.queue.time().await?;
    let queues = state.queue.queues().await?;
    let agents = state.queue.agents().await?;
    let mut family = |name: &str, help: &str, rows: &[(String, f64)]| {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        // Writing to a string cannot fail.
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in rows {
            let _ = writeln!(out, "{name}{{{labels}}} {value}");
        }
        out.push('\n');
    };
    let mut jobs = Vec::new();
    let mut oldest = Vec::new();
    for queue in &queues {
        let name = &queue.name;
        jobs.push((format!("queue=\"{name}\",state=\"queued\""), count(queue.waiting)));
        jobs.push((format!("queue=\"{name}\",state=\"running\""), count(queue.running)));
        let waited = queue.oldest_waiting_since.map_or(0.0, |since| now.since(since).as_secs_f64());
        oldest.push((format!("queue=\"{name}\""), waited));
    }
    family("kiln_queue_jobs", "Jobs that wait or run, by queue", &jobs);
    family("kiln_queue_oldest_seconds", "How long the oldest job has waited, by queue", &oldest);
    let state_of = |agent: &crate::protocol::AgentView| match agent.hold.as_ref() {
        _ if !agent.online => "offline",
        None if agent.status.paused.is_some() => "paused",
        None => "online",
        Some(hold) if hold.kind == HoldKind::Draining => "draining",
        Some(_) => "held",
    };
    let rows = ["online", "paused", "held", "draining", "offline"].map(|wanted| {
        let count = agents.iter().filter(|agent| state_of(agent) == wanted).count();
        (format!("state=\"{wanted}\""), u32::try_from(count).unwrap_or(u32::MAX).into())
    });
    family("kiln_agents", "Agents, by what they do", &rows);
    let online = || agents.iter().filter(|agent| agent.online);
    let busy: u32 = online().map(|agent| agent.status.busy).sum();
    let all: u32 = online().map(|agent| agent.status.workers).sum();
    let rows = [("busy", busy), ("all", all)]
        .map(|(name, count)| (format!("state=\"{name}\""), f64::from(count)));
    family("kiln_workers", "Workers of agents that are online", &rows);
    // An agent that is offline stays at what it said last.
    let rows: Vec<_> = agents
        .iter()
        .map(|agent| {
            (format!("agent=\"{}\"", escaped(&agent.name)), count(agent.status.residue_swept))
        })
        .collect();
    let help = "Containers and volumes that crashed attempts left, removed, by agent";
    family("kiln_agent_residue_swept_total", help, &rows);
    let space = &state.queue.settings().space;
    let rows: Vec<_> = space
        .places
        .iter()
        .filter_map(|place| {
            let mib = u32::try_from((space.free)(place)? >> 20).ok()?;
            let label = format!("place=\"{}\"", escaped(&place.to_string_lossy()));
            Some((label, f64::from(mib) * 1_048_576.0))
        })
        .collect();
    family("kiln_disk_free_bytes", "What is free where this server writes", &rows);
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    family("kiln_build_info", "Always 1; the label says which release this is", &[(version, 1.0)]);
    if let Some(bytes) = resident() {
        let rows = [(String::new(), bytes)];
        family("kiln_process_resident_bytes", "Memory of this process", &rows);
    }
    Ok(())
}

/// A count as a figure: exact as far as anybody counts.
fn count(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// Text between the quotes of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Memory of this process in bytes, where the system says.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u32 = line.split_whitespace().next()?.parse().ok()?;
    Some(f64::from(kib) * 1024.0)
}

/// Times a request, up to the head of its answer. Streams and long polls are open for as long as
/// they like: they are counted, their time means nothing.
pub(super) async fn timed(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    };
    let response = next.run(request).await;
    // What has no route is one of any number of paths.
    let route = route.unwrap_or_else(|| "none".to_owned());
    meters::answered(route, method, response.status().as_u16(), began.elapsed());
    response
}
