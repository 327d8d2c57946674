//! Settings of uploaded trees. How much a tree may be is the same as for git: see `source`.

use serde::{Deserialize, Serialize};

/// What may be uploaded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UploadSettings {
    /// The largest request in bytes: as much as a source may have, although what is sent is
    /// compressed as a rule.
    pub body_bytes: u64,
    /// How long an upload is kept that no build refers to, in hours. A day is long enough to come
    /// back to it, and short enough that trees nobody builds do not fill the disk.
    pub kept_hours: u32,
}

impl Default for UploadSettings {
    fn default() -> Self {
        Self { body_bytes: 512 << 20, kept_hours: 24 }
    }
}
