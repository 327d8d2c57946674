//! Settings: one file a section. Every section has defaults and refuses keys it does not know.
//!
//! Flags over environment (`KILN_SECTION_KEY`) over `kiln.toml` over defaults; `.env` counts as
//! environment. A mistake stops the start with the place it is in.

mod agent;
pub mod artifacts;
mod database;
mod environment;
mod limits;
mod load;
mod packages;
mod sandbox;
mod server;
mod source;
mod toolchains;
mod uploads;
mod watch;
mod web;

pub use agent::AgentSettings;
pub use database::{Database, DatabaseError, DatabaseSettings, Secret};
pub use environment::Environment;
pub use limits::LimitSettings;
pub use load::{ConfigError, Settings};
pub use packages::{AllowedPackages, PackageSettings};
pub use sandbox::{SandboxSettings, SeccompProfile};
pub use server::{Anonymous, LogFormat, ServerSettings};
pub use source::{PrivateAddresses, Scheme, Schemes, SourceSettings};
pub use toolchains::ToolchainSettings;
pub use uploads::UploadSettings;
pub use watch::WatchSettings;
pub use web::{Origin, WebSettings};
