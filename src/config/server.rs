//! Settings of the server: `[server]`.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

/// The section `[server]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// Where it listens: an address of this machine only, until there are accounts.
    pub listen: SocketAddr,
    /// What is logged, such as `info` or `kiln::queue=debug,info`.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs, one object a line.
    Json,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)),
            log: "info".to_owned(),
            log_format: LogFormat::default(),
        }
    }
}
