//! The audit log is written here, for every request that was to change something: by one layer
//! around all routes, so that no handler can forget it. The answer is sent when the line is written.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, header, request::Parts},
    middleware::Next,
    response::Response,
};

use super::AppState;
use crate::{
    model::{AuditId, Principal, TokenId},
    protocol::AuditEntry,
};

/// Who a request turned out to be of, once it is known.
#[derive(Clone, Default, Debug)]
pub(super) struct Actor(Arc<Mutex<Option<Known>>>);

/// Who, and with which token.
type Known = (String, Option<TokenId>);

impl Actor {
    /// Notes who asks, for the line that is written in the end.
    pub(super) fn note(parts: &Parts, principal: &Principal) {
        let Some(Self(actor)) = parts.extensions.get::<Self>() else { return };
        let token = match principal {
            Principal::Account(account) => Some(account.token),
            _ => None,
        };
        let known = Some((principal.as_key(), token));
        *actor.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    fn take(&self) -> Option<Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The address a request comes from; put there by the connection, or by a test.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Writes a line if the request was to change something and it is known who wanted that.
pub(super) async fn audit(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let is_kept = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        && path.starts_with("/api/");
    if !is_kept {
        return next.run(request).await;
    }
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let address = request.extensions().get::<ClientAddress>().map(|address| address.0);
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    let mut entry = AuditEntry {
        id: AuditId::new(state.clock.now()),
        at: state.clock.now(),
        actor: String::new(),
        token: None,
        address: address.map(|address| address.to_string()).unwrap_or_default(),
        action: format!("{} {}", request.method(), matched.as_deref().unwrap_or(path)),
        object: path.to_owned(),
        status: 0,
        request: id.unwrap_or_default().to_owned(),
    };
    let actor = Actor::default();
    request.extensions_mut().insert(actor.clone());
    let response = next.run(request).await;
    // Nobody we know: the log of the server has it, and anybody could fill this one.
    let Some((name, token)) = actor.take() else { return response };
    (entry.actor, entry.token, entry.status) = (name, token, response.status().as_u16());
    let made = response.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
    if let Some(made) = made.filter(|made| made.starts_with('/')) {
        made.clone_into(&mut entry.object);
    }
    if let Err(error) = write(&state, &entry).await {
        tracing::error!(%error, audit.action = %entry.action, audit.actor = %entry.actor,
            "a line of the audit log could not be written");
    }
    response
}

async fn write(state: &AppState, entry: &AuditEntry) -> Result<(), crate::store::StoreError> {
    let mut tx = state.store.begin().await?;
    state.store.insert_audit(&mut tx, entry).await?;
    tx.commit().await
}
