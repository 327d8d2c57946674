//! A farm for one test: a server, agents if it has none of its own, and the look at what is left.

use std::{
    cell::RefCell,
    ffi::OsStr,
    fs,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use kiln::{
    client::Rest,
    model::{BuildId, JobId, Outcome},
    protocol::{AttemptView, Build, BuildFilter, BuildState, Job, LogQuery},
};
use tempfile::TempDir;

use super::{
    engine,
    program::{self, Ran, Running, Service, command, eventually},
};

/// How long a command may take: the slowest project, on a machine that does other things.
const PATIENCE: Duration = Duration::from_mins(7);
/// How long it takes until an attempt's containers are gone after its end was told.
const CLEANUP: Duration = Duration::from_secs(10);

/// How the farm is put together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    /// Settings, on top of those that let repositories of this machine be built.
    pub(crate) env: &'static [(&'static str, &'static str)],
    /// The server has no agent in it; the test starts some.
    pub(crate) no_agent: bool,
}

/// The farm.
#[derive(Debug)]
pub(crate) struct Farm {
    plan: Plan,
    folder: TempDir,
    server: RefCell<Option<Service>>,
    address: RefCell<String>,
    agents: RefCell<Vec<(String, Service)>>,
    /// Process groups of everything that was started.
    groups: RefCell<Vec<u32>>,
    runtime: tokio::runtime::Runtime,
}

/// Runs a test with a farm and fails it if it leaves anything.
pub(crate) fn with_farm(test: impl FnOnce(&Farm)) {
    with_plan(Plan::default(), test);
}

#[expect(clippy::print_stderr, reason = "shown when the test fails")]
pub(crate) fn with_plan(plan: Plan, test: impl FnOnce(&Farm)) {
    let farm = Farm::new(plan);
    let result = catch_unwind(AssertUnwindSafe(|| {
        farm.start_server();
        test(&farm);
        farm.has_nothing_to_do();
        farm.stop();
    }));
    let left = catch_unwind(AssertUnwindSafe(|| farm.left()));
    // Whatever is left, the next test shall not see it.
    farm.kill();
    let instances = farm.instances();
    for instance in &instances {
        engine::remove(instance);
    }
    if let Err(panic) = result {
        eprintln!("the server's log:\n{}", farm.log("server"));
        resume_unwind(panic);
    }
    let left = left.unwrap_or_else(|panic| resume_unwind(panic));
    assert!(left.is_empty(), "left behind: {left:#?}");
    assert!(!instances.is_empty(), "no agent ever ran");
}

impl Farm {
    fn new(plan: Plan) -> Self {
        let folder = tempfile::Builder::new().prefix("kiln-farm-").tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self {
            plan,
            folder,
            server: RefCell::default(),
            address: RefCell::default(),
            agents: RefCell::default(),
            groups: RefCell::default(),
            runtime,
        }
    }

    /// A folder in which the test may put what it wants.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_kiln"));
        command.current_dir(self.folder.path()).env("TMPDIR", self.scratch("tmp"));
        command.env("KILN_SERVER_ANONYMOUS", "admin").env("XDG_RUNTIME_DIR", self.scratch("run"));
        command.env("KILN_SOURCE_SCHEMES", "https,file").env("KILN_SOURCE_PRIVATE", "allow");
        // How full the machine is that the tests run on is none of their business.
        command.env("KILN_SERVER_MIN_FREE_BYTES", "0").env("KILN_AGENT_MIN_FREE_BYTES", "0");
        command.envs(self.plan.env.iter().copied());
        command
    }

    /// Starts the server; one that was killed begins again where it was, on the same port.
    pub(crate) fn start_server(&self) {
        let known = self.address.borrow().clone();
        let listen = known.strip_prefix("http://").unwrap_or("127.0.0.1:0");
        let mut command = self.command();
        command.args(["serve", "--listen", listen, "--data"]).arg(self.scratch("data"));
        if self.plan.no_agent {
            command.arg("--no-agent");
        }
        let (log, skip) = (self.scratch("server.log"), self.log("server").len());
        let mut server = Service::start(&mut command, &log);
        self.groups.borrow_mut().push(server.id());
        let address = server.logged(skip, |line| {
            let rest = line.split_once("kiln serves at ")?.1;
            Some(rest.split_whitespace().next()?.to_owned())
        });
        *self.address.borrow_mut() = address;
        *self.server.borrow_mut() = Some(server);
    }

    /// Ends the server, and the agent in it, as a power cut does.
    pub(crate) fn kill_server(&self) {
        self.server.take().expect("it runs").kill();
    }

    /// Starts an agent, which is the same one again if there was one of that name.
    pub(crate) fn start_agent(&self, name: &str) {
        let mut command = self.command();
        command.args(["--server", &self.address.borrow(), "agent", "--name", name, "--data"]);
        command.arg(self.scratch(name)).arg("--token-file");
        command.arg(self.scratch("data").join("enrollment-token"));
        let agent = Service::start(&mut command, &self.scratch(&format!("{name}.log")));
        self.groups.borrow_mut().push(agent.id());
        self.agents.borrow_mut().push((name.to_owned(), agent));
    }

    /// Ends an agent as a power cut does.
    pub(crate) fn kill_agent(&self, name: &str) {
        let mut agents = self.agents.borrow_mut();
        let at = agents.iter().position(|(other, _)| other == name).expect("it runs");
        agents.remove(at).1.kill();
    }

    fn client(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = self.command();
        command.env("KILN_SERVER", &*self.address.borrow()).args(arguments);
        command
    }

    /// Runs a command of the client to its end.
    pub(crate) fn kiln(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
        program::run(&mut self.client(arguments), Vec::new(), PATIENCE)
    }

    /// The same with something on its standard input.
    pub(crate) fn kiln_with(&self, arguments: &[&str], input: &str) -> Ran {
        program::run(&mut self.client(arguments), input.into(), PATIENCE)
    }

    /// Starts a command of the client.
    pub(crate) fn start(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Running {
        program::start(&mut self.client(arguments), Vec::new())
    }

    /// Asks for a build, and does not wait for it.
    pub(crate) fn submit(&self, arguments: &[&str]) -> BuildId {
        let line = [&["build", "--detach"], arguments].concat();
        build_of(&self.kiln(line).exits(0).text())
    }

    /// Asks the REST API.
    pub(crate) fn ask<'a, T, E, F>(&'a self, question: impl FnOnce(Rest) -> F) -> T
    where
        E: std::fmt::Debug,
        F: Future<Output = Result<T, E>> + 'a,
    {
        // Made inside, because it belongs to the runtime.
        let address = self.address.borrow().clone();
        self.runtime.block_on(async { question(Rest::new(&address, None).unwrap()).await }).unwrap()
    }

    pub(crate) fn build(&self, build: BuildId) -> Build {
        self.ask(|rest| async move { rest.build(build).await })
    }

    pub(crate) fn job(&self, job: JobId) -> Job {
        self.ask(|rest| async move { rest.job(job).await })
    }

    /// The only job of a build.
    pub(crate) fn only_job(&self, build: BuildId) -> Job {
        let build = self.build(build);
        assert_eq!(build.jobs.len(), 1, "{build:?}");
        self.job(build.jobs[0].id)
    }

    /// The log of an attempt, as it is now.
    pub(crate) fn log_of(&self, job: JobId, attempt: u32) -> String {
        let query = LogQuery { attempt: Some(attempt), ..LogQuery::default() };
        let bytes = self.ask(|rest| async move {
            let mut bytes = Vec::new();
            rest.log(job, &query, &mut bytes).await.map(|_| bytes)
        });
        String::from_utf8(bytes).unwrap()
    }

    /// Waits until the newest attempt at the only job has written `text`.
    #[track_caller]
    pub(crate) fn wrote(&self, build: BuildId, text: &str) -> Job {
        let found = eventually(PATIENCE, || {
            let id = self.build(build).jobs.first()?.id;
            let job = self.job(id);
            let attempt = job.attempts.last()?;
            let wrote = attempt.log_bytes > 0 && self.log_of(id, attempt.number).contains(text);
            wrote.then_some(job)
        });
        found.unwrap_or_else(|| panic!("the job did not write {text:?}"))
    }

    /// Waits until a build has ended.
    #[track_caller]
    pub(crate) fn ended(&self, build: BuildId) -> Build {
        let ended = eventually(PATIENCE, || {
            Some(self.build(build)).filter(|build| build.state == BuildState::Finished)
        });
        ended.unwrap_or_else(|| panic!("the build did not end: {:?}", self.build(build)))
    }

    /// Paths of what a job kept.
    pub(crate) fn artifacts(&self, job: JobId) -> Vec<String> {
        let manifest = self.ask(|rest| async move { rest.manifest(job).await });
        let files = manifest["files"].as_array().expect("a manifest has files");
        files.iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
    }

    /// Names of the installation's containers that run; one installation an agent.
    pub(crate) fn running(&self) -> Vec<String> {
        self.instances().iter().flat_map(|instance| engine::running(instance)).collect()
    }

    /// Waits until there is no container and no volume.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
        let look = || self.instances().iter().flat_map(|one| engine::left(one)).collect::<Vec<_>>();
        let clean = eventually(CLEANUP, || look().is_empty().then_some(()));
        assert!(clean.is_some(), "containers or volumes are left: {:?}", look());
    }

    /// The server's process group.
    pub(crate) fn server_group(&self) -> i32 {
        i32::try_from(self.server.borrow().as_ref().expect("it runs").id()).unwrap()
    }

    /// What tells the containers of this farm's agents from others.
    pub(crate) fn instances(&self) -> Vec<String> {
        let folders = fs::read_dir(self.folder.path()).unwrap();
        let files = folders.map(|folder| folder.unwrap().path().join("agent/instance"));
        files.filter_map(|file| fs::read_to_string(file).ok()).collect()
    }

    fn has_nothing_to_do(&self) {
        for state in [BuildState::Planning, BuildState::Queued, BuildState::Running] {
            let filter = BuildFilter { state: Some(state), ..BuildFilter::default() };
            let builds = self.ask(|rest| async move { rest.builds(&filter).await });
            assert!(builds.items.is_empty(), "a build is left {state:?}: {builds:?}");
        }
        let agents = self.ask(|rest| async move { rest.agents().await });
        let busy = |agent: &kiln::protocol::AgentView| !agent.jobs.is_empty();
        assert!(!agents.items.iter().any(busy), "a lease is left: {agents:?}");
        self.is_clean();
    }

    fn stop(&self) {
        for (_, agent) in self.agents.take() {
            agent.terminate();
        }
        self.server.take().expect("the server runs").terminate();
    }

    fn kill(&self) {
        drop(self.agents.take());
        drop(self.server.take());
    }

    /// What is left when everything was stopped: containers, volumes, processes, files.
    fn left(&self) -> Vec<String> {
        let mut left: Vec<String> =
            self.instances().iter().flat_map(|instance| engine::left(instance)).collect();
        left.extend(processes(&self.groups.borrow()));
        left.extend(files(&self.scratch("tmp")));
        for name in fs::read_dir(self.folder.path()).unwrap() {
            let folder = name.unwrap().path();
            left.extend(files(&folder.join("agent/spool")));
            // What an object store or a fetch did not bring to its end.
            let unfinished = |path: &String| {
                let name = path.rsplit('/').next().unwrap_or_default();
                let lock = Path::new(name).extension().is_some_and(|end| end == "lock");
                name.contains('#') || name.contains(".tmp") || name.contains("pack-tmp") || lock
            };
            for part in ["artifacts", "mirrors"] {
                left.extend(files(&folder.join(part)).into_iter().filter(unfinished));
            }
        }
        left
    }

    fn log(&self, name: &str) -> String {
        let bytes = fs::read(self.scratch(&format!("{name}.log"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The newest attempt.
pub(crate) fn newest(job: &Job) -> &AttemptView {
    job.attempts.last().expect("a job that ran has an attempt")
}

/// Fails unless the job built.
#[track_caller]
pub(crate) fn succeeded(job: &Job) {
    assert_eq!(job.summary.outcome, Some(Outcome::Success), "{job:?}");
}

/// The id in `build ID of URL …`, the first line of `kiln build`.
#[track_caller]
pub(crate) fn build_of(stdout: &str) -> BuildId {
    let id = stdout.strip_prefix("build ").and_then(|rest| rest.split(' ').next());
    id.and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no id of a build in {stdout:?}"))
}

/// The command lines of processes that are in one of the groups.
fn processes(groups: &[u32]) -> Vec<String> {
    let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().ok()?;
        name.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
    });
    let in_group = |number: &String| {
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        // `number (name) state parent group`; the name can have blanks and parentheses.
        let group = stat.rsplit_once(')').and_then(|(_, rest)| rest.split(' ').nth(3));
        group.and_then(|group| group.parse().ok()).is_some_and(|group| groups.contains(&group))
    };
    let line = |number: String| {
        let line = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        format!("process {number}: {}", String::from_utf8_lossy(&line).replace('\0', " "))
    };
    numbers.filter(in_group).map(line).collect()
}

/// All files below a folder; none if there is no folder.
fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}
