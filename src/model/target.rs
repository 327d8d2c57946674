//! Whom a project tells how its builds go.

use serde::{Deserialize, Serialize};

/// A kind of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// Commit statuses at GitHub, also one of one's own.
    Github,
    /// Commit statuses at GitLab, also one of one's own.
    Gitlab,
    /// Commit statuses at Gitea or Forgejo.
    Gitea,
    /// A signed request to any address when a build has ended.
    Webhook,
}

impl TargetKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Github, Self::Gitlab, Self::Gitea, Self::Webhook];

    /// The kind as it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
            Self::Webhook => "webhook",
        }
    }
}
