//! Makes the agent known to its server and keeps its token.
//!
//! The token is kept in a file that only the agent's user can read, with the server and name it
//! belongs to: an agent that is started again is the same agent.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{backoff::Backoff, deps::Deps};
use crate::{
    client::{AgentClient, ClientError},
    protocol::{PROTOCOL_VERSION, RegisterRequest, unsupported_server},
};

/// Where the token is, in the agent's directory.
const FILE: &str = "token.json";

/// The agent's release.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize, Deserialize)]
struct Kept {
    server: String,
    name: String,
    token: String,
}

/// A client with the agent's own token: the one that is kept, or a new one. Waits while the server
/// is away; `None` if the agent was told to stop meanwhile.
pub(super) async fn connect(
    deps: &Deps,
    process: &str,
    stop: &CancellationToken,
) -> anyhow::Result<Option<AgentClient>> {
    let known = async {
        match kept(deps) {
            Some(token) => greet(deps, token).await,
            None => register(deps, process).await,
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(None),
        client = known => client.map(Some),
    }
}

/// A client that knows whom it speaks with: what may be said, and what time it is there.
async fn greet(deps: &Deps, token: String) -> anyhow::Result<AgentClient> {
    let server = &deps.settings.server;
    let client = AgentClient::new(server, Some(token))?;
    let mut patience = Patience::new();
    while let Err(error) = client.hello().await {
        if !error.is_transient() {
            bail!("{server}: {error}");
        }
        patience.pause(&error).await;
    }
    if let Some(sentence) = unsupported_server(client.server_protocol()) {
        bail!("{server}: {sentence}");
    }
    Ok(client)
}

/// Waits for a server that is away, and says so once.
struct Patience {
    backoff: Backoff,
    is_told: bool,
}

impl Patience {
    fn new() -> Self {
        Self { backoff: Backoff::new(), is_told: false }
    }

    async fn pause(&mut self, error: &ClientError) {
        if !std::mem::replace(&mut self.is_told, true) {
            tracing::warn!("the agent waits for its server: {error}");
        }
        self.backoff.pause().await;
    }
}

/// Forgets the token, because the server does not know it any more.
pub(super) fn forget(deps: &Deps) {
    let _ = fs::remove_file(deps.directory.join(FILE));
}

async fn register(deps: &Deps, process: &str) -> anyhow::Result<AgentClient> {
    let (server, name) = (&deps.settings.server, &deps.machine.name);
    let Some(enrollment) = &deps.enrollment else {
        bail!("the agent is not known to {server} yet: give the file with its enrollment token");
    };
    let client = greet(deps, enrollment.clone()).await?;
    let request = RegisterRequest {
        name: name.clone(),
        protocol: PROTOCOL_VERSION,
        version: VERSION.to_owned(),
        process: process.to_owned(),
    };
    let mut patience = Patience::new();
    let answer = loop {
        match client.register(&request).await {
            Ok(answer) => break answer,
            Err(error) if error.is_transient() => patience.pause(&error).await,
            Err(error) => bail!("the server does not register this agent: {error}"),
        }
    };
    tracing::info!(agent.id = %answer.agent, "registered at {server} as {name}");
    let kept = Kept { server: server.clone(), name: name.clone(), token: answer.token.clone() };
    keep(&deps.directory, &kept)
        .with_context(|| format!("the agent's token in {}", deps.directory.display()))?;
    greet(deps, answer.token).await
}

/// Whether an answer means that the token counts nothing any more.
pub(super) fn is_unknown(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused { status: 401 | 403, .. })
}

/// The token, if it is of this server and name.
fn kept(deps: &Deps) -> Option<String> {
    let text = fs::read(deps.directory.join(FILE)).ok()?;
    let kept: Kept = serde_json::from_slice(&text).ok()?;
    (kept.server == deps.settings.server && kept.name == deps.machine.name).then_some(kept.token)
}

/// Writes the token beside its place first, so that there never is half of one.
fn keep(directory: &Path, kept: &Kept) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let (path, new) = (directory.join(FILE), directory.join("token.json.new"));
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    file.sync_all()?;
    fs::rename(new, path)
}
