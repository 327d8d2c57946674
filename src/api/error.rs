//! Errors of the API: the one place that knows status codes, and the one envelope.
//!
//! Internal failures are logged here, once, and the client gets a sentence without their inside.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    artifact::ArtifactError,
    auth::AuthError,
    disk::Space,
    logs::LogError,
    model::{Timestamp, TransitionError},
    notifier::NotifyError,
    protocol::{ErrorBody, ErrorEnvelope},
    queue::QueueError,
    rebuilder::RebuildError,
    retention::RetentionError,
    secrets::SecretsError,
    source::SourceError,
    store::StoreError,
    uploads::UploadError,
};

/// An answer other than what was asked for.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    /// What a range would have to lie in.
    range: Option<String>,
    /// In how many seconds to come back.
    wait: Option<u32>,
}

impl ApiError {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let body = ErrorBody { code: code.to_owned(), message: message.into(), details: None };
        Self { status, body, range: None, wait: None }
    }

    fn with(mut self, details: Value) -> Self {
        self.body.details = Some(details);
        self
    }

    /// It was there and is no more.
    pub(super) fn gone(message: &str) -> Self {
        Self::new(StatusCode::GONE, "gone", message)
    }

    /// It was removed when its time was over, or by hand.
    pub(super) fn expired(what: &str, at: Timestamp) -> Self {
        let message = format!("{what} were removed at {at}, by the retention rules or by hand");
        Self::new(StatusCode::GONE, "expired", message)
    }

    /// The request is not well-formed.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// The request is well-formed and asks for something that cannot be.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
    }

    /// It cannot be done in the state things are in.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// There is no such thing.
    pub(super) fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what} {id}"))
    }

    /// There is no such route.
    pub(super) fn no_route(path: &str) -> Self {
        let message = format!("there is nothing at {path}; /docs lists what there is");
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// The route exists, but not with this method.
    pub(super) fn wrong_method() -> Self {
        let message = "this method is not allowed here; /docs lists what is";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    /// Nobody we know.
    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// Whether nobody we know asked.
    pub(super) fn is_unauthorized(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// Somebody we know, who may not do this.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// Too much at one time; later it will do.
    pub(super) fn too_many(what: &str, wait: Duration) -> Self {
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        let message = format!("{what}; try again in {seconds} s");
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", message);
        Self { wait: Some(seconds), ..error }
    }

    /// The body is larger than it may be.
    pub(super) fn too_large(most: u64) -> Self {
        let message = format!("the body is larger than {most} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// The range lies outside.
    pub(super) fn unsatisfiable(length: u64) -> Self {
        let message = format!("the range lies outside: there are {length} bytes");
        let error = Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", message)
            .with(json!({"length": length}));
        Self { range: Some(format!("bytes */{length}")), ..error }
    }

    /// There is too little space for more.
    pub(super) fn disk_full(shortage: &str) -> Self {
        tracing::warn!("no work is taken: {shortage}");
        // Where its folders are is the operator's to know.
        let message = "the server's disk is nearly full, so that it takes no builds and uploads: its \
             administrator can make room (kiln retention, kiln delete, kiln usage)";
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", message)
    }

    /// Refuses what needs space where there is too little.
    pub(super) fn unless_space(space: &Space) -> Result<(), Self> {
        space.shortage().map_or(Ok(()), |shortage| Err(Self::disk_full(&shortage)))
    }

    /// Our fault: logged here, once.
    pub(super) fn internal(problem: impl std::fmt::Display) -> Self {
        tracing::error!("a request failed: {problem}");
        let message = "kiln failed to answer this; the server's log says why. Try again";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let range = self.range.and_then(|range| HeaderValue::try_from(range).ok());
        let headers = [(header::CACHE_CONTROL, "no-store")];
        let mut response =
            (self.status, headers, Json(ErrorEnvelope { error: self.body })).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let how = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
        }
        if let Some(wait) = self.wait {
            response.headers_mut().insert(header::RETRY_AFTER, wait.into());
        }
        if let Some(range) = range {
            response.headers_mut().insert(header::CONTENT_RANGE, range);
        }
        response
    }
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        let message = error.to_string();
        match error {
            QueueError::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "not_found", message),
            QueueError::Invalid(_) => Self::invalid(message),
            QueueError::Forbidden(_) => Self::forbidden(message),
            QueueError::Conflict(_) | QueueError::Taken => Self::conflict(message),
            QueueError::Full(_) => Self::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", message),
            QueueError::Stale(error) => error.into(),
            QueueError::LogIncomplete { have, .. } => {
                Self::new(StatusCode::CONFLICT, "log_incomplete", message).with(json!(have))
            }
            QueueError::Replaced => Self::new(StatusCode::CONFLICT, "agent_replaced", message),
            QueueError::Protocol(_) => Self::new(StatusCode::CONFLICT, "agent_protocol", message),
            QueueError::Secrets(error) => error.into(),
            QueueError::Store(error) => error.into(),
        }
    }
}

impl From<SecretsError> for ApiError {
    fn from(error: SecretsError) -> Self {
        let message = error.to_string();
        match error {
            SecretsError::Value(_) | SecretsError::TooMany(_) => Self::invalid(message),
            SecretsError::OtherKey { .. } | SecretsError::Damaged { .. } => Self::internal(message),
            SecretsError::Store(error) => error.into(),
        }
    }
}

impl From<RebuildError> for ApiError {
    fn from(error: RebuildError) -> Self {
        let message = error.to_string();
        match error {
            RebuildError::Payload(_) => Self::bad_request(message),
            RebuildError::Source(error) => error.into(),
            RebuildError::Queue(error) => error.into(),
            RebuildError::Secrets(error) => error.into(),
            RebuildError::Store(error) => error.into(),
            RebuildError::NoRepository | RebuildError::NoName(_) | RebuildError::Moved => {
                Self::conflict(message)
            }
            RebuildError::Stopping(_) => Self::internal(message),
        }
    }
}

impl From<NotifyError> for ApiError {
    fn from(error: NotifyError) -> Self {
        match error {
            NotifyError::Source(error) => error.into(),
            NotifyError::Queue(error) => error.into(),
            NotifyError::Secrets(error) => error.into(),
            NotifyError::Store(error) => error.into(),
            NotifyError::Refused(_) | NotifyError::Busy(_) => Self::internal(error),
        }
    }
}

impl From<TransitionError> for ApiError {
    fn from(error: TransitionError) -> Self {
        let message = format!("{error}: this attempt no longer has the job; drop the work");
        Self::new(StatusCode::CONFLICT, "stale_attempt", message)
    }
}

impl From<LogError> for ApiError {
    fn from(error: LogError) -> Self {
        let message = error.to_string();
        match error {
            LogError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "not_found", message),
            LogError::Stale(error) => error.into(),
            LogError::Invalid(_) => Self::bad_request(message),
            LogError::Gap(have) => {
                Self::new(StatusCode::CONFLICT, "log_gap", message).with(json!(have))
            }
            LogError::Store(error) => error.into(),
            LogError::Artifact(error) => error.into(),
            LogError::Expired(_) => Self::new(StatusCode::GONE, "expired", message),
            LogError::Damaged(_) => Self::internal(message),
        }
    }
}

impl From<ArtifactError> for ApiError {
    fn from(error: ArtifactError) -> Self {
        match error {
            ArtifactError::TooLarge(most) => Self::too_large(most),
            ArtifactError::Full(_) => {
                tracing::error!(%error, "the artifact repository is full");
                let message = "the artifact repository is full";
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "store_full", message)
            }
            ArtifactError::Unavailable(_) => {
                tracing::warn!(%error, "the artifact repository cannot be used for now");
                let message =
                    "the artifact repository cannot be used for now; try again in a moment";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            }
            ArtifactError::Upload(error) => {
                Self::bad_request(format!("the upload broke off: {error}"))
            }
            error => Self::internal(error),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            // Logged once, here; agents and clients try again.
            tracing::warn!(%error, "the database cannot be used for now");
            let message = "the database cannot be used for now; try again in a moment";
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message.to_owned());
        }
        Self::internal(error)
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let message = error.to_string();
        match error {
            AuthError::BadToken
            | AuthError::NoToken
            | AuthError::Damaged
            | AuthError::Expired
            | AuthError::Revoked => Self::unauthorized(message),
            AuthError::TokenNamed { .. } => Self::conflict(message),
            AuthError::NoProject(_) => Self::new(StatusCode::NOT_FOUND, "not_found", message),
            AuthError::Spent(_) => Self::new(StatusCode::FORBIDDEN, "enrollment_spent", message),
            AuthError::Protocol(_) => Self::new(StatusCode::CONFLICT, "agent_protocol", message),
            AuthError::NameTaken(_) => Self::new(StatusCode::CONFLICT, "name_taken", message),
            AuthError::Name | AuthError::Prefix(_) => Self::invalid(message),
            AuthError::Store(error) => error.into(),
        }
    }
}

impl From<RetentionError> for ApiError {
    fn from(error: RetentionError) -> Self {
        let message = error.to_string();
        match error {
            RetentionError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "not_found", message),
            RetentionError::Unfinished(_) | RetentionError::Pinned(_) => Self::conflict(message),
            RetentionError::Store(error) => error.into(),
            RetentionError::Artifact(error) => error.into(),
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        let message = error.to_string();
        match error {
            UploadError::Refused(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "tree_refused", message)
            }
            UploadError::TooLarge(_) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
            }
            UploadError::BrokeOff(_) => Self::bad_request(message),
            UploadError::Artifact(error) => error.into(),
            UploadError::Store(error) => error.into(),
        }
    }
}

impl From<SourceError> for ApiError {
    fn from(error: SourceError) -> Self {
        // What a person asked for cannot be had: their request is what has to change, or wait.
        let code = error.code();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, error.to_string())
    }
}
