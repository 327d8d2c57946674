//! All routes together, and what stands around them.

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath},
    http::{HeaderName, HeaderValue, Method, Request, header},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer, Predicate as _,
        predicate::{DefaultPredicate, NotForContentType},
    },
    cors::CorsLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    timeout::RequestBodyTimeoutLayer,
    trace::TraceLayer,
};

use super::{
    ApiError, AppState, agents, audit::audit, docs, extract::MAX_JSON, guard::guard,
    metrics::timed, web,
};

/// How long a client may stop in the middle of a body.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// The router of a server.
pub fn router(state: AppState) -> Router {
    let (api, description) = docs::described().split_for_parts();
    let compressed = DefaultPredicate::new()
        .and(NotForContentType::const_new("text/event-stream"))
        .and(NotForContentType::const_new("application/gzip"))
        .and(NotForContentType::const_new("application/octet-stream"));
    let limit = usize::try_from(MAX_JSON).expect("1 MiB fits");
    let elsewhere = elsewhere(&state);
    let router = Router::new()
        .merge(api)
        .merge(agents::routes())
        .merge(docs::pages(description))
        .fallback(web::fallback)
        .method_not_allowed_fallback(|| async { ApiError::wrong_method() })
        .layer(from_fn(timed))
        .layer(from_fn_with_state(state.clone(), audit))
        .layer(DefaultBodyLimit::max(limit))
        .layer(RequestBodyTimeoutLayer::new(BODY_PATIENCE))
        .layer(CompressionLayer::new().gzip(true).compress_when(compressed))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.clone(), guard))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(|request: &Request<_>| {
                    let id = request.headers().get("x-request-id");
                    let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
                    // Every line of it says whose it is, however little is logged.
                    tracing::error_span!(
                        "request", request.id = id, http.method = %request.method(),
                        http.path = request.uri().path(), build.id = named(request, "{build}"),
                        job.id = named(request, "{job}"), job.attempt = named(request, "{attempt}"),
                        http.status = tracing::field::Empty,
                        otel.name = cfg!(feature = "otel").then(|| route_of(request)),
                        otel.kind = cfg!(feature = "otel").then_some("server")
                    )
                })
                .on_request(())
                .on_response(|response: &Response, took: Duration, span: &tracing::Span| {
                    let status = response.status().as_u16();
                    span.record("http.status", status);
                    tracing::debug!(
                        http.status = status,
                        duration_ms = took.as_millis(),
                        "answered"
                    );
                })
                .on_failure(()),
        )
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .with_state(state);
    match elsewhere {
        Some(layer) => router.layer(layer),
        None => router,
    }
}

/// Lets the page use the API from the other origins that it is served from; no others.
fn elsewhere(state: &AppState) -> Option<CorsLayer> {
    let origins =
        state.origins.iter().filter_map(|origin| HeaderValue::from_str(origin.as_str()).ok());
    let origins: Vec<_> = origins.collect();
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(origins)
            .allow_credentials(true)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers([
                header::CONTENT_TYPE,
                header::RANGE,
                HeaderName::from_static("last-event-id"),
                HeaderName::from_static("idempotency-key"),
                HeaderName::from_static("x-kiln-page"),
            ])
            .expose_headers([HeaderName::from_static("kiln-log-missing"), header::RETRY_AFTER])
            .max_age(Duration::from_hours(1))
    })
}

/// What a trace calls a request: its method and the pattern of its route.
fn route_of<B>(request: &Request<B>) -> String {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    format!("{} {route}", request.method())
}

/// What stands in a request's path where its route has this name.
fn named<'a, B>(request: &'a Request<B>, name: &str) -> Option<&'a str> {
    let route = request.extensions().get::<MatchedPath>()?.as_str().split('/');
    let mut parts = route.zip(request.uri().path().split('/'));
    parts.find_map(|(pattern, part)| (pattern == name).then_some(part))
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    ApiError::internal(format!("a handler panicked: {}", text.unwrap_or("no message")))
        .into_response()
}
