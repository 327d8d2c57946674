//! Settings of the sandbox: which engine, and how tight.
//!
//! They belong to the operator of the machine. Nothing here can be set by a project or a submission,
//! because the profile is what the machine promises to everybody else who builds on it.

use serde::{Deserialize, Serialize};

/// 64 MiB: what programs that use POSIX shared memory expect, and the engine's own default.
const DEFAULT_SHM_BYTES: u64 = 64 << 20;

/// The section `[sandbox]`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxSettings {
    /// Where the container engine listens, as `DOCKER_HOST` writes it (`unix:///run/docker.sock`,
    /// `tcp://host:2375`). Without it `DOCKER_HOST` counts, else the default socket.
    pub engine: Option<String>,
    /// Which system calls a build may make.
    pub profile: SeccompProfile,
    /// The engine's runtime (`runsc`, …); empty is the engine's default. An unknown one fails every
    /// job rather than weaken one.
    pub runtime: String,
    /// The control group under which all builds run (`/kiln`, or `kiln.slice` where systemd manages
    /// the groups); empty is the engine's default.
    pub cgroup_parent: String,
    /// The size of /dev/shm, in bytes. It counts towards a build's memory.
    pub shm_bytes: u64,
}

/// Which system calls a build may make.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeccompProfile {
    /// What C and C++ builds and their tests need, ptrace included (leak checkers, debuggers).
    #[default]
    Standard,
    /// The same without ptrace: for input from anybody.
    Strict,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            engine: None,
            profile: SeccompProfile::default(),
            runtime: String::new(),
            cgroup_parent: String::new(),
            shm_bytes: DEFAULT_SHM_BYTES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_is_the_default_and_unknown_keys_are_refused() {
        assert_eq!(toml::from_str::<SandboxSettings>("").unwrap(), SandboxSettings::default());
        let strict = toml::from_str::<SandboxSettings>("profile = \"strict\"").unwrap();
        assert_eq!(strict.profile, SeccompProfile::Strict);
        for bad in ["profile = \"none\"", "privileged = true", "shm_bytes = -1"] {
            assert!(toml::from_str::<SandboxSettings>(bad).is_err(), "{bad}");
        }
    }
}
