//! The sandbox: where the code that nobody trusts runs.
//!
//! `Sandbox` is the mechanism of a machine, `Session` one live instance of it, used for one attempt
//! and thrown away. Two implementations: `docker` (containers through the engine's API) and
//! `scripted` (for tests of everything around it, no engine needed).

mod docker;
mod error;
mod scripted;
mod session;

pub use docker::{DockerSandbox, Engine, EngineFacts, Identity};
pub use error::SandboxError;
pub use scripted::{Act, Produced, Scenario, ScriptedSandbox, Seen, Verb};
pub use session::{
    ByteStream, EntryKind, Exit, ImageId, Output, ResourceUse, Sandbox, Script, Session,
    SessionSpec, Swept, WorkspaceEntry,
};
