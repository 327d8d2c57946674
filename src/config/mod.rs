//! Settings: one file a section. Every section has defaults and refuses keys it does not know.

mod agent;
pub mod artifacts;
mod sandbox;
mod source;
mod toolchains;

pub use agent::AgentSettings;
pub use sandbox::{SandboxSettings, SeccompProfile};
pub use source::{PrivateAddresses, Scheme, Schemes, SourceSettings};
pub use toolchains::ToolchainSettings;
