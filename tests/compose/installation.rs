//! One installation from `docker-compose.yml`: brought up, looked at, taken down.

use std::{
    ffi::OsStr,
    fs,
    future::Future,
    net::TcpListener,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use kiln::client::Rest;
use tempfile::TempDir;

use super::{
    docker::{docker, line, lines},
    engine,
    images::Images,
    program::{self, Ran, Running, command, eventually},
};

/// How long it takes until all parts run, and have found each other.
const UP: Duration = Duration::from_mins(2);
/// How long a build may take, with an agent lost meanwhile.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// Who runs the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum By {
    Compose,
    Swarm,
}

/// An installation.
#[derive(Debug)]
pub(crate) struct Installation {
    by: By,
    pub(crate) name: String,
    pub(crate) images: Images,
    folder: TempDir,
    address: String,
    port: u16,
    runtime: tokio::runtime::Runtime,
}

/// Brings the file up, runs the test, takes it down, and fails if anything is left.
#[expect(clippy::print_stderr, reason = "shown when the test fails")]
pub(crate) fn with_installation(by: By, test: impl FnOnce(&Installation)) {
    let installation = Installation::new(by);
    let mut instances = Vec::new();
    let result = catch_unwind(AssertUnwindSafe(|| {
        installation.up();
        instances = installation.instances();
        test(&installation);
        sandboxes_are_gone(&instances);
    }));
    if result.is_err() {
        eprintln!("{}", installation.said());
    }
    let volumes = installation.mounted();
    let down = catch_unwind(AssertUnwindSafe(|| installation.down()));
    let mut left = installation.left();
    left.extend(instances.iter().flat_map(|instance| engine::left(instance)));
    left.extend(volumes.into_iter().filter(|name| volume_exists(name)));
    for instance in &instances {
        engine::remove(instance);
    }
    for result in [result, down] {
        result.unwrap_or_else(|panic| resume_unwind(panic));
    }
    assert!(left.is_empty(), "left behind: {left:#?}");
}

impl Installation {
    fn new(by: By) -> Self {
        let kind = if by == By::Compose { "compose" } else { "swarm" };
        let name = format!("kiln-test-{kind}-{}", std::process::id());
        let folder = tempfile::Builder::new().prefix("kiln-compose-").tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut secrets = command(root.join("deploy/secrets.sh"));
        program::run(secrets.arg(folder.path().join("secrets")), Vec::new(), UP).exits(0);
        fs::write(folder.path().join("env"), "").unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self {
            by,
            images: Images::make(&name),
            name,
            folder,
            address: format!("http://127.0.0.1:{free}"),
            port: free,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        }
    }

    /// A program that sees what the file asks for.
    fn with_variables(&self, program: &str) -> Command {
        let user =
            |flag: &str| program::run(command("id").arg(flag), Vec::new(), UP).exits(0).text();
        let (user, group) = (user("-u"), user("-g"));
        let mut command = command(program);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command.env("KILN_IMAGE", &self.images.kiln).env("POSTGRES_IMAGE", self.images.postgres);
        command.env("S3_IMAGE", &self.images.s3).env("PROXY_IMAGE", self.images.proxy);
        command.env("S3_COMMAND", "s3");
        // How full the machine is that the tests run on is none of their business.
        command.env("KILN_SERVER_MIN_FREE_BYTES", "0").env("KILN_AGENT_MIN_FREE_BYTES", "0");
        command
            .env("KILN_COMPOSE_PORT", self.port.to_string())
            .env("KILN_COMPOSE_SECRETS", self.secret(""));
        // Files of another user than root's are given to nobody by `secrets.sh`.
        if user.trim() != "0" {
            command.env("KILN_COMPOSE_USER", format!("{}:{}", user.trim(), group.trim()));
        }
        command
    }

    /// Runs `docker-compose`; a person's `.env` is none of ours.
    #[track_caller]
    pub(crate) fn compose(&self, arguments: &[&str]) -> Ran {
        let mut compose = self.with_variables("docker-compose");
        compose.arg("--env-file").arg(self.folder.path().join("env"));
        program::run(compose.args(["-p", &self.name]).args(arguments), Vec::new(), UP).exits(0)
    }

    fn secret(&self, name: &str) -> PathBuf {
        self.folder.path().join("secrets").join(name)
    }

    fn token(&self) -> String {
        fs::read_to_string(self.secret("admin_token")).unwrap().trim().to_owned()
    }

    /// A folder in which the test may put what it wants.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn up(&self) {
        match self.by {
            By::Compose => drop(self.compose(&["up", "-d"])),
            By::Swarm => {
                let mut stack = self.with_variables("docker");
                stack.args(["stack", "deploy", "--resolve-image", "never", "--compose-file"]);
                stack.args(["docker-compose.yml", &self.name]);
                program::run(&mut stack, Vec::new(), UP).exits(0);
            }
        }
        self.is_complete();
    }

    /// How many agents the file makes here.
    fn agents(&self) -> usize {
        if self.by == By::Compose { 3 } else { 1 }
    }

    /// Waits until both servers are healthy and every agent is there and can build.
    #[track_caller]
    pub(crate) fn is_complete(&self) {
        let servers = || self.containers_that("server", "health=healthy").len();
        let complete = eventually(UP, || {
            // While parts are away, the proxy may say no.
            let agents = self.asked(|rest| async move { rest.agents().await }).ok()?;
            let ready = agents.items.iter().filter(|agent| {
                agent.online
                    && agent.status.toolchains.iter().any(|one| one.name.as_str() == "gcc:14")
            });
            (ready.count() == self.agents() && servers() == 2).then_some(())
        });
        let agents = self.asked(|rest| async move { rest.agents().await });
        assert!(complete.is_some(), "{} servers are healthy; {agents:?}", servers());
    }

    /// Containers of a service that run.
    pub(crate) fn containers(&self, service: &str) -> Vec<String> {
        self.containers_that(service, "status=running")
    }

    fn containers_that(&self, service: &str, filter: &str) -> Vec<String> {
        let label = match self.by {
            By::Compose => format!("label=com.docker.compose.service={service}"),
            By::Swarm => format!("label=com.docker.swarm.service.name={}_{service}", self.name),
        };
        let whole = self.label();
        lines(["ps", "--quiet", "--filter", &whole, "--filter", &label, "--filter", filter])
    }

    /// The only container of a service.
    #[track_caller]
    pub(crate) fn container(&self, service: &str) -> String {
        let mut containers = self.containers(service);
        assert_eq!(containers.len(), 1, "{service}: {containers:?}");
        containers.remove(0)
    }

    fn label(&self) -> String {
        match self.by {
            By::Compose => format!("label=com.docker.compose.project={}", self.name),
            By::Swarm => format!("label=com.docker.stack.namespace={}", self.name),
        }
    }

    fn client(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_kiln"));
        command.current_dir(self.folder.path()).env("KILN_SERVER", &self.address);
        command.env("KILN_TOKEN_FILE", self.secret("admin_token")).args(arguments);
        command
    }

    /// Runs a command of the client to its end.
    pub(crate) fn kiln(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
        program::run(&mut self.client(arguments), Vec::new(), PATIENCE)
    }

    /// Starts a command of the client.
    pub(crate) fn start(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Running {
        program::start(&mut self.client(arguments), Vec::new())
    }

    /// Asks the REST API through the proxy.
    pub(crate) fn asked<T, E, F>(&self, question: impl FnOnce(Rest) -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        // Made inside, because it belongs to the runtime.
        let (address, token) = (&self.address, self.token());
        self.runtime.block_on(async { question(Rest::new(address, Some(token)).unwrap()).await })
    }

    /// What tells the sandboxes of each agent from others.
    fn instances(&self) -> Vec<String> {
        let agents = ["agent", "agent-2", "agent-3"].map(|service| self.containers(service));
        let file = "/var/lib/kiln/agent/instance";
        agents.concat().iter().map(|agent| line(["exec", agent, "cat", file])).collect()
    }

    /// Names of the volumes that its containers have, of images' own making as well.
    fn mounted(&self) -> Vec<String> {
        let containers = lines(["ps", "--all", "--quiet", "--filter", &self.label()]);
        let format = "{{range .Mounts}}{{if eq .Type \"volume\"}}{{println .Name}}{{end}}{{end}}";
        let volumes = containers.iter().flat_map(|one| {
            docker(["inspect", "-f", format, one])
                .text()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
        volumes.filter(|name| !name.is_empty()).collect()
    }

    fn down(&self) {
        match self.by {
            By::Compose => drop(self.compose(&["down", "--volumes", "--timeout", "30"])),
            By::Swarm => {
                docker(["stack", "rm", &self.name]).exits(0);
                // The command only says that it shall end. Volumes are left to whoever made them.
                let ended = eventually(UP, || {
                    let left = self.left();
                    left.iter().all(|thing| thing.starts_with("volume ")).then_some(())
                });
                for name in lines(["volume", "ls", "--quiet", "--filter", &self.label()]) {
                    docker(["volume", "rm", &name]).exits(0);
                }
                assert!(ended.is_some(), "the stack does not end: {:?}", self.left());
            }
        }
    }

    /// What there is of it.
    fn left(&self) -> Vec<String> {
        let label = self.label();
        let look = |kind: &str, arguments: &[&str]| {
            let found = lines(arguments.iter().copied().chain(["--filter", &label]));
            found.into_iter().map(|name| format!("{kind} {name}")).collect::<Vec<_>>()
        };
        let mut left = look("container", &["ps", "--all", "--format", "{{.Names}}"]);
        left.extend(look("volume", &["volume", "ls", "--quiet"]));
        left.extend(look("network", &["network", "ls", "--format", "{{.Name}}"]));
        if self.by == By::Swarm {
            left.extend(look("service", &["service", "ls", "--format", "{{.Name}}"]));
            left.extend(look("secret", &["secret", "ls", "--format", "{{.Name}}"]));
        }
        left
    }

    /// The end of what its parts logged.
    fn said(&self) -> String {
        let all = lines(["ps", "--all", "--filter", &self.label(), "--format", "{{.Names}}"]);
        let logs = all.iter().map(|name| {
            let ran = docker(["logs", "--tail", "40", name]);
            format!("--- {name}\n{}{}\n", ran.text(), ran.stderr)
        });
        logs.collect()
    }
}

/// Waits until no agent has a container or volume for a build.
fn sandboxes_are_gone(instances: &[String]) {
    let look = || instances.iter().flat_map(|one| engine::left(one)).collect::<Vec<_>>();
    // What a crash left goes with the agent's next sweep, which is every minute.
    let gone = eventually(Duration::from_secs(90), || look().is_empty().then_some(()));
    assert!(gone.is_some(), "of builds is left: {:?}", look());
}

fn volume_exists(name: &str) -> bool {
    docker(["volume", "inspect", name]).code == Some(0)
}
