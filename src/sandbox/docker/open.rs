//! Making a session: volume, then both containers at once.
//!
//! Nothing of the user's runs before both are up, so starting them together on one volume gives no
//! container the chance to swap a path under the other's mounts.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bollard::{
    models::ContainerCreateBody,
    query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions},
};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::{
    build::{self, Build},
    by_hand,
    engine::Engine,
    holder::Holder,
    label::{self, Identity, Key},
    pipe::Pipe,
    profile::{self, Profile},
    session::DockerSession,
    sweep,
};
use crate::{
    config::SandboxSettings,
    model::{Clock, JobId},
    sandbox::{ImageId, Sandbox, SandboxError, Session, SessionSpec, Swept},
};

/// Cores that unpacking and packing may use: `head` and `tar` run at the same time.
const HOLDER_CPU_MILLIS: u32 = 2_000;

/// Sandboxes in containers of a container engine.
#[derive(Clone, Debug)]
pub struct DockerSandbox(Arc<Machine>);

/// What all sessions of a machine share.
pub(super) struct Machine {
    pub(super) engine: Engine,
    pub(super) identity: Identity,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) profile: Profile,
    /// What is open here: never swept, whatever the caller knows.
    open: Mutex<HashSet<Key>>,
    /// Images that were looked at. An id never means another image.
    images: Mutex<HashMap<ImageId, Result<(), String>>>,
    /// Cleaning up that nobody waits for.
    pub(super) tasks: TaskTracker,
}

impl DockerSandbox {
    /// Sandboxes over a connected engine. Fails if the settings ask for what the engine lacks.
    pub fn new(
        engine: Engine,
        settings: &SandboxSettings,
        (identity, clock): (Identity, Arc<dyn Clock>),
    ) -> Result<Self, SandboxError> {
        check_id(&identity.holder)?;
        Ok(Self(Arc::new(Machine {
            profile: Profile::new(settings, engine.facts())?,
            engine,
            identity,
            clock,
            open: Mutex::default(),
            images: Mutex::default(),
            tasks: TaskTracker::new(),
        })))
    }

    /// Connects to the engine of the settings.
    pub async fn connect(
        settings: &SandboxSettings,
        identity: Identity,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SandboxError> {
        Self::new(Engine::connect(settings).await?, settings, (identity, clock))
    }

    /// The engine, for what is not about sandboxes.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The most memory that a session can take on this machine, both containers together: what an
    /// agent counts before it takes another job.
    pub fn memory(&self, spec: &SessionSpec) -> u64 {
        self.0.profile.build_memory(spec) + profile::holder_memory(spec)
    }

    /// Waits until every session that was dropped is gone. No session may be opened afterwards.
    pub async fn settle(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

#[async_trait]
impl Sandbox for DockerSandbox {
    async fn open(&self, spec: SessionSpec) -> Result<Box<dyn Session>, SandboxError> {
        // In a task of its own: if the caller goes away, the half-made session is still finished
        // and then dropped, which removes it.
        let machine = Arc::clone(&self.0);
        let opening = async move { Box::pin(machine.open(spec)).await };
        let opened = self.0.tasks.spawn(opening.in_current_span()).await;
        let session = opened.map_err(|error| SandboxError::Engine(error.to_string()))??;
        Ok(Box::new(session))
    }

    fn by_hand(&self, spec: &SessionSpec) -> Vec<String> {
        let cpus = self.0.engine.nano_cpus(spec.limits.cpu_millis);
        by_hand::options(&self.0.profile.build(spec, cpus), &profile::volume(spec))
    }

    async fn sweep(&self, alive: &[(JobId, u32)]) -> Result<Swept, SandboxError> {
        let alive: HashSet<Key> =
            alive.iter().map(|&(job, attempt)| Key { job, attempt }).collect();
        sweep::sweep(&self.0, &alive).await
    }
}

impl Machine {
    /// Forgets a session that is gone.
    pub(super) fn forget(&self, key: Key) {
        self.open_keys().remove(&key);
    }

    /// What is open here now. A key comes before anything of it is made, so what was listed earlier
    /// and is not among these belongs to nobody here.
    pub(super) fn open_now(&self) -> HashSet<Key> {
        self.open_keys().clone()
    }

    fn open_keys(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(self: Arc<Self>, spec: SessionSpec) -> Result<DockerSession, SandboxError> {
        self.check_image(&spec.image).await?;
        let key = Key::of(&spec);
        if !self.open_keys().insert(key) {
            return Err(SandboxError::Engine(format!("{} is open already", key.build())));
        }
        // From here on the session removes what was made, whatever happens.
        let mut session = DockerSession::new(Arc::clone(&self), spec.clone());
        match Box::pin(self.make(&spec, &mut session)).await {
            Ok(()) => Ok(session),
            Err(error) => {
                if let Err(left) = Box::new(session).close().await {
                    tracing::error!(job.id = %spec.job, error = %left, "a session that could not be opened left something");
                }
                Err(error)
            }
        }
    }

    async fn make(
        &self,
        spec: &SessionSpec,
        session: &mut DockerSession,
    ) -> Result<(), SandboxError> {
        let labels = label::labels(&self.identity, spec);
        let mut request = profile::volume(spec);
        request.labels = Some(labels.clone());
        let options = request.driver_opts.clone();
        let volume =
            self.engine.call("create volume", self.engine.docker().create_volume(request)).await?;
        // The engine answers with an older volume of the same name as if it had made it.
        if Some(&volume.options) != options.as_ref() {
            return Err(SandboxError::Engine(format!("the volume {} exists already", volume.name)));
        }
        session.volume = Some(volume.name);

        let key = Key::of(spec);
        let seconds = spec.deadline.since(self.clock.now()).as_secs().max(1);
        let holder_cpus = self.engine.nano_cpus(HOLDER_CPU_MILLIS);
        let build_cpus = self.engine.nano_cpus(spec.limits.cpu_millis);
        let mut holder = self.profile.holder(spec, (&self.identity.holder.0, seconds, holder_cpus));
        let mut build = self.profile.build(spec, build_cpus);
        holder.labels = Some(labels.clone());
        build.labels = Some(labels);
        // Both to their end, also if one fails: what was made must be known to be removed.
        let (holder, build) =
            tokio::join!(self.start(key.holder(), holder), self.start(key.build(), build),);
        for made in [&holder, &build] {
            match &made.claim {
                Claim::Ours(name) => session.containers.push(name.clone()),
                Claim::Foreign => session.volume = None,
                Claim::None => {}
            }
        }
        session.holder = Some(Holder::new(holder.running?));
        let pipe = build.running?;
        let exit = build::watch(&self.engine, &key.build());
        session.build = Some(Build { engine: self.engine.clone(), name: key.build(), pipe, exit });
        Ok(())
    }

    /// Creates, attaches to and starts a container.
    async fn start(&self, name: String, body: ContainerCreateBody) -> Made {
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let image = body.image.clone().unwrap_or_default();
        let create = self.engine.docker().create_container(Some(options), body);
        if let Err(refusal) = self.engine.ask("create", create).await {
            // Without an answer it may have been made; with 409 it is somebody else's, and so is the
            // volume of that name.
            let claim = match refusal.status {
                0 => Claim::Ours(name),
                409 => Claim::Foreign,
                _ => Claim::None,
            };
            let error = match refusal.status {
                404 => SandboxError::Image { image, problem: "the engine does not have it".into() },
                _ => refusal.error,
            };
            return Made { claim, running: Err(error) };
        }
        let running = async {
            let pipe = Pipe::attach(&self.engine, &name).await?;
            let start = self.engine.docker().start_container(&name, None::<StartContainerOptions>);
            self.engine.call("start", start).await?;
            Ok(pipe)
        };
        Made { running: running.await, claim: Claim::Ours(name) }
    }

    /// Refuses an image that is not pinned, not there, or brings volumes: they would be unbounded
    /// space outside the workspace.
    async fn check_image(&self, image: &ImageId) -> Result<(), SandboxError> {
        check_id(image)?;
        let refuse = |problem| SandboxError::Image { image: image.0.clone(), problem };
        let known = self.images.lock().unwrap_or_else(PoisonError::into_inner).get(image).cloned();
        if let Some(known) = known {
            return known.map_err(refuse);
        }
        let inspect = self.engine.docker().inspect_image(&image.0);
        let found = match self.engine.ask("inspect image", inspect).await {
            Ok(found) => found,
            Err(refusal) if refusal.status == 404 => {
                return Err(refuse("the engine does not have it; build or pull it".to_owned()));
            }
            Err(refusal) => return Err(refusal.into()),
        };
        let volumes = found.config.and_then(|config| config.volumes).unwrap_or_default();
        let fit = if volumes.is_empty() {
            Ok(())
        } else {
            Err("it declares a VOLUME, which no bound covers; use an image without".to_owned())
        };
        self.images
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(image.clone(), fit.clone());
        fit.map_err(refuse)
    }
}

/// What became of one container.
struct Made {
    claim: Claim,
    running: Result<Pipe, SandboxError>,
}

/// Whose a container of that name is.
enum Claim {
    /// Ours, or it may be.
    Ours(String),
    /// Another process has this very attempt open.
    Foreign,
    /// There is none.
    None,
}

/// A tag can be moved, so only ids are taken.
fn check_id(image: &ImageId) -> Result<(), SandboxError> {
    let digest = image.0.strip_prefix("sha256:").unwrap_or_default();
    if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(SandboxError::Image {
        image: image.0.clone(),
        problem: "not an image id (sha256:…)".to_owned(),
    })
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("identity", &self.identity)
            .field("engine", self.engine.facts())
            .finish_non_exhaustive()
    }
}
