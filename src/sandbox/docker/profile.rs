//! The complete configuration of the two containers and their volume.
//!
//! Every field is set here, from constants: of a request only numbers and the pinned image's id get
//! in. What the engine would default is written down all the same, so that a test can compare what
//! the engine made of it, field by field. The reasons are in `docs/SECURITY.md`.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    Mount, MountType, MountVolumeOptions, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
    VolumeCreateRequest,
};
use serde_json::Value;

use super::{engine::EngineFacts, holder, label::Key};
use crate::{
    config::{SandboxSettings, SeccompProfile},
    sandbox::{SandboxError, SessionSpec},
};

/// Neither root nor anybody on the host: no name is looked up.
const USER: &str = "10240:10240";
const WORKSPACE: &str = "/workspace";
const HOSTNAME: &str = "build";
/// Entries that /tmp may hold: each costs the kernel about 1 KiB.
const TMP_INODES: u32 = 16_384;
/// Under memory pressure on the host the kernel ends builds before anything else.
const OOM_SCORE_ADJ: i64 = 500;
const OPEN_FILES: i64 = 4_096;
const LOCKED_MEMORY_BYTES: i64 = 64 << 10;
/// The holder runs `sh`, `head`, `tar` or `find` under `timeout` under the engine's init.
const HOLDER_PROCESSES: i64 = 16;
/// What the holder's own programs and their pipes need.
const HOLDER_MEMORY_BYTES: u64 = 64 << 20;
/// Kernel memory of a tmpfs entry: 100 000 empty files were seen to cost 91 MB.
const INODE_BYTES: u64 = 1_024;
const PAGE_BYTES: u64 = 4_096;

/// The engine's own list, and what else tells about the host.
const MASKED_PATHS: [&str; 16] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/config.gz",
    "/proc/kallsyms",
    "/sys/firmware",
    "/sys/kernel/vmcoreinfo",
    "/sys/devices/virtual/powercap",
    "/sys/class/dmi",
];

const READONLY_PATHS: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What belongs to the job (flags, times) is exported by its script; this is what no image may set
/// for it.
const ENVIRONMENT: [&str; 8] = [
    "HOME=/workspace/home",
    "TMPDIR=/tmp",
    "LANG=C.UTF-8",
    "PATH=/usr/local/bin:/usr/bin:/bin",
    "LD_PRELOAD=",
    "LD_LIBRARY_PATH=",
    "BASH_ENV=",
    "ENV=",
];

/// Waits for a line with the time limit in seconds, one with the script in base 64, and one that says
/// whether input for it follows. Without them (the agent died) it ends. `timeout` is the switch that
/// ends the build when nobody else does.
const WAIT_FOR_SCRIPT: &str = "IFS= read -r limit && IFS= read -r script && IFS= read -r input && \
     cd src && { [ \"$input\" = 1 ] || exec </dev/null; } && \
     exec timeout -s KILL \"$limit\" /bin/sh -c \"$(printf %s \"$script\" | base64 -d)\"";

/// What is the same for every session of a machine.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    seccomp: String,
    runtime: Option<String>,
    cgroup_parent: Option<String>,
    swappiness: Option<i64>,
    shm_bytes: u64,
}

/// What differs between the two containers.
struct Part {
    image: String,
    command: Vec<String>,
    memory: u64,
    processes: i64,
    nano_cpus: i64,
    file_bytes: u64,
    auto_remove: bool,
}

impl Profile {
    /// Checks the settings against the engine.
    pub(super) fn new(
        settings: &SandboxSettings,
        facts: &EngineFacts,
    ) -> Result<Self, SandboxError> {
        let refuse = |problem: String| Err(SandboxError::Engine(problem));
        let (runtime, parent) = (&settings.runtime, &settings.cgroup_parent);
        if !runtime.is_empty() && !facts.runtimes.contains(runtime) {
            return refuse(format!(
                "it has no runtime {runtime:?} (sandbox.runtime), only {}",
                facts.runtimes.join(", ")
            ));
        }
        if facts.cgroup_driver == "systemd" && !parent.is_empty() && !is_slice(parent) {
            return refuse(format!(
                "systemd manages its control groups, so sandbox.cgroup_parent = {parent:?} must end in .slice"
            ));
        }
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        Ok(Self {
            seccomp: seccomp(settings.profile, &facts.architecture)?,
            runtime: some(runtime),
            cgroup_parent: some(parent),
            // Version 2 has no such thing; the engine would warn about each container.
            swappiness: (facts.cgroup_version == 1).then_some(0),
            shm_bytes: settings.shm_bytes,
        })
    }

    pub(super) fn build_memory(&self, spec: &SessionSpec) -> u64 {
        spec.limits.container_memory(self.shm_bytes)
    }

    /// The container that runs the user's steps.
    pub(super) fn build(&self, spec: &SessionSpec, nano_cpus: i64) -> ContainerCreateBody {
        let part = Part {
            image: spec.image.0.clone(),
            command: ["/bin/sh", "-c", WAIT_FOR_SCRIPT].map(str::to_owned).into(),
            memory: self.build_memory(spec),
            processes: i64::from(spec.limits.processes),
            nano_cpus,
            file_bytes: spec.limits.file_bytes,
            auto_remove: false,
        };
        self.container(spec, &part)
    }

    /// The container that keeps the workspace. It ends by itself after `seconds`.
    pub(super) fn holder(
        &self,
        spec: &SessionSpec,
        (image, seconds, nano_cpus): (&str, u64, i64),
    ) -> ContainerCreateBody {
        let seconds = seconds.to_string();
        let part = Part {
            image: image.to_owned(),
            command: ["timeout", "-s", "KILL", &seconds, "/bin/sh", "-c", holder::SCRIPT]
                .map(str::to_owned)
                .into(),
            memory: holder_memory(spec),
            processes: HOLDER_PROCESSES,
            nano_cpus,
            // Above what fits, so that a source that is too large meets the full workspace.
            file_bytes: spec.limits.workspace_bytes.saturating_mul(2),
            auto_remove: true,
        };
        self.container(spec, &part)
    }

    fn container(&self, spec: &SessionSpec, part: &Part) -> ContainerCreateBody {
        ContainerCreateBody {
            hostname: Some(HOSTNAME.to_owned()),
            user: Some(USER.to_owned()),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(false),
            open_stdin: Some(true),
            stdin_once: Some(true),
            env: Some(owned(&ENVIRONMENT)),
            cmd: Some(part.command.clone()),
            entrypoint: Some(Vec::new()),
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..HealthConfig::default()
            }),
            image: Some(part.image.clone()),
            working_dir: Some(WORKSPACE.to_owned()),
            network_disabled: Some(true),
            stop_signal: Some("SIGKILL".to_owned()),
            stop_timeout: Some(0),
            host_config: Some(self.host(spec, part)),
            ..ContainerCreateBody::default()
        }
    }

    fn host(&self, spec: &SessionSpec, part: &Part) -> HostConfig {
        let memory = signed(part.memory);
        let tmp = spec.limits.tmp_bytes;
        HostConfig {
            network_mode: Some("none".to_owned()),
            cap_add: Some(Vec::new()),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec![
                "no-new-privileges:true".to_owned(),
                format!("seccomp={}", self.seccomp),
            ]),
            readonly_rootfs: Some(true),
            privileged: Some(false),
            publish_all_ports: Some(false),
            pids_limit: Some(part.processes),
            memory: Some(memory),
            memory_swap: Some(memory),
            memory_swappiness: self.swappiness,
            oom_kill_disable: Some(false),
            oom_score_adj: Some(OOM_SCORE_ADJ),
            nano_cpus: Some(part.nano_cpus),
            ipc_mode: Some("private".to_owned()),
            cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
            cgroup_parent: self.cgroup_parent.clone(),
            pid_mode: Some(String::new()),
            uts_mode: Some(String::new()),
            userns_mode: Some(String::new()),
            init: Some(true),
            auto_remove: Some(part.auto_remove),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: Some(0),
            }),
            runtime: self.runtime.clone(),
            shm_size: Some(signed(self.shm_bytes)),
            ulimits: Some(vec![
                ulimit("nofile", OPEN_FILES),
                ulimit("core", 0),
                ulimit("fsize", signed(part.file_bytes)),
                ulimit("memlock", LOCKED_MEMORY_BYTES),
            ]),
            tmpfs: Some(HashMap::from([(
                "/tmp".to_owned(),
                format!("rw,nosuid,nodev,noexec,size={tmp},nr_inodes={TMP_INODES},mode=1777"),
            )])),
            log_config: Some(HostConfigLogConfig {
                typ: Some("none".to_owned()),
                config: Some(HashMap::new()),
            }),
            masked_paths: Some(owned(&MASKED_PATHS)),
            readonly_paths: Some(owned(&READONLY_PATHS)),
            binds: Some(Vec::new()),
            devices: Some(Vec::new()),
            device_cgroup_rules: Some(Vec::new()),
            group_add: Some(Vec::new()),
            extra_hosts: Some(Vec::new()),
            links: Some(Vec::new()),
            volumes_from: Some(Vec::new()),
            mounts: Some(vec![Mount {
                typ: Some(MountType::VOLUME),
                source: Some(Key::of(spec).volume()),
                target: Some(WORKSPACE.to_owned()),
                volume_options: Some(MountVolumeOptions {
                    no_copy: Some(true),
                    ..MountVolumeOptions::default()
                }),
                ..Mount::default()
            }]),
            ..HostConfig::default()
        }
    }
}

/// The workspace: bounded in bytes and in files. Mode 1777 and no owner, because under a remapped
/// user namespace an owner would be a user of the host.
pub(super) fn volume(spec: &SessionSpec) -> VolumeCreateRequest {
    let (bytes, files) = (spec.limits.workspace_bytes, spec.limits.workspace_files);
    let options = format!("size={bytes},nr_inodes={files},mode=1777,nosuid,nodev");
    VolumeCreateRequest {
        name: Some(Key::of(spec).volume()),
        driver: Some("local".to_owned()),
        driver_opts: Some(HashMap::from([
            ("type".to_owned(), "tmpfs".to_owned()),
            ("device".to_owned(), "tmpfs".to_owned()),
            ("o".to_owned(), options),
        ])),
        ..VolumeCreateRequest::default()
    }
}

/// The source is charged to the holder, which writes it: what it may be, rounded up to whole pages,
/// and no more than the workspace can take.
pub(super) fn holder_memory(spec: &SessionSpec) -> u64 {
    let (bytes, files) = (spec.limits.workspace_bytes, spec.limits.workspace_files);
    let pages = spec.source_bytes.saturating_add(files.saturating_mul(PAGE_BYTES)).min(bytes);
    pages.saturating_add(files.saturating_mul(INODE_BYTES)).saturating_add(HOLDER_MEMORY_BYTES)
}

/// The allow-list as the engine wants it: the text itself, for the machine's own architecture only.
fn seccomp(profile: SeccompProfile, architecture: &str) -> Result<String, SandboxError> {
    let text = match profile {
        SeccompProfile::Standard => include_str!("seccomp-standard.json"),
        SeccompProfile::Strict => include_str!("seccomp-strict.json"),
    };
    let architecture = match architecture {
        "x86_64" | "amd64" => "SCMP_ARCH_X86_64",
        "aarch64" | "arm64" => "SCMP_ARCH_AARCH64",
        other => {
            return Err(SandboxError::Engine(format!(
                "there is no system call profile for {other:?}, only for x86_64 and aarch64"
            )));
        }
    };
    let mut rules: Value = serde_json::from_str(text).expect("the embedded profile is JSON");
    rules["architectures"] = Value::from(vec![architecture]);
    Ok(rules.to_string())
}

fn is_slice(parent: &str) -> bool {
    parent.strip_suffix(".slice").is_some_and(|name| !name.is_empty())
}

fn ulimit(name: &str, value: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(value), hard: Some(value) }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
