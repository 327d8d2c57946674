//! The sandbox: where the code that nobody trusts runs.
//!
//! `Sandbox` is the mechanism of a machine, `Session` one live instance of it, used for one attempt
//! and thrown away. Two implementations: `docker` (containers through the engine's API) and
//! `scripted` (for tests of everything around it, no engine needed).

mod error;
mod session;

pub use error::SandboxError;
pub use session::{
    ByteStream, EntryKind, Exit, ImageId, Output, Sandbox, Session, SessionSpec, Swept,
    WorkspaceEntry,
};
