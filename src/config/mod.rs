//! Settings of the server, the agent and the client: one file a section.

mod toolchains;

pub use toolchains::ToolchainSettings;
