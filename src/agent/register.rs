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
    protocol::{PROTOCOL_VERSION, RegisterRequest},
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
    let server = &deps.settings.server;
    if let Some(token) = kept(deps) {
        return Ok(Some(AgentClient::new(server, Some(token))?));
    }
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(None),
        client = register(deps, process) => client.map(Some),
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
    let client = AgentClient::new(server, Some(enrollment.clone()))?;
    let request = RegisterRequest {
        name: name.clone(),
        protocol: PROTOCOL_VERSION,
        version: VERSION.to_owned(),
        process: process.to_owned(),
    };
    let mut backoff = Backoff::new();
    let mut is_down = false;
    let answer = loop {
        match client.register(&request).await {
            Ok(answer) => break answer,
            Err(error) if error.is_transient() => {
                if !is_down {
                    tracing::warn!("the agent waits for its server: {error}");
                    is_down = true;
                }
                backoff.pause().await;
            }
            Err(error) => bail!("the server does not register this agent: {error}"),
        }
    };
    if answer.protocol + 1 < PROTOCOL_VERSION {
        bail!(
            "the server {server} speaks agent protocol {}, this agent {PROTOCOL_VERSION}: upgrade \
             the server to kiln {VERSION} first",
            answer.protocol
        );
    }
    tracing::info!(agent.id = %answer.agent, "registered at {server} as {name}");
    let kept = Kept { server: server.clone(), name: name.clone(), token: answer.token.clone() };
    keep(&deps.directory, &kept)
        .with_context(|| format!("the agent's token in {}", deps.directory.display()))?;
    Ok(AgentClient::new(server, Some(answer.token))?)
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
