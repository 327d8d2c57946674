//! What answers look like on a terminal or in a pipe: each function writes one of them.

mod artifacts;
mod build;
mod farm;
mod job;

pub(super) use artifacts::{commit_artifacts, manifest};
pub(super) use build::{build, builds, headline, label, summary};
pub(super) use farm::{agents, toolchains};
pub(super) use job::{first_error, job};
