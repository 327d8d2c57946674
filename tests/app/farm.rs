//! A farm in one process: server, agents, git repositories, and a look at what is left at the end.
#![allow(dead_code, reason = "some of it is for PostgreSQL only")]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use kiln::{
    agent::{self, Admission, CompilerCache, Deps, Machine, UploadCache},
    client::Rest,
    config::{AgentSettings, Anonymous, PrivateAddresses, Settings, artifacts::ArtifactRoot},
    model::{BuildId, Clock, JobId, ManualClock, StateName, SystemClock, ToolchainName},
    protocol::{Build, BuildFilter, BuildState, Job, SubmitBuild},
    sandbox::{Scenario, ScriptedSandbox, SessionSpec},
    server::{self, ServeError, Server},
    source::Sources,
    store::Store,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{runtime::Runtime, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    script::{NONCE, Shelf},
    support::{
        postgres::Postgres,
        repo::{Entry, Repo},
    },
};

/// How long a test waits for something that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A commit that no server has to be asked for.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// How a farm is not the usual one.
pub(crate) struct Setup {
    pub(crate) settings: Settings,
    /// Agents that run from the start.
    pub(crate) agents: usize,
    pub(crate) workers: u32,
    /// What the agents have images of.
    pub(crate) shelf: Shelf,
    /// The time stands still unless the test moves it.
    pub(crate) manual: bool,
}

pub(crate) struct Farm {
    pub(crate) rest: Rest,
    pub(crate) sandbox: ScriptedSandbox,
    pub(crate) data: TempDir,
    pub(crate) enrollment: String,
    /// Moves only where the time was asked to stand still.
    pub(crate) time: Time,
    /// Ended with the farm.
    _postgres: Option<Arc<Postgres>>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    shelf: Shelf,
    /// Of agents that start from now on.
    pub(crate) admission: Admission,
    workers: u32,
    address: SocketAddr,
    serving: Option<(CancellationToken, JoinHandle<()>)>,
    agents: Vec<Option<Agent>>,
    /// Where agents find the server, if not where it is.
    agents_server: Option<String>,
    ended: bool,
}

/// A second server.
pub(crate) struct Another {
    pub(crate) rest: Rest,
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Another {
    pub(crate) async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the server stops").unwrap();
    }
}

/// A time that stands still until it is moved, for the server and for its database.
pub(crate) struct Time {
    clock: Arc<ManualClock>,
    postgres: Option<Arc<Postgres>>,
}

impl Time {
    pub(crate) fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
        self.stand_still();
    }

    fn stand_still(&self) {
        let Some(postgres) = &self.postgres else { return };
        let now = self.clock.now().as_millis();
        postgres.psql(&format!(
            "CREATE OR REPLACE FUNCTION kiln_now() RETURNS BIGINT LANGUAGE sql VOLATILE \
             AS $$ SELECT CAST({now} AS BIGINT) $$"
        ));
    }
}

/// An agent in a runtime of its own, so that it can be killed with everything it does.
struct Agent {
    runtime: Runtime,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Default for Setup {
    fn default() -> Self {
        let mut settings = Settings::default();
        settings.source.schemes = "https,file".parse().unwrap();
        settings.source.private = PrivateAddresses::Allow;
        // Who may what has tests of its own.
        settings.server.anonymous = Anonymous::Admin;
        settings.server.failures_per_minute = 1_000_000.try_into().unwrap();
        // Nor does it matter here how full the machine is.
        settings.server.min_free_bytes = 0;
        settings.toolchains.default = vec![gcc()];
        let shelf = Shelf(vec![gcc(), clang()]);
        Self { settings, agents: 1, workers: 2, shelf, manual: false }
    }
}

pub(crate) fn gcc() -> ToolchainName {
    "gcc:14".parse().unwrap()
}

pub(crate) fn clang() -> ToolchainName {
    "clang:19".parse().unwrap()
}

/// A project with a Makefile, and what else it has.
pub(crate) fn project(more: impl IntoIterator<Item = (&'static str, String)>) -> Repo {
    let files = [
        Entry::file("Makefile", "app: main.c\n\tcc -o app main.c\n"),
        Entry::file("main.c", "int main(void) { return 0; }\n"),
    ];
    let more = more.into_iter().map(|(path, text)| Entry::file(path, text));
    Repo::with(files.into_iter().chain(more))
}

/// What builds do on a farm where none is to run.
pub(crate) fn nothing(_: &SessionSpec) -> Scenario {
    Scenario::default()
}

impl Farm {
    /// A farm with one agent.
    pub(crate) async fn new(
        script: impl Fn(&SessionSpec) -> Scenario + Send + Sync + 'static,
    ) -> Self {
        Self::with(Setup::default(), script).await
    }

    /// A server without agents, whose time stands still.
    pub(crate) async fn alone() -> Self {
        Self::with(Setup { agents: 0, manual: true, ..Setup::default() }, nothing).await
    }

    pub(crate) async fn with(
        setup: Setup,
        script: impl Fn(&SessionSpec) -> Scenario + Send + Sync + 'static,
    ) -> Self {
        let time = Arc::new(ManualClock::new(SystemClock.now()));
        let clock: Arc<dyn Clock> =
            if setup.manual { Arc::<ManualClock>::clone(&time) } else { Arc::new(SystemClock) };
        let postgres = crate::POSTGRES.then(|| Arc::new(Postgres::start()));
        let mut settings = setup.settings;
        settings.database.url = postgres.as_ref().map(|postgres| postgres.url().into());
        let time = Time { clock: time, postgres: postgres.clone().filter(|_| setup.manual) };
        let mut farm = Self {
            rest: Rest::new("http://127.0.0.1:1", None).unwrap(),
            sandbox: ScriptedSandbox::new(script),
            data: tempfile::Builder::new().prefix("kiln-app-").tempdir().unwrap(),
            enrollment: String::new(),
            time,
            _postgres: postgres,
            clock,
            settings,
            shelf: setup.shelf,
            admission: Admission::always(),
            workers: setup.workers,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            serving: None,
            agents: Vec::new(),
            agents_server: None,
            ended: false,
        };
        farm.start_server().await;
        farm.time.stand_still();
        for _ in 0..setup.agents {
            let number = farm.agents.len();
            farm.start_agent(number);
        }
        farm
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn sources(&self, data: &Path) -> Sources {
        let helper = PathBuf::from(env!("CARGO_BIN_EXE_kiln"));
        Sources::with_helper(self.settings.source.clone(), data, helper).unwrap()
    }

    pub(crate) fn server_data(&self) -> PathBuf {
        self.data.path().join("server")
    }

    async fn start_server(&mut self) {
        let data = self.server_data();
        let began = Instant::now();
        let server = loop {
            let (sources, clock) = (self.sources(&data), Arc::clone(&self.clock));
            match Box::pin(Server::open(&self.settings, &data, clock, sources)).await {
                Ok(server) => break server,
                // Between its fork and its exec, a helper of another test has our lock.
                Err(ServeError::Data { .. }) if began.elapsed() < PATIENCE => tick().await,
                Err(error) => panic!("the server does not start: {error}"),
            }
        };
        server.enrollment().clone_into(&mut self.enrollment);
        let listener = server::listen(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        self.rest = Rest::new(&self.url(), None).unwrap();
        let stop = CancellationToken::new();
        let running = server.run(listener, None, stop.clone());
        let task = tokio::spawn(async move { running.await.unwrap() });
        self.serving = Some((stop, task));
    }

    /// One more server on the same database and artifact repository.
    pub(crate) async fn another_server(&self) -> Another {
        let data = self.data.path().join("another");
        let mut settings = self.settings.clone();
        settings.artifacts.root = Some(ArtifactRoot::Local(self.server_data().join("artifacts")));
        let (sources, clock) = (self.sources(&data), Arc::clone(&self.clock));
        let server = Box::pin(Server::open(&settings, &data, clock, sources)).await.unwrap();
        let listener = server::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let rest = Rest::new(&format!("http://{address}"), None).unwrap();
        let stop = CancellationToken::new();
        let running = server.run(listener, None, stop.clone());
        let task = tokio::spawn(async move { running.await.unwrap() });
        Another { rest, address, stop, task }
    }

    /// The database itself, while no server has it: for what only a crash at the worst moment leaves.
    pub(crate) async fn store(&self) -> Store {
        assert!(self.serving.is_none(), "the server runs");
        let database = self.settings.database.resolve(&self.server_data()).unwrap();
        Store::open(&database).await.unwrap()
    }

    /// Has agents that start from now on reach the server at this address, a proxy's.
    pub(crate) fn agents_go_to(&mut self, address: SocketAddr) {
        self.agents_server = Some(format!("http://{address}"));
    }

    pub(crate) async fn stop_server(&mut self) {
        let (stop, task) = self.serving.take().unwrap();
        stop.cancel();
        tokio::time::timeout(PATIENCE, task).await.expect("the server stops").unwrap();
    }

    /// Starts it again: the same data, the same port.
    pub(crate) async fn restart_stopped(&mut self) {
        self.start_server().await;
    }

    /// Starts the server again with other settings.
    pub(crate) async fn change_settings(&mut self, change: impl FnOnce(&mut Settings)) {
        if self.serving.is_some() {
            self.stop_server().await;
        }
        change(&mut self.settings);
        self.start_server().await;
    }

    /// Ends every build that has not.
    pub(crate) async fn cancel_all(&self) {
        for build in self.unfinished().await {
            self.rest.cancel_build(build.id).await.unwrap();
        }
    }

    /// The same data, the same port.
    pub(crate) async fn restart_server(&mut self) {
        self.stop_server().await;
        self.start_server().await;
    }

    fn agent_data(&self, number: usize) -> PathBuf {
        self.data.path().join(format!("agent-{number}"))
    }

    /// Starts the agent with this number, again if it ran before.
    pub(crate) fn start_agent(&mut self, number: usize) {
        let data = self.agent_data(number);
        std::fs::create_dir_all(&data).unwrap();
        let deps = Deps {
            settings: AgentSettings {
                server: self.agents_server.clone().unwrap_or_else(|| self.url()),
                workers: Some(self.workers),
                grace_seconds: 1,
                ..AgentSettings::default()
            },
            directory: data.clone(),
            enrollment: Some(self.enrollment.clone()),
            machine: Machine {
                name: format!("agent-{number}"),
                arch: "x86_64".into(),
                cpus: 2,
                memory_bytes: 8 << 30,
                engine: "scripted".into(),
                profile: "scripted/none".into(),
                shm_bytes: 0,
                source_bytes: 1 << 20,
            },
            admission: self.admission.clone(),
            sandbox: Arc::new(self.sandbox.clone()),
            sources: Arc::new(self.sources(&data)),
            uploads: UploadCache::new(data.join("uploads"), 1 << 20),
            ccache: CompilerCache::new(data.join("ccache"), 64 << 20),
            toolchains: Arc::new(self.shelf.clone()),
            clock: Arc::clone(&self.clock),
            nonce: || NONCE.to_owned(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let stop = CancellationToken::new();
        let task = runtime.spawn(agent::run(deps, stop.clone()));
        if self.agents.len() <= number {
            self.agents.resize_with(number + 1, || None);
        }
        self.agents[number] = Some(Agent { runtime, stop, task });
    }

    /// Tells an agent to stop and waits for it.
    pub(crate) async fn stop_agent(&mut self, number: usize) {
        let agent = self.agents[number].take().unwrap();
        agent.stop.cancel();
        tokio::time::timeout(PATIENCE, agent.task)
            .await
            .expect("the agent stops")
            .unwrap()
            .unwrap();
        agent.runtime.shutdown_background();
        let left = std::fs::read_dir(self.agent_data(number).join("spool"));
        assert_eq!(left.map_or(0, Iterator::count), 0, "files are left in the spool");
    }

    /// Ends an agent in the middle of whatever it does, as `kill -9` would.
    pub(crate) async fn kill_agent(&mut self, number: usize) {
        let agent = self.agents[number].take().unwrap();
        let gone = tokio::task::spawn_blocking(move || agent.runtime.shutdown_timeout(PATIENCE));
        gone.await.unwrap();
        // What a real agent's next life does with its predecessor's files.
        let _ = std::fs::remove_dir_all(self.agent_data(number).join("spool"));
    }

    /// Asks for a build of what a repository has at `main`.
    pub(crate) async fn submit(&self, repo: &Repo) -> Build {
        self.submit_with(repo, json!({})).await
    }

    /// The same with more in the submission.
    pub(crate) async fn submit_with(&self, repo: &Repo, more: Value) -> Build {
        self.ask(json!({"git": {"url": repo.url()}}), more).await
    }

    /// Asks for a build of a commit that only raw agents "fetch".
    pub(crate) async fn submit_raw(&self, more: Value) -> Build {
        self.ask(json!({"git": {"url": "https://example.org/x", "commit": COMMIT}}), more).await
    }

    async fn ask(&self, source: Value, mut more: Value) -> Build {
        more["source"] = source;
        let request: SubmitBuild = serde_json::from_value(more).unwrap();
        let key = format!("{:032x}", rand::random::<u128>());
        self.rest.submit(&request, &key).await.unwrap()
    }

    pub(crate) async fn build(&self, id: BuildId) -> Build {
        self.rest.build(id).await.unwrap()
    }

    pub(crate) async fn job(&self, id: JobId) -> Job {
        self.rest.job(id).await.unwrap()
    }

    /// Waits until a build has ended.
    pub(crate) async fn finished(&self, id: BuildId) -> Build {
        self.until_build(id, |build| build.state == BuildState::Finished).await
    }

    /// Waits until a build is as wanted.
    pub(crate) async fn until_build(&self, id: BuildId, wanted: impl Fn(&Build) -> bool) -> Build {
        let began = Instant::now();
        loop {
            let build = self.build(id).await;
            if wanted(&build) {
                return build;
            }
            assert!(began.elapsed() < PATIENCE, "the build stays {build:#?}");
            tick().await;
        }
    }

    /// Waits until a job is as wanted.
    pub(crate) async fn until_job(&self, id: JobId, wanted: impl Fn(&Job) -> bool) -> Job {
        let began = Instant::now();
        loop {
            let job = self.job(id).await;
            if wanted(&job) {
                return job;
            }
            assert!(began.elapsed() < PATIENCE, "the job stays {job:#?}");
            tick().await;
        }
    }

    /// Lets the time pass until the lease of a running job has lapsed. Not in one leap: the server
    /// would take that for a machine that slept, and give everybody a new lease.
    pub(crate) async fn lapse(&self, id: JobId) -> Job {
        let began = Instant::now();
        loop {
            self.time.advance(Duration::from_secs(14));
            // The server looks at the clock once a second.
            let stepped = Instant::now();
            while stepped.elapsed() < Duration::from_millis(1_100) {
                let job = self.job(id).await;
                if job.summary.state != StateName::Running {
                    return job;
                }
                tick().await;
            }
            assert!(began.elapsed() < PATIENCE, "the lease does not lapse");
        }
    }

    /// Submits, waits, and gives the only job.
    pub(crate) async fn run(&self, repo: &Repo) -> Job {
        let build = self.submit(repo).await;
        let build = self.finished(build.id).await;
        assert_eq!(build.jobs.len(), 1, "{build:#?}");
        self.job(build.jobs[0].id).await
    }

    /// Waits until a build's first leg runs and has written something.
    pub(crate) async fn until_first_leg_runs(&self, id: BuildId) -> Job {
        let build = self.until_build(id, |build| !build.jobs.is_empty()).await;
        self.until_job(build.jobs[0].id, |job| {
            job.summary.state == StateName::Running && job.summary.step.is_some()
        })
        .await
    }

    /// Waits until the server has sealed all logs of a job, which is when its objects are there.
    pub(crate) async fn until_sealed(&self, job: JobId) {
        let began = Instant::now();
        let folder = self.server_data().join("artifacts");
        let attempts = self.job(job).await.attempts.len();
        let is_log = |path: &PathBuf| {
            path.ends_with("log")
                && path.components().any(|part| part.as_os_str() == &*job.to_string())
        };
        while files(&folder).iter().filter(|path| is_log(path)).count() < attempts {
            assert!(began.elapsed() < PATIENCE, "the log is not sealed: {:?}", files(&folder));
            tick().await;
        }
    }

    /// Stops everything and looks at what is left.
    pub(crate) async fn end(mut self) {
        self.ended = true;
        let unfinished = self.unfinished().await;
        assert!(unfinished.is_empty(), "builds are left: {unfinished:#?}");
        for number in 0..self.agents.len() {
            if self.agents[number].is_some() {
                self.stop_agent(number).await;
            }
        }
        self.stop_server().await;
        for seen in self.sandbox.seen() {
            assert!(seen.gone, "a session is left: {:?}", seen.verbs);
        }
        let temporary = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.contains('#') || name.contains("tmp") || name.contains("-wal")
        };
        let left: Vec<_> = files(self.data.path()).into_iter().filter(temporary).collect();
        assert!(left.is_empty(), "temporary files are left: {left:?}");
        // Between its fork and its exec, a helper of another test has our files open.
        let data = self.data.path();
        eventually("helper processes are left", async || helpers_at(data).is_empty()).await;
    }

    async fn unfinished(&self) -> Vec<Build> {
        let mut left = Vec::new();
        for state in [BuildState::Planning, BuildState::Queued, BuildState::Running] {
            let filter = BuildFilter { state: Some(state), ..BuildFilter::default() };
            left.extend(self.rest.builds(&filter).await.unwrap().items);
        }
        left
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        for agent in self.agents.drain(..).flatten() {
            agent.runtime.shutdown_background();
        }
        assert!(self.ended || std::thread::panicking(), "end the test with `farm.end().await`");
    }
}

/// A tick of the outside world, for what has no event.
pub(crate) async fn tick() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// Waits for what has no event.
pub(crate) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tick().await;
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Processes started by this one that have a file or folder below `data` open.
fn helpers_at(data: &Path) -> Vec<u32> {
    let us = std::process::id();
    let numbers = std::fs::read_dir("/proc").unwrap();
    let numbers = numbers.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    numbers.filter(|&process| process != us && uses(process, data)).collect()
}

fn uses(process: u32, data: &Path) -> bool {
    let is_below = |link: PathBuf| std::fs::read_link(link).is_ok_and(|to| to.starts_with(data));
    let folder = PathBuf::from(format!("/proc/{process}"));
    let open = std::fs::read_dir(folder.join("fd")).into_iter().flatten().flatten();
    is_below(folder.join("cwd")) || open.into_iter().any(|entry| is_below(entry.path()))
}
