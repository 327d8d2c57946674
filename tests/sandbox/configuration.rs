//! What the engine made of the configuration, field by field.

use bollard::query_parameters::InspectContainerOptions;
use serde_json::{Value, json};

use kiln::config::{SandboxSettings, SeccompProfile};

use crate::harness::{Farm, with_farm, with_settings};

async fn inspect(farm: &Farm, part: &str) -> Value {
    let name = farm.left().await.into_iter().find(|name| name.ends_with(part)).unwrap();
    let docker = farm.sandbox.engine().docker();
    let name = name.trim_start_matches('/').to_owned();
    let found = docker.inspect_container(&name, None::<InspectContainerOptions>).await.unwrap();
    serde_json::to_value(found).unwrap()
}

/// Fails unless every path of `expected` has that value in `found`.
#[track_caller]
fn check(found: &Value, expected: &[(&str, Value)]) {
    for (path, value) in expected {
        let pointer = format!("/{}", path.replace('.', "/"));
        let found = found.pointer(&pointer).unwrap_or(&Value::Null);
        // The engine leaves out what is empty.
        let is_empty = |value: &Value| match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        assert!(found == value || (is_empty(found) && is_empty(value)), "{path}: {found}");
    }
}

/// What is the same in both containers.
fn common() -> Vec<(&'static str, Value)> {
    vec![
        ("Config.User", json!("10240:10240")),
        ("Config.WorkingDir", json!("/workspace")),
        ("Config.Hostname", json!("build")),
        ("Config.Tty", json!(false)),
        ("Config.OpenStdin", json!(true)),
        ("Config.StdinOnce", json!(true)),
        ("Config.Entrypoint", Value::Null),
        ("Config.Volumes", Value::Null),
        ("Config.ExposedPorts", Value::Null),
        ("Config.Healthcheck.Test", json!(["NONE"])),
        ("Config.NetworkDisabled", json!(true)),
        ("Config.StopSignal", json!("SIGKILL")),
        ("Config.StopTimeout", json!(0)),
        ("HostConfig.NetworkMode", json!("none")),
        ("HostConfig.CapAdd", Value::Null),
        ("HostConfig.CapDrop", json!(["ALL"])),
        ("HostConfig.Privileged", json!(false)),
        ("HostConfig.PublishAllPorts", json!(false)),
        ("HostConfig.PortBindings", Value::Null),
        ("HostConfig.ReadonlyRootfs", json!(true)),
        ("HostConfig.Binds", Value::Null),
        ("HostConfig.Devices", Value::Null),
        ("HostConfig.DeviceCgroupRules", Value::Null),
        ("HostConfig.DeviceRequests", Value::Null),
        ("HostConfig.GroupAdd", Value::Null),
        ("HostConfig.ExtraHosts", Value::Null),
        ("HostConfig.Links", Value::Null),
        ("HostConfig.VolumesFrom", Value::Null),
        ("HostConfig.Sysctls", Value::Null),
        ("HostConfig.PidMode", json!("")),
        ("HostConfig.UTSMode", json!("")),
        ("HostConfig.UsernsMode", json!("")),
        ("HostConfig.IpcMode", json!("private")),
        ("HostConfig.CgroupnsMode", json!("private")),
        ("HostConfig.OomKillDisable", json!(false)),
        ("HostConfig.OomScoreAdj", json!(500)),
        ("HostConfig.Init", json!(true)),
        ("HostConfig.RestartPolicy.Name", json!("no")),
        ("HostConfig.LogConfig.Type", json!("none")),
        ("HostConfig.ShmSize", json!(64 << 20)),
        (
            "HostConfig.Tmpfs",
            json!({"/tmp": "rw,nosuid,nodev,noexec,size=16777216,nr_inodes=16384,mode=1777"}),
        ),
        (
            "HostConfig.MaskedPaths",
            json!([
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
                "/sys/class/dmi"
            ]),
        ),
        (
            "HostConfig.ReadonlyPaths",
            json!(["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]),
        ),
        ("NetworkSettings.IPAddress", json!("")),
    ]
}

fn ulimits(fsize: u64) -> Value {
    let limit = |name: &str, value: u64| json!({"Name": name, "Soft": value, "Hard": value});
    json!([
        limit("nofile", 4_096),
        limit("core", 0),
        limit("fsize", fsize),
        limit("memlock", 65_536)
    ])
}

#[tokio::test]
async fn both_containers_are_confined_as_written() {
    with_farm(async |farm| {
        let spec = farm.spec();
        let session = farm.open_with(spec.clone()).await;
        let (build, holder) = (inspect(farm, "-b").await, inspect(farm, "-h").await);
        let facts = farm.sandbox.engine().facts();
        let cpus = u64::from(spec.limits.cpu_millis.min(facts.cpus * 1_000)) * 1_000_000;
        for container in [&build, &holder] {
            check(container, &common());
            let options = container.pointer("/HostConfig/SecurityOpt").unwrap();
            assert_eq!(options[0], "no-new-privileges:true");
            let profile = options[1].as_str().unwrap().strip_prefix("seccomp=").unwrap();
            let profile: Value = serde_json::from_str(profile).unwrap();
            assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
            assert_eq!(profile["architectures"].as_array().unwrap().len(), 1);
            let labels = container.pointer("/Config/Labels").unwrap();
            assert_eq!(labels["kiln.instance"], json!(farm.identity.instance));
            assert_eq!(labels["kiln.agent"], json!(farm.identity.agent));
            assert_eq!(labels["kiln.job"], json!(spec.job.to_string()));
            assert_eq!(labels["kiln.attempt"], "1");
            assert_eq!(labels["kiln.deadline"], json!(spec.deadline.to_string()));
            let mounts = container.pointer("/HostConfig/Mounts").unwrap();
            let volume = format!("kiln-{}-1-ws", spec.job);
            assert_eq!(
                *mounts,
                json!([{"Type": "volume", "Source": volume, "Target": "/workspace",
                        "VolumeOptions": {"NoCopy": true}}])
            );
            let environment = container.pointer("/Config/Env").unwrap().as_array().unwrap();
            for cleared in ["LD_PRELOAD=", "LD_LIBRARY_PATH=", "BASH_ENV=", "ENV="] {
                assert!(environment.contains(&json!(cleared)), "{cleared}");
            }
        }
        let memory = (256 + 64 + 16 + 64) << 20;
        check(
            &build,
            &[
                ("Name", json!(format!("/kiln-{}-1-b", spec.job))),
                ("Image", json!(farm.toolchain.0)),
                ("HostConfig.Memory", json!(memory)),
                ("HostConfig.MemorySwap", json!(memory)),
                ("HostConfig.NanoCpus", json!(cpus)),
                ("HostConfig.PidsLimit", json!(64)),
                ("HostConfig.AutoRemove", json!(false)),
                ("HostConfig.Ulimits", ulimits(1 << 30)),
            ],
        );
        // 16 MiB of source in up to 16 384 files fill the 64 MiB, and each file costs the kernel 1 KiB.
        let memory = (64 + 16 + 64) << 20;
        check(
            &holder,
            &[
                ("Name", json!(format!("/kiln-{}-1-h", spec.job))),
                ("Image", json!(farm.identity.holder.0)),
                ("HostConfig.Memory", json!(memory)),
                ("HostConfig.MemorySwap", json!(memory)),
                ("HostConfig.PidsLimit", json!(16)),
                ("HostConfig.AutoRemove", json!(true)),
                ("HostConfig.Ulimits", ulimits(128 << 20)),
            ],
        );
        session.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_strict_profile_is_used_where_it_is_set() {
    let settings =
        SandboxSettings { profile: SeccompProfile::Strict, ..SandboxSettings::default() };
    with_settings(settings, async |farm| {
        let session = farm.open().await;
        let container = inspect(farm, "-b").await;
        let options = container.pointer("/HostConfig/SecurityOpt/1").unwrap().as_str().unwrap();
        assert!(!options.contains("ptrace") && options.contains("clone3"));
        session.close().await.unwrap();
        // The compiler works under it.
        farm.run("gcc -o main main.c && ./main").await.ok();
    })
    .await;
}

#[tokio::test]
async fn settings_that_the_engine_cannot_honor_stop_the_start() {
    with_farm(async |farm| {
        let engine = farm.sandbox.engine().clone();
        let settings = SandboxSettings { runtime: "runsc-absent".into(), ..farm.settings.clone() };
        let clock = std::sync::Arc::new(kiln::model::SystemClock);
        let error =
            kiln::sandbox::DockerSandbox::new(engine, &settings, (farm.identity.clone(), clock))
                .unwrap_err();
        assert!(error.to_string().contains("runsc-absent"), "{error}");
        let nowhere = SandboxSettings {
            engine: Some("unix:///nonexistent/engine.sock".into()),
            ..SandboxSettings::default()
        };
        let error = kiln::sandbox::Engine::connect(&nowhere).await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent/engine.sock"), "{error}");
    })
    .await;
}
