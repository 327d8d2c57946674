//! A real agent in a process of its own, whose builds are scripted: for tests that kill it.
//! `scripted-agent SERVER NAME FOLDER ENROLLMENT_TOKEN_FILE KILN`, the last being kiln's program,
//! which fetches sources.
#![expect(clippy::unwrap_used, reason = "a test program that cannot start ends")]
#![allow(dead_code, reason = "tests use the rest of the module")]

#[path = "../tests/app/script.rs"]
mod script;

use std::{path::PathBuf, sync::Arc, time::Duration};

use kiln::{
    agent::{self, Admission, CompilerCache, Deps, Machine, UploadCache},
    config::{AgentSettings, PrivateAddresses, SourceSettings},
    model::SystemClock,
    sandbox::{Act, Produced, Scenario, ScriptedSandbox, SessionSpec},
    source::Sources,
};
use script::{ELF, NONCE, Shelf, one_step, out};
use tokio_util::sync::CancellationToken;

/// Lines of every build's log, and the time between two.
const LINES: usize = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Writes its lines one after the other and makes a program that has its job's id in it.
fn build(spec: &SessionSpec) -> Scenario {
    let mut acts = Vec::new();
    for line in 0..LINES {
        let gate = CancellationToken::new();
        let open = gate.clone();
        let after = PAUSE * u32::try_from(line).unwrap();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            open.cancel();
        });
        acts.push(Act::Until(gate));
        acts.push(out(format!("line {line} of {}\n", spec.job).as_bytes()));
    }
    let program = [ELF, spec.job.to_string().as_bytes()].concat();
    Scenario { files: vec![Produced::file("app", 0o755, &program)], ..one_step(acts, 0) }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, name, folder, token, kiln] = &arguments[..] else {
        panic!("give SERVER NAME FOLDER ENROLLMENT_TOKEN_FILE KILN");
    };
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let source = SourceSettings {
        schemes: "file".parse().unwrap(),
        private: PrivateAddresses::Allow,
        ..SourceSettings::default()
    };
    let deps = Deps {
        settings: AgentSettings {
            server: server.clone(),
            workers: Some(4),
            grace_seconds: 1,
            lost_server_seconds: 10,
            ..AgentSettings::default()
        },
        directory: folder.clone(),
        enrollment: Some(std::fs::read_to_string(token).unwrap().trim().to_owned()),
        machine: Machine {
            name: name.clone(),
            arch: "x86_64".into(),
            cpus: 4,
            memory_bytes: 16 << 30,
            engine: "scripted".into(),
            profile: "scripted/none".into(),
            shm_bytes: 0,
            source_bytes: 1 << 20,
        },
        admission: Admission::always(),
        sandbox: Arc::new(ScriptedSandbox::new(build)),
        sources: Arc::new(Sources::with_helper(source, &folder, kiln.into()).unwrap()),
        uploads: UploadCache::new(folder.join("uploads"), 1 << 20),
        ccache: CompilerCache::new(folder.join("ccache"), 0),
        toolchains: Arc::new(Shelf(vec!["gcc:14".parse().unwrap(), "clang:19".parse().unwrap()])),
        clock: Arc::new(SystemClock),
        nonce: || NONCE.to_owned(),
    };
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        terminate.recv().await;
        token.cancel();
    });
    if let Err(error) = agent::run(deps, stop).await {
        panic!("{error:#}");
    }
}
