//! Settings of the agent: where its server is, how much it may run, where it keeps its things.
//!
//! Every number that is a policy has its default here, with the reason.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::Label;

/// Settings of the agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentSettings {
    /// The server's address.
    pub server: String,
    /// The agent's name, unique on its server; the machine's name, as its engine says
    /// it, if not given.
    pub name: Option<String>,
    /// File with the enrollment token. Settings name the file, never a secret.
    pub enrollment_token_file: Option<PathBuf>,
    /// Labels that builds can require, such as `gpu` or `team=graphics`; kiln adds `agent`, `arch`,
    /// `engine`, `isolation` and `os`.
    pub labels: Vec<Label>,
    /// The most jobs at one time; as many as cores and memory allow if not given.
    pub workers: Option<u32>,
    /// Where the agent keeps its token and what waits to be sent; `agent` in the data directory
    /// if not given.
    pub directory: Option<PathBuf>,
    /// Log of one attempt that waits in memory for the server, in bytes. 8 MiB are some seconds
    /// of the loudest build, so that a healthy server never makes the agent touch the disk.
    pub log_memory_bytes: u64,
    /// Log of one attempt that waits on disk after that, in bytes. Beyond it the build is held up:
    /// no line is ever lost.
    pub log_disk_bytes: u64,
    /// Uploaded trees that are kept for the next job that builds them, in bytes; the least recently
    /// used go first. 2 GiB are some hundred trees of usual size.
    pub uploads_bytes: u64,
    /// Compiler caches that are kept for later jobs, in bytes; the least recently used go first, and 0 turns
    /// them off. 4 GiB are those of some dozen projects.
    pub compiler_cache_bytes: u64,
    /// The least that has to be free on the disks of the engine and of the agent, in bytes: below it no
    /// job is taken. 2 GiB are a large image, or many logs.
    pub min_free_bytes: u64,
    /// The share of ten seconds in which something may have waited for memory, in percent: above it no
    /// job is taken. A machine that swaps is at 50 and more.
    pub max_memory_pressure: u32,
    /// How long a running job goes on without the server beyond its lease, in seconds: a server that
    /// was restarted takes it back. Two minutes are a reboot.
    pub lost_server_seconds: u32,
    /// How long running jobs may go on after the agent was told to stop, in seconds.
    pub grace_seconds: u32,
    /// How often the agent looks at its images, in seconds.
    pub status_seconds: u32,
    /// How often the agent removes what crashed attempts left behind, in seconds.
    pub sweep_seconds: u32,
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self {
            server: "http://127.0.0.1:8000".to_owned(),
            name: None,
            enrollment_token_file: None,
            labels: Vec::new(),
            workers: None,
            directory: None,
            log_memory_bytes: 8 << 20,
            log_disk_bytes: 256 << 20,
            uploads_bytes: 2 << 30,
            compiler_cache_bytes: 4 << 30,
            min_free_bytes: 2 << 30,
            max_memory_pressure: 25,
            lost_server_seconds: 120,
            grace_seconds: 10,
            status_seconds: 15,
            sweep_seconds: 60,
        }
    }
}

impl AgentSettings {
    /// How many jobs run at one time: what was asked for, or as many as the engine's cores and
    /// memory carry at `job_memory` bytes each; at least one.
    pub fn workers(&self, cpus: u32, memory: u64, job_memory: u64) -> u32 {
        let by_memory = u32::try_from(memory / job_memory.max(1)).unwrap_or(u32::MAX);
        self.workers.unwrap_or_else(|| cpus.min(by_memory)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_follow_cores_and_memory_and_are_at_least_one() {
        const GIB: u64 = 1 << 30;
        for (asked, cpus, memory, expected) in [
            (None, 8, 64 * GIB, 8),
            (None, 8, 10 * GIB, 3),
            (None, 2, GIB, 1),
            (None, 0, 0, 1),
            (Some(4), 1, GIB, 4),
            (Some(0), 8, 64 * GIB, 1),
        ] {
            let settings = AgentSettings { workers: asked, ..AgentSettings::default() };
            assert_eq!(settings.workers(cpus, memory, 3 * GIB), expected, "{asked:?} {cpus}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error = toml::from_str::<AgentSettings>("worker = 2").unwrap_err().to_string();
        assert!(error.contains("worker"), "{error}");
        assert_eq!(toml::from_str::<AgentSettings>("").unwrap(), AgentSettings::default());
    }
}
