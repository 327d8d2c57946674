//! Settings of the bounds of jobs: `[limits.default]` and `[limits.maximum]`.

use serde::Deserialize;

use crate::model::{LimitError, Limits, LimitsRequest};

/// The section `[limits]`.
#[derive(Clone, Default, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// A job's bounds when nobody says otherwise, where they differ from kiln's.
    pub default: LimitsRequest,
    /// The most that a submission can ask for, where it differs from kiln's.
    pub maximum: LimitsRequest,
}

impl LimitSettings {
    /// The default bounds and the most that can be asked for.
    pub fn resolve(&self) -> Result<(Limits, Limits), LimitError> {
        let most = Limits::default_maximum();
        // The operator may go beyond what kiln allows by itself: the machine is theirs.
        let maximum = most.with(&self.maximum, &Limits::unbounded())?;
        let default = Limits::default().with(&self.default, &maximum)?;
        Ok((default, maximum))
    }
}
