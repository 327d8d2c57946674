//! Processes of servers and agents that can be killed, and what is between them.
#![expect(clippy::disallowed_methods, reason = "the rule is for the product; tests start programs")]

use std::{
    fmt::Write as _,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kiln::client::Rest;

use crate::{
    fault_proxy::FaultProxy,
    s3::{ACCESS_KEY, S3, SECRET_KEY},
    support::postgres::Postgres,
};

pub(crate) const SERVERS: usize = 3;
pub(crate) const AGENTS: usize = 4;
/// Short, so that a killed agent's jobs are soon tried again.
pub(crate) const LEASE_SECONDS: u64 = 5;

pub(crate) struct Farm {
    pub(crate) postgres: Postgres,
    /// Ended with the farm.
    _s3: S3,
    /// Between the servers and the store.
    pub(crate) store: FaultProxy,
    /// Between agents, clients and the servers: leads to one that lives.
    pub(crate) front: FaultProxy,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) servers: Vec<Option<Child>>,
    pub(crate) agents: Vec<Option<Child>>,
    ports: Vec<u16>,
}

impl Farm {
    pub(crate) async fn start() -> Self {
        let postgres = Postgres::start();
        let s3 = S3::start().await;
        let store = FaultProxy::before(s3.address).await;
        let free = || TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let ports: Vec<u16> = (0..SERVERS).map(|_| free()).collect();
        let front = FaultProxy::before(address(ports[0])).await;
        let folder = tempfile::Builder::new().prefix("kiln-chaos-").tempdir().unwrap();
        let token = folder.path().join("enrollment");
        std::fs::write(&token, "an enrollment token of the test").unwrap();
        std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        let mut farm = Self {
            postgres,
            _s3: s3,
            store,
            front,
            folder,
            servers: (0..SERVERS).map(|_| None).collect(),
            agents: (0..AGENTS).map(|_| None).collect(),
            ports,
        };
        for number in 0..SERVERS {
            farm.start_server(number);
        }
        for number in 0..SERVERS {
            farm.until_ready(number).await;
        }
        for number in 0..AGENTS {
            farm.start_agent(number);
        }
        farm
    }

    pub(crate) fn rest(&self) -> Rest {
        Rest::new(&format!("http://{}", self.front.address), None).unwrap()
    }

    pub(crate) fn start_server(&mut self, number: usize) {
        let data = self.folder.path().join(format!("server-{number}"));
        let log = std::fs::File::create(self.folder.path().join(format!("server-{number}.log")));
        let child = dying("kiln", env!("CARGO_BIN_EXE_kiln").into())
            .args(["serve", "--no-agent", "--listen", &address(self.ports[number]).to_string()])
            .arg("--data")
            .arg(data)
            .env_clear()
            .env("KILN_DATABASE_URL", self.postgres.url())
            .env("KILN_ARTIFACTS_ROOT", "s3://kiln")
            .env("KILN_ARTIFACTS_ENDPOINT", format!("http://{}", self.store.address))
            .env("KILN_ARTIFACTS_PRESIGNED_DOWNLOADS", "true")
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("KILN_SERVER_ANONYMOUS", "admin")
            .env("KILN_SERVER_MIN_FREE_BYTES", "0")
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("KILN_SOURCE_SCHEMES", "file")
            .env("KILN_SOURCE_PRIVATE", "allow")
            .env("KILN_SERVER_LEASE_SECONDS", LEASE_SECONDS.to_string())
            .env("KILN_SERVER_ENROLLMENT_TOKEN_FILE", self.folder.path().join("enrollment"))
            .env("PATH", "/usr/bin:/bin")
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        self.servers[number] = Some(child);
    }

    pub(crate) fn start_agent(&mut self, number: usize) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join(format!("agent-{number}.log")));
        let child = dying("agent", scripted_agent())
            .arg(format!("http://{}", self.front.address))
            .arg(format!("agent-{number}"))
            .arg(self.folder.path().join(format!("agent-{number}")))
            .arg(self.folder.path().join("enrollment"))
            .arg(env!("CARGO_BIN_EXE_kiln"))
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        self.agents[number] = Some(child);
    }

    /// Whether a server says that it can work.
    pub(crate) async fn is_ready(&self, number: usize) -> bool {
        let rest = Rest::new(&format!("http://{}", address(self.ports[number])), None).unwrap();
        let request = rest.http().request(reqwest::Method::GET, "readyz");
        rest.http().send(request.timeout(Duration::from_secs(1))).await.is_ok()
    }

    pub(crate) async fn until_ready(&self, number: usize) {
        let began = Instant::now();
        while !self.is_ready(number).await {
            assert!(began.elapsed() < Duration::from_mins(1), "server {number} is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Leads agents and clients to a server.
    pub(crate) fn lead_to(&self, number: usize) {
        self.front.lead_to(address(self.ports[number]));
    }

    /// What the processes said, for a test that failed.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "log") {
                let log = std::fs::read_to_string(&path).unwrap_or_default();
                let wrong = |line: &&str| line.contains("ERROR") || line.contains("panicked");
                let lines: Vec<&str> = log.lines().rev().filter(wrong).take(15).collect();
                let _ = writeln!(text, "{}:", path.display());
                for line in lines.iter().rev() {
                    let _ = writeln!(text, "  {line}");
                }
            }
        }
        text
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        for mut child in self.servers.drain(..).chain(self.agents.drain(..)).flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A program that dies with this test.
fn dying(_: &str, program: PathBuf) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The example, which cargo builds with the tests.
fn scripted_agent() -> PathBuf {
    let kiln = PathBuf::from(env!("CARGO_BIN_EXE_kiln"));
    let agent = kiln.with_file_name("examples").join("scripted-agent");
    assert!(agent.is_file(), "{} is built by `cargo build --examples`", agent.display());
    agent
}
