//! Settings of the server: `[server]`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
};

use ipnet::IpNet;
use serde::Deserialize;
use url::Url;

/// The section `[server]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The names by which clients know it, beside the addresses of this machine. With a list, only
    /// they are answered; without one, every name is where nobody gets anything without a token.
    pub hosts: Vec<String>,
    /// The certificate chain and the key, in PEM files, with which it speaks TLS.
    pub certificate_file: Option<PathBuf>,
    /// See `certificate_file`.
    pub key_file: Option<PathBuf>,
    /// The proxies before it, as addresses or networks: only theirs is believed who says for whom
    /// they ask (`X-Forwarded-For`).
    pub trusted_proxies: Vec<IpNet>,
    /// What those without a token may do.
    pub anonymous: Anonymous,
    /// File with the token that makes its bearer the administrator, the same for all servers of an
    /// installation; if not given, `admin-token` in the data directory, which is made.
    pub admin_token_file: Option<PathBuf>,
    /// Requests of one account or address in a second, on average; a burst may be ten times that.
    /// Pages and scripts stay far below it. Agents and the administrator's own token are not counted.
    pub requests_per_second: NonZeroU32,
    /// Requests with a token that is none, from one address in a minute.
    pub failures_per_minute: NonZeroU32,
    /// Streams of logs and events that one account or address may have open.
    pub streams_per_account: NonZeroU32,
    /// Where people reach this installation, such as `https://kiln.example.org/`: for links in what others
    /// are told.
    pub public_url: Option<Url>,
    /// Whether everybody sees the badges of projects, which say how a branch builds: pages that show them
    /// have no token.
    pub public_badges: bool,
    /// Where `/metrics` is answered without a token, for who can reach that address; nowhere if not
    /// given.
    pub metrics_listen: Option<SocketAddr>,
    /// Where traces are sent to as OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`; nowhere if
    /// not given. Agents that have their own settings file have it there.
    pub traces: Option<Url>,
    /// How long lines of the audit log are kept, in days.
    pub audit_days: NonZeroU32,
    /// File with the enrollment token, the same for all servers of an installation; if not given,
    /// `enrollment-token` in the data directory, which is made.
    pub enrollment_token_file: Option<PathBuf>,
    /// File with the key that secrets of projects are sealed with, the same for all servers of an
    /// installation; if not given, `secret-key` in the data directory, which is made. Who loses it
    /// loses the secrets.
    pub secret_key_file: Option<PathBuf>,
    /// The least that has to be free on the disks of the data directory and of the artifact repository, if it
    /// is a folder, in bytes: below it no builds and uploads are taken and no jobs given out. 2 GiB are many logs
    /// and artifacts of jobs that run.
    pub min_free_bytes: u64,
    /// How long an agent keeps a job without being heard of, in seconds: three missed renewals. Less
    /// finds a dead machine sooner, and takes jobs from a slow network.
    pub lease_seconds: u32,
    /// The head start that each step of priority gives a job, in seconds: one with priority 10 goes
    /// before what has come up to ten minutes earlier with priority 0. So nothing waits for ever.
    pub aging_seconds: NonZeroU32,
    /// What is logged, such as `info` or `kiln::queue=debug,info`.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
}

/// What those without a token may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anonymous {
    /// Nothing.
    #[default]
    Nothing,
    /// See everything: for open projects.
    Read,
    /// Everything: for a machine that only one person uses. Only on loopback.
    Admin,
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
            hosts: Vec::new(),
            certificate_file: None,
            key_file: None,
            trusted_proxies: Vec::new(),
            anonymous: Anonymous::default(),
            admin_token_file: None,
            requests_per_second: at_least_one(500),
            failures_per_minute: at_least_one(30),
            streams_per_account: at_least_one(2_000),
            public_url: None,
            public_badges: false,
            metrics_listen: None,
            traces: None,
            audit_days: at_least_one(365),
            enrollment_token_file: None,
            secret_key_file: None,
            min_free_bytes: 2 << 30,
            lease_seconds: 30,
            aging_seconds: at_least_one(60),
            log: "info".to_owned(),
            log_format: LogFormat::default(),
        }
    }
}

const fn at_least_one(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}
