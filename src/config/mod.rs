//! Settings, one file a section.

mod sandbox;

pub use sandbox::{SandboxSettings, SeccompProfile};
