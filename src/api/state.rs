//! What handlers work with.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Bounds, Feed, Readiness};
use crate::{
    artifact::ArtifactStore, auth::Auth, config::Origin, logs::Logs, model::Clock,
    notifier::Notifier, protocol::ToolchainView, queue::Queue, rebuilder::Rebuilder,
    retention::Retention, secrets::Secrets, source::Sources, store::Store, uploads::Uploads,
};

/// What handlers work with; cheap to clone.
#[derive(Clone, Debug)]
pub struct AppState {
    /// The database, for what is only read.
    pub store: Store,
    /// The queue.
    pub queue: Queue,
    /// Events.
    pub feed: Feed,
    /// Logs.
    pub logs: Logs,
    /// Uploaded trees.
    pub uploads: Uploads,
    /// Artifacts.
    pub artifacts: ArtifactStore,
    /// Who is who.
    pub auth: Auth,
    /// Git sources, to resolve refs.
    pub sources: Sources,
    /// The toolchains there are; which agents have them is added when asked.
    pub toolchains: Arc<[ToolchainView]>,
    /// The host names this server answers for, without ports.
    pub hosts: Arc<[String]>,
    /// Whether it answers for no other, also where every request needs a token.
    pub hosts_are_all: bool,
    /// Other origins that the web page is served from.
    pub origins: Arc<[Origin]>,
    /// How much each may ask for.
    pub bounds: Bounds,
    /// Whether everybody sees badges.
    pub public_badges: bool,
    /// Whether browsers send the cookie of a session over TLS alone.
    pub secure_cookies: bool,
    /// Tells others how builds go.
    pub notifier: Notifier,
    /// Builds new commits by itself.
    pub rebuilder: Rebuilder,
    /// Secrets of projects.
    pub secrets: Secrets,
    /// What is kept, and what goes.
    pub retention: Retention,
    /// Whether it can do its work.
    pub readiness: Readiness,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Places for requests that ask a remote for its refs: each starts a process.
    pub resolving: Arc<Semaphore>,
    /// Ends streams and long polls when the server stops.
    pub stop: CancellationToken,
}
