//! An agent with everything around it scripted: server, sandbox, source, toolchains.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use kiln::{
    agent::{
        self, Admission, CompilerCache, Deps, FetchedSource, Inspection, Machine, PinnedToolchain,
        PortError, Received, Sources, Toolchains, UploadCache, WithPackages,
    },
    builder::{FileKind, Listing, ToolchainFacts},
    config::AgentSettings,
    images::{Lacking, Made},
    model::{
        BuildId, Cause, Clock, CommitInfo, JobId, Limits, PackageName, Recipe, Step, StepKind,
        Stream, SystemClock, Timestamp, ToolchainName,
    },
    protocol::{Claimed, ClaimedGit, ClaimedSecrets, ClaimedSource, PresentToolchain, Work},
    sandbox::{Act, ByteStream, ImageId, Scenario, ScriptedSandbox, SessionSpec},
    source::Submodules,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::server::{Faults, Key, PATIENCE, Running, Server};

const NONCE: &str = "00112233445566778899aabbccddeeff";

/// A commit whose files are written down here.
#[derive(Clone, Debug)]
pub struct Tree(pub Vec<(&'static str, &'static str)>);

#[async_trait]
impl Sources for Tree {
    async fn fetch(
        &self,
        source: &ClaimedGit,
        _: Submodules,
        stop: &CancellationToken,
    ) -> Result<Box<dyn FetchedSource>, PortError> {
        match &*source.url {
            "https://example.org/panics" => panic!("as the test says"),
            "https://example.org/hangs" => {
                stop.cancelled().await;
                Err(PortError { cause: None, message: "stopped".into() })
            }
            "https://example.org/away" => Err(PortError {
                cause: Some(Cause::SourceUnreachable),
                message: "example.org cannot be reached".into(),
            }),
            _ => Ok(Box::new(self.clone())),
        }
    }
}

#[async_trait]
impl FetchedSource for Tree {
    fn received(&self) -> Received {
        Received { bytes: 1_234, from_cache: false }
    }

    async fn inspect(&self, _: &CancellationToken) -> Result<Inspection, PortError> {
        let paths = self.0.iter().map(|(path, _)| (path.as_bytes().to_vec(), FileKind::File));
        let mut listing = Listing::new(paths);
        for (path, text) in &self.0 {
            listing.add_contents(path, text.as_bytes().to_vec());
        }
        let recipe = self.0.iter().find(|(path, _)| *path == ".kiln.toml");
        Ok(Inspection {
            info: CommitInfo {
                author: "A. Author".into(),
                email: "a@example.org".into(),
                message: "first".into(),
                committed_at: Timestamp::from_millis(1_700_000_000_000),
                changed_paths: Vec::new(),
            },
            listing,
            recipe_file: Ok(recipe.map(|(_, text)| (*text).to_owned())),
            left_out: vec!["lib/sub".to_owned()],
            missing: Vec::new(),
        })
    }

    async fn with_history(
        &mut self,
        _: &str,
        _: &CancellationToken,
    ) -> Result<Option<String>, PortError> {
        Ok(None)
    }

    async fn read_file(
        &self,
        path: &str,
        _: &CancellationToken,
    ) -> Result<Option<Vec<u8>>, PortError> {
        let file = self.0.iter().find(|(name, _)| *name == path);
        Ok(file.map(|(_, text)| text.as_bytes().to_vec()))
    }

    async fn tar(&self, _: &CancellationToken) -> Result<ByteStream, PortError> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_mode(0o755);
        tar.append_data(&mut header, "src/", &[][..]).unwrap();
        for (path, text) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("src/{path}"), text.as_bytes()).unwrap();
        }
        let bytes = Bytes::from(tar.into_inner().unwrap());
        Ok(Box::pin(futures_util::stream::iter([Ok(bytes)])))
    }
}

/// One toolchain, `gcc:14`.
#[derive(Debug)]
pub struct OneToolchain;

#[async_trait]
impl Toolchains for OneToolchain {
    async fn present(&self) -> Result<Vec<PresentToolchain>, PortError> {
        Ok(vec![PresentToolchain {
            name: "gcc:14".parse().unwrap(),
            image: "sha256:1234567890abcdef".into(),
            recipe_digest: "r".into(),
            compiler: "gcc 14.2.0".into(),
        }])
    }

    async fn resolve(&self, name: &ToolchainName) -> Result<PinnedToolchain, PortError> {
        if name.as_str() != "gcc:14" {
            let message = format!("the image of {name} is not on this machine");
            return Err(PortError { cause: Some(Cause::Image), message });
        }
        Ok(PinnedToolchain {
            image: ImageId("sha256:1234567890abcdef".into()),
            recipe_digest: "r".into(),
            compiler: "gcc 14.2.0".into(),
            facts: ToolchainFacts { cc: "gcc".into(), ..ToolchainFacts::default() },
        })
    }

    async fn with_packages(
        &self,
        pinned: &PinnedToolchain,
        (_, packages): (&ToolchainName, &[PackageName]),
    ) -> Result<WithPackages, PortError> {
        if let Some(package) = packages.iter().find(|it| it.as_str().starts_with("libnosuch")) {
            let message = format!("there is no package {package} in Debian trixie");
            return Err(PortError { cause: Some(Cause::RecipeInvalid), message });
        }
        let image = ImageId("sha256:fedcba0987654321".into());
        Ok(WithPackages {
            pinned: PinnedToolchain { image, ..pinned.clone() },
            installed: packages.iter().map(|package| format!("{package} 1.0")).collect(),
            made: Made::Now(Duration::from_millis(1_500)),
            in_use: None,
        })
    }

    async fn lacks(&self, lacking: &Lacking<'_>) -> Result<String, PortError> {
        let name = lacking.wanted.name();
        Ok(format!("{name} is missing; add packages = [\"{name}-dev\"]"))
    }
}

/// A running agent and its server.
pub struct World {
    pub running: Running,
    pub sandbox: ScriptedSandbox,
    pub directory: tempfile::TempDir,
    pub stop: CancellationToken,
    agent: Option<JoinHandle<anyhow::Result<()>>>,
}

/// How a world is not the usual one.
pub struct Setup {
    pub tree: Tree,
    pub settings: AgentSettings,
    /// How the server misbehaves from the start.
    pub faults: Faults,
}

impl Default for Setup {
    fn default() -> Self {
        let tree = Tree(vec![
            ("Makefile", "app: main.c\n\tcc -o app main.c\n"),
            ("main.c", "int main(void) { return 0; }\n"),
        ]);
        let settings = AgentSettings {
            workers: Some(2),
            grace_seconds: 1,
            lost_server_seconds: 0,
            ..AgentSettings::default()
        };
        Self { tree, settings, faults: Faults::default() }
    }
}

impl World {
    /// An agent whose builds do what `script` says.
    pub async fn new(script: impl Fn(&SessionSpec) -> Scenario + Send + Sync + 'static) -> Self {
        Self::with(Setup::default(), script).await
    }

    pub async fn with(
        mut setup: Setup,
        script: impl Fn(&SessionSpec) -> Scenario + Send + Sync + 'static,
    ) -> Self {
        let running = Server::start(std::mem::take(&mut setup.faults)).await;
        let sandbox = ScriptedSandbox::new(script);
        let directory = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let mut world = Self { running, sandbox, directory, stop, agent: None };
        world.start_agent(setup);
        world
    }

    pub fn start_agent(&mut self, setup: Setup) {
        self.stop = CancellationToken::new();
        let deps = Deps {
            settings: AgentSettings { server: self.running.url.clone(), ..setup.settings },
            directory: self.directory.path().to_owned(),
            enrollment: Some("enroll".into()),
            machine: Machine {
                name: "test".into(),
                arch: "x86_64".into(),
                cpus: 2,
                memory_bytes: 8 << 30,
                engine: "scripted".into(),
                profile: "scripted/none".into(),
                shm_bytes: 0,
                source_bytes: 1 << 20,
            },
            admission: Admission::always(),
            sandbox: Arc::new(self.sandbox.clone()),
            sources: Arc::new(setup.tree),
            uploads: UploadCache::new(self.directory.path().join("uploads"), 1 << 20),
            ccache: CompilerCache::new(self.directory.path().join("ccache"), 0),
            toolchains: Arc::new(OneToolchain),
            clock: Arc::new(SystemClock),
            nonce: || NONCE.to_owned(),
        };
        self.agent = Some(tokio::spawn(agent::run(deps, self.stop.clone())));
    }

    pub fn server(&self) -> &Server {
        &self.running.server
    }

    /// Queues a job and says how to find it again.
    pub fn queue(&self, job: Claimed) -> Key {
        let key = (job.job, job.attempt);
        self.server().change(|known| known.queue.push_back(job));
        key
    }

    /// Stops the agent and checks that it left nothing behind.
    pub async fn end(mut self) {
        self.stop.cancel();
        self.wait_for_agent().await;
        for seen in self.sandbox.seen() {
            assert!(seen.gone, "a session is left: {:?}", seen.verbs);
        }
        let spool = self.directory.path().join("spool");
        let left = std::fs::read_dir(spool).map_or(0, Iterator::count);
        assert_eq!(left, 0, "files are left in the spool");
    }

    pub async fn wait_for_agent(&mut self) {
        self.agent_ended().await.unwrap();
    }

    /// How the agent ends by itself, or after it was stopped.
    pub async fn agent_ended(&mut self) -> anyhow::Result<()> {
        let agent = self.agent.take().unwrap();
        tokio::time::timeout(PATIENCE, agent).await.unwrap().unwrap()
    }
}

/// A leg with these steps, or with what the tree says if there are none.
pub fn leg(recipe: Recipe, limits: Limits) -> Claimed {
    claimed(Work::Leg { toolchain: "gcc:14".parse().unwrap(), recipe: Box::new(recipe), limits })
}

pub fn claimed(work: Work) -> Claimed {
    let now = SystemClock.now();
    Claimed {
        job: JobId::new(now),
        build: BuildId::new(now),
        attempt: 1,
        lease_ms: 3_000,
        source: source_at("https://example.org/project"),
        work,
        secrets: ClaimedSecrets::default(),
        cache: None,
    }
}

/// A commit of the repository at `url`.
pub fn source_at(url: &str) -> ClaimedSource {
    let commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    ClaimedSource::Git(ClaimedGit { url: url.into(), reference: None, commit, login: None })
}

pub fn step(name: &str, kind: StepKind, run: &str) -> Step {
    Step { name: name.parse().unwrap(), kind, run: run.into() }
}

/// A mark on both streams.
pub fn mark(payload: &str) -> [Act; 2] {
    let bytes = Bytes::from(format!("\x1e{NONCE};{payload}\x1e"));
    [Act::Write(Stream::Stdout, bytes.clone()), Act::Write(Stream::Stderr, bytes)]
}

pub fn out(text: &str) -> Act {
    Act::say(text)
}

pub fn err(text: &str) -> Act {
    Act::Write(Stream::Stderr, Bytes::copy_from_slice(text.as_bytes()))
}

/// One step that writes this and ends so.
pub fn one_step(acts: Vec<Act>, code: i64) -> Vec<Act> {
    let mut all = mark("s;0").to_vec();
    all.extend(acts);
    all.extend(mark(&format!("e;0;{code}")));
    all
}

/// A tick of the outside world, for what has no event.
pub async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}"));
}
