//! Settings of watched repositories.

use serde::{Deserialize, Serialize};

/// How repositories are watched where a project does not say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchSettings {
    /// How often a repository is asked, in seconds, 10 to 86400.
    pub poll_seconds: u32,
    /// Whether a repository that was built by branch is watched from then on: that branch of it.
    pub all: bool,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self { poll_seconds: 60, all: false }
    }
}
