//! Settings: one file a section. Every section has defaults and refuses keys it does not know.

mod agent;

pub use agent::AgentSettings;
