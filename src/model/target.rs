//! Whom a project tells how its builds go.

use serde::{Deserialize, Serialize};

use super::ForgeKind;

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

    /// The forge that it is; nothing for a webhook.
    pub const fn forge(self) -> Option<ForgeKind> {
        match self {
            Self::Github => Some(ForgeKind::Github),
            Self::Gitlab => Some(ForgeKind::Gitlab),
            Self::Gitea => Some(ForgeKind::Gitea),
            Self::Webhook => None,
        }
    }

    /// The kind as it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self.forge() {
            Some(forge) => forge.as_str(),
            None => "webhook",
        }
    }

    /// The kind that is written `text`.
    pub fn from_name(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}
