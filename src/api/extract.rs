//! Extractors that refuse in kiln's own envelope, and strictly: unknown fields, wrong types, ids
//! that are not ids.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;

use super::ApiError;

/// The largest JSON body.
pub(super) const MAX_JSON: u64 = 1 << 20;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let is_json = content_type.and_then(|value| value.to_str().ok()).is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case("application/json")
        });
        if !is_json {
            // Also keeps other sites' forms out: they cannot send this type.
            return Err(ApiError::bad_request("send JSON with Content-Type: application/json"));
        }
        let body = body(request, state).await?;
        if std::str::from_utf8(&body).is_err() {
            return Err(ApiError::bad_request("the body is not UTF-8"));
        }
        if body.trim_ascii_start().starts_with(b"[") {
            // It would be taken for the fields in the order of their definition.
            return Err(ApiError::invalid("the body: an object is needed, this is an array"));
        }
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            let message = format!("the body: {error}");
            match error.classify() {
                serde_json::error::Category::Data => ApiError::invalid(message),
                _ => ApiError::bad_request(message),
            }
        })
    }
}

/// A JSON body that may be absent.
#[derive(Debug)]
pub(super) struct OptionalJson<T>(pub(super) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if request.headers().contains_key(header::CONTENT_TYPE) {
            let Json(value) = Json::from_request(request, state).await?;
            return Ok(Self(value));
        }
        if body(request, state).await?.is_empty() {
            return Ok(Self(T::default()));
        }
        Err(ApiError::bad_request("send JSON with Content-Type: application/json"))
    }
}

async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            ApiError::too_large(MAX_JSON)
        } else {
            ApiError::bad_request(rejection.body_text())
        }
    })
}

/// Parameters from the path.
#[derive(Debug)]
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0)).map_err(|rejection| {
            ApiError::bad_request(format!("the path: {}", rejection.body_text()))
        })
    }
}

/// Parameters from the query string.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|query| Self(query.0))
            .map_err(|rejection| ApiError::bad_request(rejection.body_text()))
    }
}
