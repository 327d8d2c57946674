//! Answers that can be asked for in part: one range, or the whole.

use std::ops::Range;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::ApiError;
use crate::archive::{HttpRange, http_range};

/// What of `length` bytes is wanted; the whole unless one satisfiable range was asked for.
pub(super) fn range(headers: &HeaderMap, length: u64) -> Result<HttpRange, ApiError> {
    let wanted = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    match http_range(wanted, length) {
        HttpRange::Unsatisfiable => Err(ApiError::unsatisfiable(length)),
        range => Ok(range),
    }
}

/// The answer with `length` bytes, or the part of them that `range` names.
pub(super) fn response(
    range: HttpRange,
    length: u64,
    body: impl FnOnce(Range<u64>) -> Body,
) -> Response {
    let (status, range) = match range {
        HttpRange::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        _ => (StatusCode::OK, 0..length),
    };
    let mut response = (status, body(range.clone())).into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
        let value = HeaderValue::try_from(text).expect("digits are a header value");
        headers.insert(header::CONTENT_RANGE, value);
    }
    response
}
