//! Typed HTTP clients of kiln's own APIs.

mod agent;
mod http;

pub use agent::{AgentClient, AttemptClient};
pub use http::{ClientError, Http};
