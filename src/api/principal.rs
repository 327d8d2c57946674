//! Who asks. Each handler names one of these as its first argument and thereby the permission it
//! needs; a handler without one would be open to everybody, which a test over all routes refuses.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use super::{ApiError, AppState};
use crate::model::{AgentId, Permission, Principal};

/// The bearer token of a request.
pub(super) fn bearer(parts: &Parts) -> Result<Option<&str>, ApiError> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
    match token {
        Some(token) if !token.is_empty() => Ok(Some(token)),
        _ => Err(ApiError::unauthorized("Authorization must be: Bearer TOKEN")),
    }
}

async fn allowed(
    parts: &Parts,
    state: &AppState,
    permission: Permission,
) -> Result<Principal, ApiError> {
    let principal = state.auth.principal(bearer(parts)?).await?;
    if principal.may(permission) {
        return Ok(principal);
    }
    Err(ApiError::forbidden(match principal {
        Principal::Agent(_) => "an agent's token only opens the agent API",
        Principal::LocalAdministrator => "this needs an agent's token",
    }))
}

/// May see builds, logs and artifacts.
#[derive(Debug)]
pub(super) struct Reads;

impl FromRequestParts<AppState> for Reads {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        allowed(parts, state, Permission::Read).await.map(|_| Self)
    }
}

/// May submit, cancel and retry builds.
#[derive(Debug)]
pub(super) struct Submits(pub(super) Principal);

impl FromRequestParts<AppState> for Submits {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        allowed(parts, state, Permission::Submit).await.map(Self)
    }
}

/// May change the farm itself.
#[derive(Debug)]
pub(super) struct Administers(pub(super) Principal);

impl FromRequestParts<AppState> for Administers {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        allowed(parts, state, Permission::Administer).await.map(Self)
    }
}

/// May claim and run jobs.
#[derive(Debug)]
pub(super) struct RunsJobs(pub(super) AgentId);

impl FromRequestParts<AppState> for RunsJobs {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        match allowed(parts, state, Permission::RunJobs).await? {
            Principal::Agent(agent) => Ok(Self(agent)),
            Principal::LocalAdministrator => {
                Err(ApiError::forbidden("this needs an agent's token"))
            }
        }
    }
}

/// Has the enrollment token, or says it has: the handler checks it.
#[derive(Debug)]
pub(super) struct Enrolls(pub(super) String);

impl FromRequestParts<AppState> for Enrolls {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let token = bearer(parts)?.map(str::to_owned);
        let token =
            token.ok_or_else(|| ApiError::unauthorized("this needs the enrollment token"))?;
        Ok(Self(token))
    }
}
