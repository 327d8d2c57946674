//! What answers look like on a terminal or in a pipe: each function writes one of them.

mod accounts;
mod artifacts;
mod build;
mod by_hand;
mod cause;
mod diagnostics;
mod excerpt;
mod farm;
mod forges;
mod job;
mod queues;
mod refs;
mod retention;
mod secrets;

pub(super) use accounts::{audit, tokens};
pub(super) use artifacts::{commit_artifacts, kept};
pub(super) use build::{build, builds, headline, label, summary};
pub(super) use by_hand::by_hand;
pub(super) use diagnostics::diagnostics;
pub(super) use excerpt::{first_error, has_excerpt};
pub(super) use farm::{agents, enrollments, projects, toolchains};
pub(super) use forges::{deliveries, notices, targets};
pub(super) use job::job;
pub(super) use queues::{queue, queues, rules};
pub(super) use refs::{rebuilt, refs};
pub(super) use retention::{kept_rules, retention, usage};
pub(super) use secrets::secrets;
