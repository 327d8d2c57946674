//! What a build of images says while it goes on.

use std::time::Duration;

/// One thing that happened to one image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BuildEvent {
    /// The image, by its reference.
    pub image: String,
    /// What happened.
    pub step: BuildStep,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BuildStep {
    /// It is there already, made from the same.
    Current,
    /// Work began; why.
    Started(String),
    /// A step of it began, such as `3/4 RUN apt-get update`.
    Step(String),
    /// A line that the build wrote.
    Output(String),
    /// It is there now.
    Done {
        /// From `Started` to now.
        took: Duration,
    },
}
