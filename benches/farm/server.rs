//! A server of our own: a fresh data directory, a free port, one embedded agent.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use kiln::{
    client::{BuildWatch, Rest, WatchUpdate},
    model::{BuildId, JobId, Outcome},
    protocol::{AgentView, Build, Job, SubmitBuild},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{process::Child, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{command, hand, repository::Repository};

/// What everything is built with.
pub(crate) const TOOLCHAIN: &str = "gcc:14";
/// How long the server, its agent and its list of images may take to be there.
const START: Duration = Duration::from_mins(1);
/// How long it may take to stop.
const STOP: Duration = Duration::from_secs(40);

/// A running server.
#[derive(Debug)]
pub(crate) struct Kiln {
    program: PathBuf,
    rest: Rest,
    child: Child,
    process: u32,
    agent: AgentView,
    image: String,
    data: TempDir,
}

/// A build that was waited for.
#[derive(Debug)]
pub(crate) struct Built {
    /// From the request to its answer.
    pub(crate) answered: Duration,
    /// From the request to the news that it has finished.
    pub(crate) total: Duration,
    /// What it was.
    pub(crate) build: Build,
}

impl Kiln {
    /// Starts it and waits until its agent can build.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let program = std::env::var_os("KILN_BENCH_BIN");
        let program = program.map_or_else(|| env!("CARGO_BIN_EXE_kiln").into(), PathBuf::from);
        let data = tempfile::Builder::new().prefix("kiln-bench-").tempdir()?;
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let log = std::fs::File::create(data.path().join("server.log"))?;
        let mut child = command::command(&program)
            .args(["serve", "--listen", &listen, "--data"])
            .arg(data.path())
            .current_dir(data.path())
            .env("KILN_SERVER_ANONYMOUS", "admin")
            .env("XDG_RUNTIME_DIR", data.path())
            .env("KILN_SOURCE_SCHEMES", "https,file")
            .env("KILN_SOURCE_PRIVATE", "allow")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| program.display().to_string())?;
        let process = child.id().context("the server ended at once")?;
        let rest = Rest::new(&format!("http://{listen}"), None)?;
        let began = Instant::now();
        let (agent, image) = loop {
            if let Some(ready) = ready(&rest).await {
                break ready;
            }
            if child.try_wait()?.is_some() || began.elapsed() > START {
                let log = std::fs::read_to_string(data.path().join("server.log"))?;
                bail!("{} is not ready to build with {TOOLCHAIN}:\n{log}", program.display());
            }
            sleep(Duration::from_millis(50)).await;
        };
        Ok(Self { program, rest, child, process, agent, image, data })
    }

    /// The program that is measured.
    pub(crate) fn program(&self) -> &std::path::Path {
        &self.program
    }

    /// The server's process.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    /// Its agent.
    pub(crate) fn agent(&self) -> &AgentView {
        &self.agent
    }

    /// The id of the toolchain's image.
    pub(crate) fn image(&self) -> &str {
        &self.image
    }

    /// Its API.
    pub(crate) fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Asks for a build of the newest commit.
    pub(crate) async fn submit(
        &self,
        repository: &Repository,
        script: &str,
    ) -> anyhow::Result<Build> {
        self.submit_with(repository, script, &[]).await
    }

    async fn submit_with(
        &self,
        repository: &Repository,
        script: &str,
        packages: &[&str],
    ) -> anyhow::Result<Build> {
        let submission = json!({
            "source": {"git": {"url": repository.url()}},
            "toolchains": [TOOLCHAIN],
            "packages": packages,
            "steps": [{"name": "compile", "run": script}],
        });
        let submission: SubmitBuild = serde_json::from_value(submission)?;
        let key = format!("{:032x}", rand::random::<u128>());
        Ok(self.rest.submit(&submission, &key).await?)
    }

    /// Asks for a build and waits for its end, as a client that follows it does.
    pub(crate) async fn build(
        &self,
        repository: &Repository,
        script: &str,
    ) -> anyhow::Result<Built> {
        self.build_with(repository, script, &[]).await
    }

    /// The same with packages.
    pub(crate) async fn build_with(
        &self,
        repository: &Repository,
        script: &str,
        packages: &[&str],
    ) -> anyhow::Result<Built> {
        let began = Instant::now();
        let build = self.submit_with(repository, script, packages).await?;
        let answered = began.elapsed();
        let mut watch = BuildWatch::new(self.rest.clone(), build.id, CancellationToken::new());
        let mut last = build;
        while let Some(update) = watch.next().await? {
            if let WatchUpdate::Build(build) = update {
                last = *build;
            }
        }
        let total = began.elapsed();
        self.check(&last).await?;
        Ok(Built { answered, total, build: last })
    }

    /// Makes sure that a build succeeded.
    pub(crate) async fn check(&self, build: &Build) -> anyhow::Result<()> {
        let job = leg(build)?;
        if build.outcome != Some(Outcome::Success) {
            let log = self.rest.log_tail(job, 2_000).await.unwrap_or_default();
            bail!("build {}: {:?}\n{}", build.id, build.outcome, String::from_utf8_lossy(&log));
        }
        Ok(())
    }

    /// The job of a build that has just one, with everything there is to know of it; its artifact
    /// is stored.
    pub(crate) async fn job(&self, build: &Build) -> anyhow::Result<Job> {
        let job = self.rest.job(leg(build)?).await?;
        let kept = job.attempts.last().and_then(|attempt| attempt.artifacts.as_ref());
        ensure!(kept.is_some_and(|kept| kept.files > 0), "no artifact was stored");
        Ok(job)
    }

    /// A build by its id.
    pub(crate) async fn look(&self, build: BuildId) -> anyhow::Result<Build> {
        Ok(self.rest.build(build).await?)
    }

    /// Stops it softly; it must leave nothing behind.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.terminate();
        let ended = tokio::time::timeout(STOP, self.child.wait()).await;
        let status = ended.context("the server does not stop")??;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    fn terminate(&self) {
        command::output_now("sh", &["-c", &format!("kill -TERM {}", self.process)]);
    }
}

impl Drop for Kiln {
    fn drop(&mut self) {
        // After `stop` there is nothing left to do.
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.terminate();
            let until = Instant::now() + STOP;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        if let Ok(instance) = std::fs::read_to_string(self.data.path().join("agent/instance")) {
            hand::remove(&format!("label=kiln.instance={}", instance.trim()));
        }
    }
}

/// The agent and the toolchain's image, once both are there.
async fn ready(rest: &Rest) -> Option<(AgentView, String)> {
    let agent = rest.agents().await.ok()?.items.into_iter().find(|agent| agent.online)?;
    let have = agent.status.toolchains.iter().find(|one| one.name.as_str() == TOOLCHAIN)?;
    let image = have.image.clone();
    Some((agent, image))
}

/// The only job of a build.
pub(crate) fn leg(build: &Build) -> anyhow::Result<JobId> {
    match &*build.jobs {
        [job] => Ok(job.id),
        jobs => bail!("build {} has {} jobs: {}", build.id, jobs.len(), build.plan.message),
    }
}
