//! What the sandbox tests share: images, sessions, and the count of what is left.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bollard::query_parameters::{ListContainersOptionsBuilder, ListVolumesOptionsBuilder};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use kiln::{
    config::SandboxSettings,
    model::{Clock, JobId, Limits, Stream, SystemClock},
    sandbox::{
        ByteStream, DockerSandbox, Engine, Exit, Identity, ImageId, Output, Sandbox, Session,
        SessionSpec,
    },
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A toolchain with gcc and make.
const TOOLCHAIN: (&str, &str) = ("KILN_TEST_IMAGE", "kiln/toolchain:gcc-12");
/// kiln's own base.
const HOLDER: (&str, &str) = ("KILN_TEST_HOLDER", "kiln/base:trixie");

/// A machine with an instance of its own, so that tests do not see each other.
pub(crate) struct Farm {
    pub(crate) sandbox: DockerSandbox,
    pub(crate) identity: Identity,
    pub(crate) toolchain: ImageId,
    pub(crate) settings: SandboxSettings,
}

/// The id of a test image: a tag from the environment, or the one that `kiln images build` makes.
async fn image(engine: &Engine, (variable, tag): (&str, &str)) -> ImageId {
    let tag = std::env::var(variable).unwrap_or_else(|_| tag.to_owned());
    match engine.docker().inspect_image(&tag).await {
        Ok(image) => ImageId(image.id.unwrap()),
        Err(error) => panic!(
            "these tests need the image {tag}: run `kiln images build` first, or name another in \
             {variable} ({error})"
        ),
    }
}

/// Runs a test with real containers and fails it if it leaves anything.
pub(crate) async fn with_farm(test: impl AsyncFnOnce(&Farm)) {
    with_settings(SandboxSettings::default(), test).await;
}

pub(crate) async fn with_settings(settings: SandboxSettings, test: impl AsyncFnOnce(&Farm)) {
    let engine = Engine::connect(&settings).await.expect("the tests need a container engine");
    let identity = Identity {
        instance: format!("test-{}", JobId::new(SystemClock.now())),
        agent: "a".to_owned(),
        holder: image(&engine, HOLDER).await,
    };
    let toolchain = image(&engine, TOOLCHAIN).await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sandbox = DockerSandbox::new(engine, &settings, (identity.clone(), clock)).unwrap();
    let farm = Farm { sandbox, identity, toolchain, settings };
    let result = AssertUnwindSafe(test(&farm)).catch_unwind().await;
    farm.sandbox.settle().await;
    let left = farm.left().await;
    // Whatever is left, the next run shall not see it.
    let swept = farm.restarted().sweep(&[]).await;
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
    assert!(left.is_empty(), "left behind: {left:?} (swept: {swept:?})");
}

impl Farm {
    /// The same agent after a crash: it knows of nothing that is open.
    pub(crate) fn restarted(&self) -> DockerSandbox {
        self.as_agent(&self.identity.agent.clone(), Arc::new(SystemClock))
    }

    pub(crate) fn as_agent(&self, agent: &str, clock: Arc<dyn Clock>) -> DockerSandbox {
        let identity = Identity { agent: agent.to_owned(), ..self.identity.clone() };
        let engine = self.sandbox.engine().clone();
        DockerSandbox::new(engine, &self.settings, (identity, clock)).unwrap()
    }

    /// Names of the containers and volumes that carry our label.
    pub(crate) async fn left(&self) -> Vec<String> {
        let docker = self.sandbox.engine().docker();
        let label = format!("kiln.instance={}", self.identity.instance);
        let filters = HashMap::from([("label".to_owned(), vec![label])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let containers = docker.list_containers(Some(options)).await.unwrap();
        let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
        let volumes = docker.list_volumes(Some(options)).await.unwrap().volumes;
        let mut left = Vec::new();
        for container in containers {
            let names = container.names.unwrap_or_default();
            let id = container.id.unwrap_or_default();
            // One that is half removed has no name any more; one that the engine only lists is none.
            if names.is_empty() && docker.inspect_container(&id, None).await.is_ok() {
                left.push(id);
            }
            left.extend(names);
        }
        left.into_iter()
            .chain(volumes.unwrap_or_default().into_iter().map(|volume| volume.name))
            .collect()
    }

    /// A small job.
    pub(crate) fn spec(&self) -> SessionSpec {
        spec(self.toolchain.clone())
    }

    /// A session for it with a one-line source.
    pub(crate) async fn open(&self) -> Box<dyn Session> {
        self.open_with(self.spec()).await
    }

    pub(crate) async fn open_with(&self, spec: SessionSpec) -> Box<dyn Session> {
        let mut session = self.sandbox.open(spec).await.unwrap();
        session
            .load(source(&[("main.c", 0o644, b"int main(void) { return 0; }\n")]))
            .await
            .unwrap();
        session
    }

    /// Runs one script in a session of its own.
    pub(crate) async fn run(&self, script: &str) -> Ran {
        self.run_with(self.spec(), script).await
    }

    pub(crate) async fn run_with(&self, spec: SessionSpec, script: &str) -> Ran {
        let mut session = self.open_with(spec).await;
        let ran = run(session.as_mut(), script).await;
        session.close().await.unwrap();
        ran
    }
}

/// A job with small bounds.
pub(crate) fn spec(image: ImageId) -> SessionSpec {
    let now = SystemClock.now();
    let limits = Limits {
        memory_bytes: 256 << 20,
        workspace_bytes: 64 << 20,
        workspace_files: 16_384,
        tmp_bytes: 16 << 20,
        processes: 64,
        wall_seconds: 120,
        ..Limits::default()
    };
    SessionSpec {
        job: JobId::new(now),
        attempt: 1,
        image,
        limits,
        source_bytes: 16 << 20,
        deadline: now.plus(Duration::from_mins(10)),
    }
}

/// What a run did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Ran {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Fails with all that was said unless it exited 0.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.exit.code, 0, "{self:?} {}", String::from_utf8_lossy(&self.stderr));
        self
    }
}

/// Runs `script` and takes all its output.
pub(crate) async fn run(session: &mut dyn Session, script: &str) -> Ran {
    let (sender, mut receiver) = mpsc::channel::<Output>(16);
    let reader = tokio::spawn(async move {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(output) = receiver.recv().await {
            match output.stream {
                Stream::Stdout => stdout.extend_from_slice(&output.bytes),
                _ => stderr.extend_from_slice(&output.bytes),
            }
        }
        (stdout, stderr)
    });
    let exit = session.run(script.into(), sender, CancellationToken::new()).await.unwrap();
    let (stdout, stderr) = reader.await.unwrap();
    Ran { exit, stdout, stderr }
}

/// Starts `script` in a task and waits for its first output. Gives the task, which hands the
/// session back, the output from then on, and the token.
pub(crate) async fn start(mut session: Box<dyn Session>, script: &'static str) -> Started {
    let (sender, mut output) = mpsc::channel::<Output>(1);
    let stop = CancellationToken::new();
    let token = stop.clone();
    let task = tokio::spawn(async move {
        let exit = session.run(script.into(), sender, token).await;
        (session, exit.unwrap())
    });
    let first = output.recv().await.expect("the script says something at first").bytes;
    Started { task, first, output, stop }
}

pub(crate) struct Started {
    pub(crate) task: tokio::task::JoinHandle<(Box<dyn Session>, Exit)>,
    pub(crate) first: Bytes,
    pub(crate) output: mpsc::Receiver<Output>,
    pub(crate) stop: CancellationToken,
}

/// A source tree as a tar whose first entry is `src/`.
pub(crate) fn source(files: &[(&str, u32, &[u8])]) -> ByteStream {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o755);
    header.set_size(0);
    tar.append_data(&mut header, "src/", std::io::empty()).unwrap();
    for (path, mode, contents) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_size(contents.len() as u64);
        tar.append_data(&mut header, format!("src/{path}"), *contents).unwrap();
    }
    bytes(tar.into_inner().unwrap())
}

pub(crate) fn bytes(bytes: Vec<u8>) -> ByteStream {
    Box::pin(stream::iter([Ok(Bytes::from(bytes))]))
}

/// The entries of a tar that `collect` gave: path, contents (of a symlink, its target), mode.
pub(crate) async fn entries(mut tar: ByteStream) -> Vec<(Vec<u8>, Vec<u8>, u32)> {
    use std::io::Read;

    let mut all = Vec::new();
    while let Some(bytes) = tar.next().await {
        all.extend_from_slice(&bytes.unwrap());
    }
    let mut found = Vec::new();
    for entry in tar::Archive::new(all.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut contents = entry.link_name_bytes().unwrap_or_default().into_owned();
        entry.read_to_end(&mut contents).unwrap();
        let mode = entry.header().mode().unwrap() & 0o7777;
        found.push((entry.path_bytes().into_owned(), contents, mode));
    }
    found
}
