//! The build's container as `docker run` makes it, for people who want to run a job by hand.
//!
//! Taken from the configuration itself, so that the two cannot drift apart. What `docker run` has
//! no option for is left out: the masked paths, and the list of system calls, whose place the
//! engine's own takes. The workspace, which two containers share here, is a tmpfs of the same size.

use bollard::models::{ContainerCreateBody, HostConfig, VolumeCreateRequest};

/// The options, one word each; no value has a space in it.
pub(super) fn options(body: &ContainerCreateBody, volume: &VolumeCreateRequest) -> Vec<String> {
    let mut options: Vec<String> =
        ["--rm", "-i", "--entrypoint=", "--no-healthcheck"].map(str::to_owned).into();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            options.push(format!("--{name}={value}"));
        }
    };
    put("hostname", body.hostname.clone());
    put("user", body.user.clone());
    put("stop-signal", body.stop_signal.clone());
    for variable in body.env.iter().flatten() {
        put("env", Some(variable.clone()));
    }
    if let Some(host) = &body.host_config {
        of_host(host, &mut put);
    }
    let size = volume.driver_opts.as_ref().and_then(|options| options.get("o"));
    let place = body.working_dir.as_ref();
    put("tmpfs", size.zip(place).map(|(size, place)| format!("{place}:rw,exec,{size}")));
    // No working directory: the engine would make that folder, and then mount the tmpfs over it with
    // the folder's mode. Who runs this goes there.
    options
}

fn of_host(host: &HostConfig, put: &mut impl FnMut(&str, Option<String>)) {
    let number = |value: Option<i64>| value.map(|value| value.to_string());
    put("network", host.network_mode.clone());
    for capability in host.cap_drop.iter().flatten() {
        put("cap-drop", Some(capability.clone()));
    }
    for option in host.security_opt.iter().flatten().filter(|one| !one.starts_with("seccomp=")) {
        put("security-opt", Some(option.clone()));
    }
    put("read-only", host.readonly_rootfs.map(|yes| yes.to_string()));
    put("init", host.init.map(|yes| yes.to_string()));
    put("pids-limit", number(host.pids_limit));
    put("memory", number(host.memory));
    put("memory-swap", number(host.memory_swap));
    put("memory-swappiness", number(host.memory_swappiness));
    put("oom-score-adj", number(host.oom_score_adj));
    put("cpus", host.nano_cpus.map(cpus));
    put("shm-size", number(host.shm_size));
    put("ipc", host.ipc_mode.clone());
    put("cgroupns", host.cgroupns_mode.map(|mode| mode.to_string()));
    put("runtime", host.runtime.clone());
    for limit in host.ulimits.iter().flatten() {
        if let (Some(name), Some(soft), Some(hard)) = (&limit.name, limit.soft, limit.hard) {
            put("ulimit", Some(format!("{name}={soft}:{hard}")));
        }
    }
    put("log-driver", host.log_config.as_ref().and_then(|log| log.typ.clone()));
    for (place, how) in host.tmpfs.iter().flatten() {
        put("tmpfs", Some(format!("{place}:{how}")));
    }
}

/// Billionths of a core as `--cpus` takes them.
fn cpus(nano: i64) -> String {
    let text = format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_written_as_short_as_they_can_be() {
        for (nano, text) in [(2_000_000_000, "2"), (500_000_000, "0.5"), (1_250_000_000, "1.25")] {
            assert_eq!(cpus(nano), text);
        }
    }
}
