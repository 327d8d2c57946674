//! The sandbox over a container engine: two containers share one bounded tmpfs volume.
//!
//! The *holder* never runs a line of the user's: it unpacks the source, lists the workspace and
//! hands files out, all over its attached stdin and stdout, and keeps the volume mounted. The
//! *build* runs the steps. When the build has exited, its PID namespace is gone, so nothing of the
//! user's is alive while files are read. The engine's archive endpoints, which work as root on
//! paths the user controls, are never used.

mod build;
mod by_hand;
mod cleanup;
mod engine;
mod holder;
mod label;
mod open;
mod pipe;
mod profile;
mod session;
mod sweep;
mod usage;

pub use engine::{Engine, EngineFacts};
pub use label::Identity;
pub use open::DockerSandbox;
