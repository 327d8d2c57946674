//! Settings of the server: `[server]`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::Deserialize;

/// The section `[server]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// Where it listens. Beyond loopback every client and agent needs a token.
    pub listen: SocketAddr,
    /// File with the token that makes its bearer the administrator. Where one is given, clients need
    /// it on loopback, too; beyond loopback `admin-token` in the data directory is made without it.
    pub admin_token_file: Option<PathBuf>,
    /// File with the enrollment token, the same for all servers of an installation; if not given,
    /// `enrollment-token` in the data directory, which is made.
    pub enrollment_token_file: Option<PathBuf>,
    /// How long an agent keeps a job without being heard of, in seconds: three missed renewals. Less
    /// finds a dead machine sooner, and takes jobs from a slow network.
    pub lease_seconds: u32,
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
            admin_token_file: None,
            enrollment_token_file: None,
            lease_seconds: 30,
            log: "info".to_owned(),
            log_format: LogFormat::default(),
        }
    }
}
