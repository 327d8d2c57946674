//! Tokens of people and programs, and the audit log of what was done with them.

use serde::{Deserialize, Serialize};

use crate::model::{AccountName, AuditId, ProjectName, Role, SecretValue, Timestamp, TokenId};

/// `POST /api/v1/tokens`: a new token.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is called: where it is used, such as `laptop`.
    pub name: AccountName,
    /// Who acts with it; default: its name. Builds, uploads and limits are the owner's, whichever
    /// token they come with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AccountName>,
    /// What it lets do. Agents get tokens of their own by enrollment.
    pub role: Role,
    /// The only projects that it opens; default: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projects: Option<Vec<ProjectName>>,
    /// After how many seconds it ends; default: 90 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
    /// Whether it never ends.
    #[serde(default)]
    pub never_expires: bool,
}

/// A token, without the token.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenView {
    /// Its id.
    pub id: TokenId,
    /// What it is called.
    pub name: AccountName,
    /// Who acts with it.
    pub owner: AccountName,
    /// What it lets do.
    pub role: Role,
    /// The only projects that it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projects: Option<Vec<ProjectName>>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether that is over.
    pub is_expired: bool,
    /// When it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When it was used last, to some minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

/// A new token, shown once.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MadeToken {
    /// The token.
    pub token: String,
    /// What it is.
    pub made: TokenView,
}

impl std::fmt::Debug for MadeToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeToken").field("made", &self.made).finish_non_exhaustive()
    }
}

/// Who asks, and what they may.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WhoView {
    /// Who it is, as in `created_by`.
    pub who: String,
    /// What they may.
    pub role: Role,
    /// The only projects in which they may it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projects: Option<Vec<ProjectName>>,
}

/// A line of the audit log: somebody changed something, or was not let.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who, as in `created_by`.
    pub actor: String,
    /// The token they came with, if it was not the administrator's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenId>,
    /// From where.
    pub address: String,
    /// What: the method and the route.
    pub action: String,
    /// Of what: the path, or that of what was made.
    pub object: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The request's id, which is in the server's log, too.
    pub request: String,
}

/// Which lines of the audit log.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// Only what this one did, as in `created_by`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// How many at most, 1 to 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the previous page ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub cursor: Option<AuditId>,
}

/// `POST /api/v1/session`: sign in with a browser.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    /// The token, in base 64.
    #[schema(value_type = String, format = Byte)]
    pub token: SecretValue,
}
