//! The engine's command line, and `kill -9` for a process in a container.

use std::{ffi::OsStr, time::Duration};

use super::program::{Ran, command, run};

/// Longer than anything the engine is asked here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Runs `docker` with these arguments.
pub(crate) fn docker(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
    run(command("docker").args(arguments), Vec::new(), PATIENCE)
}

/// What it prints, line by line; fails if it fails.
#[track_caller]
pub(crate) fn lines(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Vec<String> {
    docker(arguments).exits(0).text().lines().map(str::to_owned).collect()
}

/// The one line that it prints.
#[track_caller]
pub(crate) fn line(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    let mut lines = lines(arguments);
    assert_eq!(lines.len(), 1, "one line: {lines:?}");
    lines.remove(0)
}

/// Ends the first process of a container as a crash does. The engine's own `kill` would be taken for
/// somebody's wish that the container stay down.
#[track_caller]
pub(crate) fn crash(container: &str, image: &str) {
    let process = line(["inspect", "--format", "{{.State.Pid}}", container]);
    assert_ne!(process, "0", "{container} runs");
    let script = format!("kill -9 {process}");
    let killer = ["run", "--rm", "--pid=host", "--network=none", "--user=0:0", "--entrypoint=sh"];
    docker(killer.into_iter().chain([image, "-c", &script])).exits(0);
}
