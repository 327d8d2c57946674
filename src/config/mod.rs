//! Settings: one file a section. Every section has defaults and refuses keys it does not know.

mod agent;
mod sandbox;

pub use agent::AgentSettings;
pub use sandbox::{SandboxSettings, SeccompProfile};
