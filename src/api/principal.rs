//! Who asks. Each handler names one of these as its first argument and thereby the permission it
//! needs; a handler without one would be open to everybody, which a test over all routes refuses.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{header, request::Parts},
};

use super::{ApiError, AppState, ClientAddress, audit::Actor, bounds::OpenStream, session};
use crate::{
    model::{AgentId, Permission, Principal, Scope},
    store::BelongsTo,
};

/// The bearer token of a request.
pub(super) fn bearer(parts: &Parts) -> Result<Option<&str>, ApiError> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
    match token {
        Some(token) if !token.is_empty() => Ok(Some(token)),
        _ => Err(ApiError::unauthorized("Authorization must be: Bearer TOKEN")),
    }
}

/// Who asks, if they may do this, here: what the path names has to lie in the projects that the
/// token is for. What does not is not there.
async fn allowed(
    parts: &mut Parts,
    state: &AppState,
    permission: Permission,
) -> Result<Principal, ApiError> {
    let principal = known(parts, state).await?;
    Actor::note(parts, &principal);
    if !principal.may(permission) {
        return Err(ApiError::forbidden(match &principal {
            Principal::Agent(_) => "an agent's token only opens the agent API".to_owned(),
            Principal::LocalAdministrator => "this needs an agent's token".to_owned(),
            Principal::Anonymous => "this needs a token".to_owned(),
            Principal::Account(account) => format!(
                "this token lets its owner {}, and this needs more: ask an administrator for one \
                 with another role",
                account.role.as_str()
            ),
        }));
    }
    let scope = principal.scope();
    if scope != Scope::All {
        check_place(parts, state, (&scope, permission)).await?;
    }
    Ok(principal)
}

/// From where the request comes.
fn address(parts: &Parts) -> IpAddr {
    let address = parts.extensions.get::<ClientAddress>().map(|address| address.0);
    address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Who shares a bound: an account, or those without one at an address.
fn whose(principal: &Principal, address: IpAddr) -> String {
    match principal {
        Principal::Anonymous => format!("address:{address}"),
        known => known.as_key(),
    }
}

/// Whose token it is. Each address may send so many that are none, each account so many requests.
async fn known(parts: &Parts, state: &AppState) -> Result<Principal, ApiError> {
    let address = address(parts);
    let sent = match bearer(parts) {
        Ok(Some(token)) => Ok(Some(token.to_owned())),
        Ok(None) => session::token(parts, state).await,
        Err(error) => Err(error),
    };
    // Who sends none has not tried any.
    let is_try = !matches!(sent, Ok(None));
    let principal = match sent {
        Ok(token) => state.auth.principal(token.as_deref()).await.map_err(ApiError::from),
        Err(error) => Err(error),
    };
    match &principal {
        Err(error) if is_try && error.is_unauthorized() => state.bounds.failure(address)?,
        Ok(who @ (Principal::Account(_) | Principal::Anonymous)) => {
            state.bounds.request(&whose(who, address))?;
        }
        _ => {}
    }
    principal
}

/// Looks at what the path names.
async fn check_place(
    parts: &mut Parts,
    state: &AppState,
    (scope, permission): (&Scope, Permission),
) -> Result<(), ApiError> {
    let named = RawPathParams::from_request_parts(parts, state).await;
    let named = named.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let mut is_named = false;
    for (name, value) in &named {
        // Ids that are none are refused by the handler.
        let (what, project) = match name {
            "build" => ("build", state.store.project_of_build(value).await?),
            "job" => ("job", state.store.project_of_job(value).await?),
            "project" => {
                let row = match value.parse() {
                    Ok(name) => state.store.project_named(&name).await?,
                    Err(_) => None,
                };
                ("project", row.map(|row| BelongsTo(Some(row.id))))
            }
            _ => continue,
        };
        is_named = true;
        if project.is_some_and(|BelongsTo(project)| !scope.has(project)) {
            return Err(ApiError::not_found(what, value));
        }
    }
    if permission == Permission::Administer && !is_named {
        return Err(ApiError::forbidden(
            "this token is for some projects only: this needs an administrator's token without a \
             restriction",
        ));
    }
    Ok(())
}

/// Somebody without a token, who proves otherwise that they may: each address may ask so often, and fail
/// so often.
#[derive(Debug)]
pub(super) struct Stranger(IpAddr);

impl FromRequestParts<AppState> for Stranger {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let address = address(parts);
        state.bounds.request(&whose(&Principal::Anonymous, address))?;
        Ok(Self(address))
    }
}

impl Stranger {
    /// Notes that they could not prove it.
    pub(super) fn has_failed(&self, state: &AppState) -> Result<(), ApiError> {
        state.bounds.failure(self.0)
    }
}

/// Anybody who may see anything.
#[derive(Debug)]
pub(super) struct Anybody(pub(super) Principal);

impl FromRequestParts<AppState> for Anybody {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        allowed(parts, state, Permission::Read).await.map(Self)
    }
}

/// May follow: as `Reads`, with a place for a stream.
#[derive(Debug)]
pub(super) struct Follows(pub(super) Scope, pub(super) OpenStream);

impl FromRequestParts<AppState> for Follows {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let principal = allowed(parts, state, Permission::Read).await?;
        let place = state.bounds.stream(&whose(&principal, address(parts)))?;
        Ok(Self(principal.scope(), place))
    }
}

/// May see builds, logs and artifacts, of these projects.
#[derive(Debug)]
pub(super) struct Reads(pub(super) Scope);

impl FromRequestParts<AppState> for Reads {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        Ok(Self(allowed(parts, state, Permission::Read).await?.scope()))
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

/// May change a project or the farm itself.
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
            _ => Err(ApiError::forbidden("this needs an agent's token")),
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
