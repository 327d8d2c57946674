//! The one error envelope.

use serde::{Deserialize, Serialize};

/// What every error answer looks like.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorEnvelope {
    /// The error.
    pub error: ErrorBody,
}

/// An error: a code for programs, a sentence for people.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// A stable word, such as `not_found` or `stale_attempt`.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
    /// More for programs, where there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}
