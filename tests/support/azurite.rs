//! Azure's own emulator, from npm; installed once into a folder beside the other tools of tests.
#![expect(clippy::disallowed_methods, reason = "the rule is for the product; tests start programs")]

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The account that the emulator has, and its key, as its documentation gives them.
pub(crate) const ACCOUNT: &str = "devstoreaccount1";
pub(crate) const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A release that is known to work.
const VERSION: &str = "3.37.0";

const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) struct Azurite {
    pub(crate) address: SocketAddr,
    server: Child,
    _folder: tempfile::TempDir,
}

impl Azurite {
    pub(crate) fn start() -> Self {
        let program = installed().join("node_modules/azurite/dist/src/blob/main.js");
        let folder = tempfile::Builder::new().prefix("kiln-azurite-").tempdir().unwrap();
        let port =
            std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let server = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "node"])
            .arg(program)
            .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()])
            .args(["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut azurite =
            Self { address: SocketAddr::from(([127, 0, 0, 1], port)), server, _folder: folder };
        let began = Instant::now();
        while std::net::TcpStream::connect(azurite.address).is_err() {
            let ended = azurite.server.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "the emulator does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        azurite
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The folder it is installed in. Several tests may come at one time: one installs it.
fn installed() -> PathBuf {
    let home = std::env::var("HOME").expect("there is a home");
    let folder = PathBuf::from(home).join(format!(".cache/kiln-tools/azurite-{VERSION}"));
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    if !folder.join("node_modules/azurite/dist/src/blob/main.js").exists() {
        let installed = Command::new("npm")
            .args([
                "install",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--omit=dev",
                "--prefix",
            ])
            .arg(&folder)
            .arg(format!("azurite@{VERSION}"))
            .output()
            .expect("npm is needed to test against Azure's emulator: install Node.js 20 or newer");
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    }
    folder
}
