//! A server without an agent, with an agent played by hand: what is measured is the server alone,
//! and no container engine is needed.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use kiln::{
    client::{AgentClient, Rest},
    model::{ClaimId, Clock as _, SystemClock},
    protocol::{
        AgentStatus, BuildFilter, ClaimRequest, Claimed, PROTOCOL_VERSION, RegisterRequest,
        SubmitBuild,
    },
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{process::Child, time::sleep};

use crate::command;

/// How long the server may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(40);

/// A running server.
#[derive(Debug)]
pub(crate) struct Bare {
    pub(crate) rest: Rest,
    /// Its address, without the scheme.
    pub(crate) address: String,
    pub(crate) process: u32,
    child: Child,
    data: TempDir,
}

impl Bare {
    /// Starts it with its database in a new folder, or in the one this URL names.
    pub(crate) async fn start(database: Option<&str>) -> anyhow::Result<Self> {
        let program = std::env::var_os("KILN_BENCH_BIN");
        let program = program.map_or_else(|| env!("CARGO_BIN_EXE_kiln").into(), PathBuf::from);
        let data = tempfile::Builder::new().prefix("kiln-bench-").tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let log = std::fs::File::create(data.path().join("server.log"))?;
        let mut command = command::command(&program);
        command.args(["serve", "--no-agent", "--listen", &address, "--data"]).arg(data.path());
        command.env("KILN_SERVER_ANONYMOUS", "admin").env("XDG_RUNTIME_DIR", data.path());
        command.env("KILN_SOURCE_SCHEMES", "https,git,file").env("KILN_SOURCE_PRIVATE", "allow");
        // What is measured is what it can do, not what it allows.
        command.env("KILN_SERVER_REQUESTS_PER_SECOND", "1000000");
        command.env("KILN_SERVER_STREAMS_PER_ACCOUNT", "10000");
        // Jobs that are claimed and never ended do not come back.
        command.env("KILN_SERVER_LEASE_SECONDS", "3600");
        command.current_dir(data.path()).stdout(Stdio::null()).stderr(log);
        if let Some(url) = database {
            command.env("KILN_DATABASE_URL", url);
        }
        let mut child = command.spawn().with_context(|| program.display().to_string())?;
        let process = child.id().context("the server ended at once")?;
        let rest = Rest::new(&format!("http://{address}"), None)?;
        let began = Instant::now();
        while rest.builds(&BuildFilter::default()).await.is_err() {
            if child.try_wait()?.is_some() || began.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(data.path().join("server.log"))?;
                bail!("{} does not start:\n{log}", program.display());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { rest, address, process, child, data })
    }

    /// The file of its database, if it has one of its own.
    pub(crate) fn database(&self) -> PathBuf {
        self.data.path().join("kiln.db")
    }

    /// The administrator's token.
    pub(crate) fn admin_token(&self) -> anyhow::Result<String> {
        let token = std::fs::read_to_string(self.data.path().join("admin-token"))?;
        Ok(token.trim().to_owned())
    }

    /// Registers an agent.
    pub(crate) async fn agent(&self, name: &str) -> anyhow::Result<AgentClient> {
        let url = format!("http://{}", self.address);
        let enrollment = std::fs::read_to_string(self.data.path().join("enrollment-token"))?;
        let enrolling = AgentClient::new(&url, Some(enrollment.trim().to_owned()))?;
        let request = RegisterRequest {
            name: name.to_owned(),
            protocol: PROTOCOL_VERSION,
            version: "1".to_owned(),
            process: String::new(),
        };
        Ok(AgentClient::new(&url, Some(enrolling.register(&request).await?.token))?)
    }

    /// Submits a build and takes the job that plans it: a job with a log like any other.
    pub(crate) async fn running_job(&self) -> anyhow::Result<(AgentClient, Claimed)> {
        let agent = self.agent("by hand").await?;
        self.submit().await?;
        Ok((agent.clone(), claim(&agent).await?.context("no job waits")?))
    }

    /// Submits a build of a commit that nobody fetches.
    pub(crate) async fn submit(&self) -> anyhow::Result<()> {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let source = json!({"git": {"url": "https://example.org/x", "commit": commit}});
        let submission: SubmitBuild = serde_json::from_value(json!({ "source": source }))?;
        let key = format!("{:032x}", rand::random::<u128>());
        self.rest.submit(&submission, &key).await?;
        Ok(())
    }

    /// Stops it softly.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        command::output_now("sh", &["-c", &format!("kill -TERM {}", self.process)]);
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.context("the server does not stop")??;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

/// One claim of an agent that has nothing but a worker.
pub(crate) async fn claim(agent: &AgentClient) -> anyhow::Result<Option<Claimed>> {
    claim_as(agent, AgentStatus { workers: 1, ..AgentStatus::default() }).await
}

/// One claim of such an agent.
pub(crate) async fn claim_as(
    agent: &AgentClient,
    status: AgentStatus,
) -> anyhow::Result<Option<Claimed>> {
    let request = ClaimRequest {
        claim: ClaimId::new(SystemClock.now()),
        wait_ms: 0,
        status,
        protocol: PROTOCOL_VERSION,
        process: String::new(),
        begins: false,
        takes_secrets: true,
    };
    Ok(agent.claim(&request).await?)
}
