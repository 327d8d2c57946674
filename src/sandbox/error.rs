//! What can go wrong in a sandbox, by what the agent has to do about it.

use crate::model::Cause;

/// A sandbox could not do its part.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The toolchain's image is not there, or not what a toolchain image must be.
    #[error("image {image}: {problem}")]
    Image {
        /// The image that was asked for.
        image: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The engine refused, failed or did not answer in time.
    #[error("the container engine: {0}")]
    Engine(String),
    /// The script of all steps together is longer than one argument of a process may be.
    #[error("the steps are too long: {0}")]
    Script(String),
    /// The source does not fit into the workspace.
    #[error("the source does not fit into the workspace: {0}")]
    SourceTooLarge(String),
    /// The workspace holds more than may be listed or collected.
    #[error("the artifacts are beyond the bounds: {0}")]
    ArtifactLimit(String),
    /// The session was told to stop.
    #[error("stopped")]
    Stopped,
}

impl SandboxError {
    /// The cause an attempt ends with when this happens to it; none if it was stopped on purpose.
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            Self::Image { .. } => Some(Cause::Image),
            Self::Engine(_) => Some(Cause::Engine),
            Self::Script(_) => Some(Cause::RecipeInvalid),
            Self::SourceTooLarge(_) => Some(Cause::SourceTooLarge),
            Self::ArtifactLimit(_) => Some(Cause::ArtifactLimit),
            Self::Stopped => None,
        }
    }
}
