//! Webhooks of forges, and how repositories are asked.

use serde::{Deserialize, Serialize};

use crate::model::{
    BuildId, DeliveryId, ForgeKind, Login, LoginKind, NoticeId, SecretValue, TargetId, TargetKind,
    Timestamp,
};

/// `PUT /api/v1/projects/{project}/hook`: a new shared secret.
#[derive(Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutHook {
    /// The secret in base 64, at least 16 bytes of text; default: one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Byte)]
    pub secret: Option<SecretValue>,
}

/// The webhook of a project, as its forge has to be told.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HookView {
    /// The path of its address on this server.
    pub path: String,
    /// Its whole address, where the server knows its own (`server.public_url`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The secret: shown once, when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Until when the secret before is good, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<Timestamp>,
    /// Who made the secret.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

/// What became of a delivery, as far as that is known at once.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeliveryReceipt {
    /// Its number here.
    pub delivery: DeliveryId,
    /// Whether the same came before.
    pub repeated: bool,
    /// What became of it.
    pub outcome: String,
}

/// A delivery that came in.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeliveryView {
    /// Its number here.
    pub id: DeliveryId,
    /// The kind of forge.
    pub forge: ForgeKind,
    /// What the forge calls what happened.
    pub event: String,
    /// The forge's own number of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forge_id: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
    /// What became of it; nothing while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The build that was made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<BuildId>,
    /// When it is worked on next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
}

/// `PUT /api/v1/projects/{project}/login`: how its repository is asked.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutLogin {
    /// The host it is for, with its port if that is not the usual one: it has to be the repository's.
    pub host: String,
    /// The login. It is never shown again.
    pub login: Login,
}

/// What is known of a login: not the token, and not the key.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LoginView {
    /// The host it goes to, and no other.
    pub host: String,
    /// What it is.
    pub kind: LoginKind,
    /// Who wrote it last.
    pub updated_by: String,
    /// When.
    pub updated_at: Timestamp,
}

/// `POST /api/v1/projects/{project}/targets`: tell somebody how builds go.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTarget {
    /// What it is.
    pub kind: TargetKind,
    /// The repository at the forge's API, such as `https://git.example.org/api/v1/repos/madler/zlib`, by default
    /// from the project's URL; or where a webhook goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The token, or the key that webhooks are signed with, in base 64. It is never shown again.
    #[schema(value_type = String, format = Byte)]
    pub secret: SecretValue,
}

/// Somebody who is told how builds go.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TargetView {
    /// Its id.
    pub id: TargetId,
    /// What it is.
    pub kind: TargetKind,
    /// The repository at the forge's API, or where a webhook goes.
    pub url: String,
    /// Who added it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

/// Something that was told, or is to be.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NoticeView {
    /// Its id; a webhook's `X-Kiln-Delivery`.
    pub id: NoticeId,
    /// To whom.
    pub target: TargetId,
    /// What it is about: a build, or a commit and toolchain.
    pub subject: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What was said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// Why it could not be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// When it is tried next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
}
