//! By hand: what a person types to build the same thing in the same image.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::{command, repository};

/// The engine's client.
const DOCKER: &str = "docker";
/// Marks our containers, with the number of this process.
const LABEL: &str = "kiln-bench";

/// What `docker run` is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flags {
    /// Only that there is no network.
    Plain,
    /// Everything that kiln's own sandbox sets and the client has a flag for.
    Hardened,
}

/// Runs containers of one image by hand.
#[derive(Debug)]
pub(crate) struct Hand {
    image: String,
    label: String,
    folder: TempDir,
}

impl Hand {
    /// With `image`, by its id.
    pub(crate) fn new(image: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("kiln-bench-").tempdir()?;
        // Its name must be one that a mount can have; the hardened user writes into it.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let label = format!("{LABEL}={}", std::process::id());
        Ok(Self { image: image.to_owned(), label, folder })
    }

    /// Builds a scenario and packs one file of what it made: `docker run`, then `tar cz`.
    pub(crate) async fn build(
        &self,
        (scenario, script, product): (&str, &str, &str),
        flags: Flags,
    ) -> anyhow::Result<Duration> {
        let source = self.source(scenario)?;
        let folder = utf8(source.path())?;
        let (mount, archive) = (format!("{folder}:/src"), format!("{folder}/{product}.tar.gz"));
        let began = Instant::now();
        let mut arguments = vec!["run", "--rm", "--label", &self.label, "--network", "none"];
        let hardened = hardened();
        if flags == Flags::Hardened {
            arguments.extend(hardened.iter().map(String::as_str));
        }
        arguments.extend(["-v", &mount, "-w", "/src", &self.image, "sh", "-c", script]);
        command::output(DOCKER, &arguments).await?;
        command::output("tar", &["-czf", &archive, "-C", folder, product]).await?;
        let took = began.elapsed();
        ensure!(std::fs::metadata(&archive)?.len() > 0, "an empty archive");
        Ok(took)
    }

    /// Builds a scenario whose output the engine keeps, and reads that back: `docker run`,
    /// `docker logs`. Gives the log's bytes.
    pub(crate) async fn log(
        &self,
        (scenario, script): (&str, &str),
    ) -> anyhow::Result<(Duration, Vec<u8>)> {
        let source = self.source(scenario)?;
        let mount = format!("{}:/src", utf8(source.path())?);
        let began = Instant::now();
        let mut run = vec!["run", "--detach", "--label", &self.label, "--network", "none"];
        run.extend(["--log-driver", "json-file", "-v", &mount, "-w", "/src"]);
        run.extend([self.image.as_str(), "sh", "-c", script]);
        let container = command::output(DOCKER, &run).await?;
        let status = command::output(DOCKER, &["wait", &container]).await?;
        let logs = command::command(DOCKER).args(["logs", &container]).output().await?;
        let took = began.elapsed();
        command::output(DOCKER, &["rm", "--force", &container]).await?;
        ensure!(status == "0" && logs.status.success(), "the run by hand failed: {status}");
        Ok((took, logs.stdout))
    }

    /// Removes what is left of our containers.
    pub(crate) async fn clean_up(&self) -> anyhow::Result<()> {
        let filter = format!("label={}", self.label);
        let left =
            command::output(DOCKER, &["ps", "--all", "--quiet", "--filter", &filter]).await?;
        ensure!(left.is_empty(), "containers were left behind: {left}");
        Ok(())
    }

    /// A fresh folder with the source, which a container may write to.
    fn source(&self, scenario: &str) -> anyhow::Result<TempDir> {
        let source = tempfile::Builder::new().tempdir_in(self.folder.path())?;
        repository::copy(scenario, source.path())?;
        std::fs::set_permissions(source.path(), Permissions::from_mode(0o777))?;
        Ok(source)
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        remove(&format!("label={}", self.label));
    }
}

/// Removes containers, and the volumes with the same labels, without waiting for anybody.
pub(crate) fn remove(filter: &str) {
    for (list, remove) in [
        (&["ps", "--all", "--quiet", "--filter", filter][..], &["rm", "--force", "--volumes"][..]),
        (&["volume", "ls", "--quiet", "--filter", filter][..], &["volume", "rm", "--force"][..]),
    ] {
        let left = command::output_now(DOCKER, list);
        let left: Vec<&str> = left.lines().collect();
        if !left.is_empty() {
            command::output_now(DOCKER, &[remove, &left[..]].concat());
        }
    }
}

/// The sandbox's configuration as flags.
fn hardened() -> Vec<String> {
    let seccomp = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sandbox/docker/seccomp-standard.json");
    let flags = [
        "--init --user 10240:10240 --cap-drop ALL --read-only --ipc private --cgroupns private",
        "--security-opt no-new-privileges --pids-limit 512 --cpus 2 --oom-score-adj 500",
        "--ulimit nofile=4096 --ulimit core=0 --ulimit fsize=1073741824 --ulimit memlock=65536",
        "--tmpfs /tmp:rw,nosuid,nodev,noexec,size=134217728,nr_inodes=16384,mode=1777",
        "--log-driver none --shm-size 67108864 --hostname build",
        "--memory 3264m --memory-swap 3264m",
    ];
    let mut flags: Vec<String> =
        flags.iter().flat_map(|line| line.split(' ')).map(str::to_owned).collect();
    flags.push(format!("--security-opt=seccomp={seccomp}"));
    flags
}

fn utf8(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a temporary folder that is not UTF-8")
}
