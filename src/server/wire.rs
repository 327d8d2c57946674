//! What a server is made of, and the order in which it starts and stops.

use std::{
    fs::File,
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    ListenError, TlsError, forget,
    http::{self, Door},
    listen,
    lock::lock,
    sweep, tls,
};
use crate::{
    api::{self, AppState, Bounds, Feed, Readiness},
    archive::tree::TreeBounds,
    artifact::{ArtifactError, ArtifactStore},
    auth::{Auth, AuthError, EnrollmentError, admin_token, enrollment_token, secret_key},
    config::{Anonymous, DatabaseError, Settings, artifacts::ArtifactRoot},
    disk::{self, Space},
    logs::Logs,
    meters,
    model::{Clock, LimitError, RetentionPolicy},
    notifier::Notifier,
    protocol::ToolchainView,
    queue::{Queue, QueueError, QueueSettings},
    rebuilder::Rebuilder,
    retention::Retention,
    secrets::{SealingKey, Secrets, SecretsError},
    source::Sources,
    store::{OpenError, Store, StoreError},
    toolchain::{Catalogue, UnknownToolchain},
    uploads::{UploadBounds, Uploads},
};

/// The names by which this machine reaches itself.
const LOOPBACK_HOSTS: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Remotes that are asked for their refs at one time; others wait. Each takes a process for up to
/// twenty seconds.
const RESOLVING: usize = 8;

/// The server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data directory cannot be used.
    #[error("the data directory {}: {error}", .path.display())]
    Data {
        /// The directory.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// It cannot speak TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Anybody could do anything.
    #[error(
        "server.anonymous = \"admin\" is for loopback only, and this server listens on {0}: leave it out, and make tokens with `kiln token create`"
    )]
    Open(SocketAddr),
    /// The enrollment token cannot be used.
    #[error(transparent)]
    Enrollment(#[from] EnrollmentError),
    /// The settings name no database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The database cannot be opened.
    #[error(transparent)]
    Opening(#[from] OpenError),
    /// The enrollment token could not be written.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The artifact repository failed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A default toolchain does not exist.
    #[error("toolchains.default: {0}")]
    Toolchain(#[from] UnknownToolchain),
    /// A bound makes no sense.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A part of it panicked.
    #[error("a part of the server panicked; the log says where")]
    Panicked,
    /// The secrets cannot be opened.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// A server that is ready to run.
#[derive(Debug)]
pub struct Server {
    state: AppState,
    clock: Arc<dyn Clock>,
    tls: Option<Arc<rustls::ServerConfig>>,
    audit_days: u32,
    metrics: Option<SocketAddr>,
    enrollment: String,
    _lock: File,
}

impl Server {
    /// Opens everything in `data`; nothing runs yet.
    pub async fn open(
        settings: &Settings,
        data: &Path,
        clock: Arc<dyn Clock>,
        sources: Sources,
    ) -> Result<Self, ServeError> {
        let failed = |error| ServeError::Data { path: data.to_owned(), error };
        let lock = lock(data).map_err(failed)?;
        let server = &settings.server;
        let enrollment = enrollment_token(server.enrollment_token_file.as_deref(), data)?;
        if server.anonymous == Anonymous::Admin && !server.listen.ip().is_loopback() {
            return Err(ServeError::Open(server.listen));
        }
        let admin = admin_token(server.admin_token_file.as_deref(), data)?;
        let tls = tls::config(server)?;
        let key = SealingKey::from_text(&secret_key(server.secret_key_file.as_deref(), data)?);
        let database = settings.database.resolve(data)?;
        let store = Store::open(&database).await?;
        let secrets = Secrets::open(store.clone(), key).await?;
        let artifacts = ArtifactStore::open(&settings.artifacts, data).await?;
        let catalogue = catalogue(settings)?;
        let (limits, maximum) = settings.limits.resolve()?;
        let queue = Queue::new(
            (store.clone(), secrets.clone()),
            Arc::clone(&clock),
            QueueSettings {
                packages: settings.packages.allow.clone(),
                space: space(settings, data),
                lease: Duration::from_secs(u64::from(settings.server.lease_seconds.max(3))),
                aging: Duration::from_secs(u64::from(settings.server.aging_seconds.get())),
                ..QueueSettings::new(
                    catalogue.names().cloned().collect(),
                    catalogue.defaults().to_vec(),
                    limits,
                    maximum,
                )
            },
        );
        let spool = data.join("spool");
        std::fs::create_dir_all(&spool).map_err(failed)?;
        let uploads = Uploads::new(
            (store.clone(), artifacts.clone()),
            Arc::clone(&clock),
            upload_bounds(settings),
            spool,
        );
        let retention = Retention::new(
            (store.clone(), artifacts.clone()),
            Arc::clone(&clock),
            settings.retention.over(&RetentionPolicy::default()),
        );
        let rebuilder = Rebuilder::new(
            (store.clone(), queue.clone()),
            sources.clone(),
            secrets.clone(),
            settings.watch.clone(),
        );
        let notifier = Notifier::new(
            (store.clone(), queue.clone()),
            sources.clone(),
            secrets.clone(),
            settings.server.public_url.clone(),
        );
        let state = AppState {
            uploads,
            feed: Feed::new(store.clone()),
            logs: Logs::new(store.clone(), artifacts.clone(), Arc::clone(&clock)),
            auth: Auth::new(store.clone(), Arc::clone(&clock))
                .with_admin(&admin)
                .with_anonymous(server.anonymous),
            queue,
            artifacts,
            sources,
            toolchains: toolchain_views(&catalogue),
            hosts: LOOPBACK_HOSTS
                .iter()
                .map(|&host| host.to_owned())
                .chain(server.hosts.iter().cloned())
                .collect(),
            hosts_are_all: !server.hosts.is_empty(),
            origins: settings.web.origins.clone().into(),
            bounds: Bounds::new(server),
            readiness: Readiness::default(),
            retention,
            public_badges: settings.server.public_badges,
            secure_cookies: server.certificate_file.is_some()
                || server.public_url.as_ref().is_some_and(|url| url.scheme() == "https"),
            notifier,
            rebuilder,
            secrets,
            clock: Arc::clone(&clock),
            resolving: Arc::new(Semaphore::new(RESOLVING)),
            stop: CancellationToken::new(),
            store,
        };
        state.auth.admit(&enrollment).await?;
        let audit_days = server.audit_days.get();
        let metrics = server.metrics_listen;
        Ok(Self { state, clock, tls, audit_days, metrics, enrollment, _lock: lock })
    }

    /// The token by which agents make themselves known.
    pub fn enrollment(&self) -> &str {
        &self.enrollment
    }

    /// Whether it speaks TLS on its address.
    pub fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Serves on `listener` until told to stop, and on `inner` for the agent in this process, which
    /// needs no TLS.
    pub async fn run(
        self,
        listener: TcpListener,
        inner: Option<TcpListener>,
        stop: CancellationToken,
    ) -> Result<(), ServeError> {
        let Self { mut state, clock, tls, audit_days, metrics, _lock: lock, .. } = self;
        let figures = match metrics {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        state.stop = stop.clone();
        // The address it listens on is a name of this machine, too.
        let own = match listener.local_addr().map(|address| address.ip()) {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
            Ok(IpAddr::V4(ip)) => ip.to_string(),
            Err(_) => String::new(),
        };
        state.hosts = state.hosts.iter().cloned().chain([own]).collect();
        let mut tasks = JoinSet::new();
        let (queue, token) = (state.queue.clone(), stop.clone());
        tasks.spawn(async move { queue.run(token).await });
        let (logs, changes, token) = (state.logs.clone(), state.queue.changes(), stop.clone());
        tasks.spawn(async move {
            logs.run(changes, token).await;
            Ok(())
        });
        let (store, token) = (state.store.clone(), stop.clone());
        let woken = (state.queue.clone(), state.logs.clone());
        tasks.spawn(async move {
            listen::run(store, woken, token).await;
            Ok(())
        });
        let kept = (state.artifacts.clone(), state.store.clone(), state.uploads.clone());
        let token = stop.clone();
        tasks.spawn(async move {
            sweep::run(kept, clock, token).await;
            Ok(())
        });
        let (kept, bounds, token) = (state.store.clone(), state.bounds.clone(), stop.clone());
        let audit_clock = Arc::clone(&state.clock);
        tasks.spawn(async move {
            forget::run((kept, bounds), (audit_clock, audit_days), token).await;
            Ok(())
        });
        let (notifier, token) = (state.notifier.clone(), stop.clone());
        tasks.spawn(async move {
            notifier.run(token).await;
            Ok(())
        });
        let (rebuilder, token) = (state.rebuilder.clone(), stop.clone());
        tasks.spawn(async move {
            rebuilder.run(token).await;
            Ok(())
        });
        let (retention, token) = (state.retention.clone(), stop.clone());
        tasks.spawn(async move {
            retention.run(token).await;
            Ok(())
        });
        meters::recorder();
        if let Some(listener) = figures {
            let (router, token) = (api::metrics_router(state.clone()), stop.clone());
            tasks.spawn(async move {
                http::serve(vec![Door { listener, tls: None }], router, token).await;
                Ok(())
            });
        }
        let store = state.store.clone();
        let watch = stop.clone();
        let doors = std::iter::once(Door { listener, tls: tls.map(TlsAcceptor::from) })
            .chain(inner.map(|listener| Door { listener, tls: None }))
            .collect();
        // A server without its upkeep would look alive and let jobs rot: it ends instead.
        let upkeep = async move {
            let mut result = Ok(());
            while let Some(ended) = tasks.join_next().await {
                let ended = ended.map_err(|_| ServeError::Panicked).and_then(|end| Ok(end?));
                result = result.and(ended);
                watch.cancel();
            }
            result
        };
        let ((), result) = tokio::join!(http::serve(doors, api::router(state), stop), upkeep);
        store.close().await;
        drop(lock);
        result
    }
}

/// Where this server needs space.
fn space(settings: &Settings, data: &Path) -> Space {
    let mut places = vec![data.to_owned()];
    if let ArtifactRoot::Local(folder) = settings.artifacts.root(data) {
        places.push(folder);
    }
    let least = settings.server.min_free_bytes;
    Space { places, least, setting: "server.min_free_bytes", free: disk::free }
}

/// An upload may be as much as a source from git.
fn upload_bounds(settings: &Settings) -> UploadBounds {
    UploadBounds {
        tree: TreeBounds {
            bytes: settings.source.source_bytes,
            entries: settings.source.source_entries.into(),
            depth: settings.source.source_depth,
        },
        body_bytes: settings.uploads.body_bytes,
        kept: Duration::from_secs(u64::from(settings.uploads.kept_hours) * 3600),
    }
}

/// The toolchains there are, the operator's included.
fn catalogue(settings: &Settings) -> Result<Catalogue, UnknownToolchain> {
    let catalogue = Catalogue::builtin().with_custom(settings.toolchains.images.clone());
    if settings.toolchains.default.is_empty() {
        return Ok(catalogue);
    }
    catalogue.with_defaults(settings.toolchains.default.clone())
}

fn toolchain_views(catalogue: &Catalogue) -> Arc<[ToolchainView]> {
    let view = |toolchain: &crate::toolchain::Toolchain| ToolchainView {
        name: toolchain.name.clone(),
        target: toolchain.target.clone(),
        default: catalogue.defaults().contains(&toolchain.name),
        agents: Vec::new(),
    };
    catalogue.iter().map(view).collect()
}
