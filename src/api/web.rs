//! The web page and its files, for every path that is not the API's.

use std::borrow::Cow;

use axum::{
    extract::Request,
    http::{HeaderName, Method, header},
    response::{IntoResponse, Response},
};

use bytes::Bytes;

use super::ApiError;
use crate::web::{POLICY, WebFile, file, page};

/// Paths below which there is no page: who asks for them is a program.
const PROGRAMS: [&str; 5] = ["/api", "/agent", "/docs", "/metrics", "/assets"];

/// Where there is no other route: a file of the page, or the page, which finds its way by itself.
pub(super) async fn fallback(request: Request) -> Response {
    let path = request.uri().path();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return ApiError::no_route(path).into_response();
    }
    match file(path.trim_start_matches('/')) {
        Some(file) if file.mime.starts_with("text/html") => shown(page()),
        Some(file) => shown(file),
        None if is_for_programs(path) || !wants_page(&request) => {
            ApiError::no_route(path).into_response()
        }
        None => shown(page()),
    }
}

fn is_for_programs(path: &str) -> bool {
    PROGRAMS.iter().any(|&begin| {
        path.strip_prefix(begin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Whether a person asks with a browser. A program that has a path wrong is told so.
fn wants_page(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn shown(file: WebFile) -> Response {
    let kept = if file.is_forever { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, file.mime),
        (header::CACHE_CONTROL, kept),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    // A part of the binary is sent as it lies there.
    let bytes = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    (headers, bytes).into_response()
}
