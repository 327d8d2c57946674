//! What every request passes before its handler: the Host and Origin checks, and security headers.
//!
//! A page in a browser on this machine can send requests to a loopback server. The Host check
//! stops names that were made to point here (DNS rebinding), the Origin check stops other sites.
//! Where every request needs a token, which no browser adds by itself, any name will do unless the
//! settings say which: such a server has names that it does not know of.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{ApiError, AppState, ClientAddress};

/// Refuses what comes from elsewhere, and adds the headers that every answer has.
pub(super) async fn guard(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    // From here on it is the client's, not a proxy's.
    if let Some(ClientAddress(peer)) = request.extensions().get().copied() {
        let client = state.bounds.client(peer, request.headers());
        request.extensions_mut().insert(ClientAddress(client));
    }
    let mut response = match check(&state, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox"));
    response
}

fn check(state: &AppState, request: &Request) -> Result<(), ApiError> {
    // HTTP/2 and absolute-form requests carry the host in the URI.
    let authority = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => host(request.headers())?,
    };
    if (state.hosts_are_all || !state.auth.wants_token())
        && !state.hosts.iter().any(|host| host.eq_ignore_ascii_case(authority.host()))
    {
        let message = format!(
            "this server does not answer for the host {:?}; it answers for {} (server.hosts names more)",
            authority.host(),
            state.hosts.join(", ")
        );
        return Err(ApiError::forbidden(message));
    }
    let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
    let same = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    match same {
        Some((_, host)) if host.eq_ignore_ascii_case(authority.as_str()) => Ok(()),
        _ if is_ours(state, origin) => Ok(()),
        _ => Err(ApiError::forbidden("requests from other web sites are refused")),
    }
}

/// Whether it is an origin that our page is served from, elsewhere.
pub(super) fn is_ours(state: &AppState, origin: &HeaderValue) -> bool {
    state.origins.iter().any(|ours| ours.as_str().as_bytes() == origin.as_bytes())
}

fn host(headers: &HeaderMap) -> Result<Authority, ApiError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let first = hosts.next().and_then(|host| host.to_str().ok());
    match (first.and_then(|host| host.parse().ok()), hosts.next()) {
        (Some(host), None) => Ok(host),
        _ => Err(ApiError::bad_request("one valid Host header is needed")),
    }
}
