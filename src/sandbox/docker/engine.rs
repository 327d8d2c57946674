//! The connection to the container engine, and a deadline for everything that is asked of it.
//!
//! An engine that accepts a request and never answers must not take a worker with it, so each call
//! goes through [`Engine::call`].

use std::{future::Future, time::Duration};

use bollard::{
    Docker,
    errors::Error,
    models::{SystemInfo, SystemInfoCgroupVersionEnum},
};

use crate::{config::SandboxSettings, sandbox::SandboxError};

/// Longer than any call takes on a machine that is merely busy: a start under full load was seen to
/// take 2 s, a removal with 170 000 files 0.7 s.
const CALL_DEADLINE: Duration = Duration::from_secs(30);

/// How long the engine may take to say hello.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// A connection to a container engine whose API version has been agreed on.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    facts: EngineFacts,
}

/// What the engine says about itself and its machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EngineFacts {
    /// The engine's version.
    pub version: String,
    /// The API version that was agreed on.
    pub api_version: String,
    /// The engine's id: another one means another engine behind the same address.
    pub id: String,
    /// The machine's name.
    pub name: String,
    /// Processors.
    pub cpus: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Version of the control groups: 1 or 2.
    pub cgroup_version: u8,
    /// Who manages the control groups: `cgroupfs` or `systemd`.
    pub cgroup_driver: String,
    /// The machine's architecture, as `uname -m` says it.
    pub architecture: String,
    /// The names of the runtimes.
    pub runtimes: Vec<String>,
    /// `seccomp`, `apparmor`, `userns`, `rootless`, …, as the engine lists them.
    pub security_options: Vec<String>,
    /// The kernel's version.
    pub kernel: String,
    /// Where it keeps what it has, on its own machine.
    pub root: String,
}

impl Engine {
    /// Connects to the engine of the settings and asks what it is.
    pub async fn connect(settings: &SandboxSettings) -> Result<Self, SandboxError> {
        let docker = match &settings.engine {
            Some(host) => Docker::connect_with_host(host),
            None => Docker::connect_with_defaults(),
        }
        .map_err(|error| {
            SandboxError::Engine(format!(
                "{error}; is it installed and running, and may this user reach it?"
            ))
        })?;
        let docker = within(CONNECT_DEADLINE, "version", docker.negotiate_version()).await?;
        let facts = facts(&docker).await?;
        Ok(Self { docker, facts })
    }

    /// A client of the engine's API, for what is not about sandboxes: images.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// What the engine said about itself when the connection was made.
    pub fn facts(&self) -> &EngineFacts {
        &self.facts
    }

    /// Asks the engine again: says whether it answers, and whether it is still the same one.
    pub async fn look(&self) -> Result<EngineFacts, SandboxError> {
        facts(&self.docker).await
    }

    /// `cpu_millis` as the engine counts CPU time, and no more than the machine has: the engine
    /// refuses a container that asks for more.
    pub(super) fn nano_cpus(&self, cpu_millis: u32) -> i64 {
        i64::from(cpu_millis.min(self.facts.cpus.saturating_mul(1_000))) * 1_000_000
    }

    /// Waits for an answer of the engine, up to the deadline.
    pub(super) async fn call<T>(
        &self,
        what: &str,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, SandboxError> {
        within(CALL_DEADLINE, what, request).await
    }

    /// The same, keeping the engine's status code apart, for callers that know what it means.
    pub(super) async fn ask<T>(
        &self,
        what: &str,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Refusal> {
        match tokio::time::timeout(CALL_DEADLINE, request).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Error::DockerResponseServerError { status_code, message })) => {
                Err(Refusal { status: status_code, error: describe(what, &message) })
            }
            Ok(Err(error)) => Err(Refusal { status: 0, error: describe(what, &error) }),
            Err(_) => Err(Refusal { status: 0, error: no_answer(what, CALL_DEADLINE) }),
        }
    }
}

/// The engine said no, or nothing.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The HTTP status; 0 if there was no answer.
    pub(super) status: u16,
    /// The same in words.
    pub(super) error: SandboxError,
}

impl From<Refusal> for SandboxError {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

async fn within<T>(
    deadline: Duration,
    what: &str,
    request: impl Future<Output = Result<T, Error>>,
) -> Result<T, SandboxError> {
    match tokio::time::timeout(deadline, request).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(describe(what, &error)),
        Err(_) => Err(no_answer(what, deadline)),
    }
}

fn describe(what: &str, error: &dyn std::fmt::Display) -> SandboxError {
    SandboxError::Engine(format!("{what}: {error}"))
}

fn no_answer(what: &str, deadline: Duration) -> SandboxError {
    SandboxError::Engine(format!("{what}: no answer within {} s", deadline.as_secs()))
}

async fn facts(docker: &Docker) -> Result<EngineFacts, SandboxError> {
    let info: SystemInfo = within(CONNECT_DEADLINE, "info", docker.info()).await?;
    Ok(EngineFacts {
        version: info.server_version.unwrap_or_default(),
        api_version: docker.client_version().to_string(),
        id: info.id.unwrap_or_default(),
        name: info.name.unwrap_or_default(),
        cpus: info.ncpu.and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or(1).max(1),
        memory_bytes: info.mem_total.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
        cgroup_version: match info.cgroup_version {
            Some(SystemInfoCgroupVersionEnum::_2) => 2,
            _ => 1,
        },
        cgroup_driver: info.cgroup_driver.map(|driver| driver.to_string()).unwrap_or_default(),
        architecture: info.architecture.unwrap_or_default(),
        runtimes: info.runtimes.unwrap_or_default().into_keys().collect(),
        security_options: info.security_options.unwrap_or_default(),
        kernel: info.kernel_version.unwrap_or_default(),
        root: info.docker_root_dir.unwrap_or_default(),
    })
}
