//! A PostgreSQL of a test's own: made in a temporary folder, ended and removed with the test.
//!
//! It takes half a second, so every test that wants one has one, and may restart or kill it. The
//! server dies with the test's process however that ends.
#![expect(clippy::disallowed_methods, reason = "the rule is for the product; tests start programs")]

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// How long the server may take to start or stop.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    server: Option<Child>,
    settings: Vec<String>,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With further settings, such as `max_connections=20`.
    pub(crate) fn with(settings: &[&str]) -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("kiln-postgres-").tempdir().unwrap();
        if is_root() {
            // It refuses to run as root.
            let owned = Command::new("chown").arg("postgres").arg(folder.path()).status().unwrap();
            assert!(owned.success());
        }
        let data = folder.path().join("data");
        let made = as_server(&programs.join("initdb"))
            .args(["--no-sync", "--auth", "trust", "-U", "kiln", "--wal-segsize", "1"])
            .args(["-E", "UTF8", "--locale", "C", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut postgres = Self { folder, programs, port, server: None, settings };
        postgres.start_again();
        postgres
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        Self::url_at(self.port)
    }

    /// The same database behind another port, such as a proxy's.
    pub(crate) fn url_at(port: u16) -> String {
        format!("postgres://kiln@127.0.0.1:{port}/postgres")
    }

    /// Runs statements and answers what they print, values alone.
    pub(crate) fn psql(&self, statements: &str) -> String {
        let ran = self.try_psql(statements);
        assert!(ran.status.success(), "psql: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    fn try_psql(&self, statements: &str) -> Output {
        Command::new(self.programs.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url()])
            .args(["-c", statements])
            .output()
            .unwrap()
    }

    /// Starts it after it was stopped or killed: the same data, the same port.
    pub(crate) fn start_again(&mut self) {
        assert!(self.server.is_none(), "it runs");
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = as_server(&self.programs.join("postgres"));
        command.arg("-D").arg(self.folder.path().join("data"));
        let port = format!("port={}", self.port);
        // What a crash of the machine would lose is not what tests are about.
        for setting in
            ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", &port]
                .into_iter()
                .chain(self.settings.iter().map(String::as_str))
        {
            command.args(["-c", setting]);
        }
        self.server = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let began = Instant::now();
        while !self.try_psql("SELECT 1").status.success() {
            let ended = self.server.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < PATIENCE,
                "PostgreSQL does not start:\n{}",
                fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as an operator does: sessions are cut off, everything is written.
    pub(crate) fn stop(&mut self) {
        self.end("INT");
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.end("QUIT");
    }

    fn end(&mut self, signal: &str) {
        let Some(mut server) = self.server.take() else { return };
        let sent = Command::new("kill")
            .args([format!("-{signal}"), server.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        server.wait().unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end("QUIT");
    }
}

/// A program of PostgreSQL, as a user it runs as; it dies with this process.
fn as_server(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root() {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    }
    command.arg("--").arg(program).stdin(Stdio::null()).current_dir("/");
    command
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The folder of the newest PostgreSQL of this machine.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin"))).filter(|(_, bin)| bin.join("initdb").exists())
        })
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is needed: apt-get install postgresql, or run ./dev test").1
}
