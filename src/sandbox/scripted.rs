//! A sandbox without an engine, for tests of everything around it.
//!
//! What a session does is written down beforehand, as a function of what it was made for; what was
//! asked of it can be looked at afterwards. It keeps the rules of the real one (order of the verbs,
//! back-pressure, stopping), which the conformance suite checks on both.

use std::{
    fmt,
    io::{self, Read},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    ByteStream, EntryKind, Exit, Output, Sandbox, SandboxError, Script, Session, SessionSpec,
    Swept, WorkspaceEntry,
};
use crate::model::{JobId, Stream};

/// The status of a process that was killed.
const KILLED: i64 = 137;

type Play = dyn Fn(&SessionSpec) -> Scenario + Send + Sync;

/// A sandbox whose sessions play scenarios.
#[derive(Clone)]
pub struct ScriptedSandbox {
    script: Arc<Play>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// What one session does.
#[derive(Debug)]
pub struct Scenario {
    /// What happens while it runs, in order.
    pub acts: Vec<Act>,
    /// How the run ends, unless it is stopped before.
    pub exit: Exit,
    /// What the build leaves in the source folder; a path that was in the source is replaced.
    pub files: Vec<Produced>,
    /// The tar of the compiler cache that it leaves.
    pub cache: Vec<u8>,
    /// The verb that fails, and how.
    pub failure: Option<(Verb, SandboxError)>,
}

/// One thing that happens in a run.
#[derive(Clone, Debug)]
pub enum Act {
    /// The build writes.
    Write(Stream, Bytes),
    /// The build does nothing until this is cancelled, or for ever.
    Until(CancellationToken),
}

/// Something the build makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Produced {
    /// Path relative to the source folder.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u32,
    /// The contents; of a symlink, the target.
    pub contents: Vec<u8>,
}

/// What can be asked of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    /// `Sandbox::open`.
    Open,
    /// `Session::load`.
    Load,
    /// `Session::run`.
    Run,
    /// `Session::list`.
    List,
    /// `Session::export`.
    Export,
    /// `Session::collect`.
    Collect,
    /// `Session::close`.
    Close,
}

/// What was asked of one session.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What it was made for.
    pub spec: SessionSpec,
    /// The verbs, in order.
    pub verbs: Vec<Verb>,
    /// The tar that was loaded.
    pub source: Vec<u8>,
    /// That of the compiler cache.
    pub cache: Vec<u8>,
    /// The script that was run.
    pub script: String,
    /// Its input.
    pub input: Vec<u8>,
    /// Whether the run was stopped.
    pub stopped: bool,
    /// The paths that were collected.
    pub collected: Vec<Vec<u8>>,
    /// Whether it is gone: closed or dropped.
    pub gone: bool,
}

impl Default for Scenario {
    /// Writes nothing, makes nothing, succeeds.
    fn default() -> Self {
        let exit = Exit { code: 0, oom_killed: false, stopped: false, used: None };
        Self { acts: Vec::new(), exit, files: Vec::new(), cache: Vec::new(), failure: None }
    }
}

impl Act {
    /// Writes `text` to standard output.
    pub fn say(text: &str) -> Self {
        Self::Write(Stream::Stdout, Bytes::copy_from_slice(text.as_bytes()))
    }

    /// Does nothing until the run is stopped.
    pub fn hang() -> Self {
        Self::Until(CancellationToken::new())
    }
}

impl Produced {
    /// A file.
    pub fn file(path: &str, mode: u32, contents: &[u8]) -> Self {
        Self { path: path.into(), kind: EntryKind::File, mode, contents: contents.into() }
    }
}

impl ScriptedSandbox {
    /// Sessions that do what `script` says for what they are made for.
    pub fn new(script: impl Fn(&SessionSpec) -> Scenario + Send + Sync + 'static) -> Self {
        Self { script: Arc::new(script), seen: Arc::default() }
    }

    /// What was asked of each session so far, in the order they were opened.
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Sandbox for ScriptedSandbox {
    async fn open(&self, spec: SessionSpec) -> Result<Box<dyn Session>, SandboxError> {
        let mut scenario = (self.script)(&spec);
        let failure = scenario.failure.take_if(|(verb, _)| *verb == Verb::Open);
        let mut seen = self.lock();
        seen.push(Seen {
            spec,
            verbs: vec![Verb::Open],
            source: Vec::new(),
            cache: Vec::new(),
            script: String::new(),
            input: Vec::new(),
            stopped: false,
            collected: Vec::new(),
            gone: failure.is_some(),
        });
        match failure {
            Some((_, error)) => Err(error),
            None => Ok(Box::new(ScriptedSession {
                number: seen.len() - 1,
                sandbox: self.clone(),
                scenario,
                workspace: Vec::new(),
                has_listed: false,
            })),
        }
    }

    fn by_hand(&self, _spec: &SessionSpec) -> Vec<String> {
        Vec::new()
    }

    async fn sweep(&self, _alive: &[(JobId, u32)]) -> Result<Swept, SandboxError> {
        Ok(Swept::default())
    }
}

struct ScriptedSession {
    number: usize,
    sandbox: ScriptedSandbox,
    scenario: Scenario,
    workspace: Vec<Produced>,
    has_listed: bool,
}

impl ScriptedSession {
    /// Writes the verb down, and fails if it is the one that fails or may not come now.
    fn begin(&mut self, verb: Verb, at_most_once: bool) -> Result<(), SandboxError> {
        let mut seen = self.sandbox.lock();
        let verbs = &mut seen[self.number].verbs;
        let is_late = (at_most_once && verbs.contains(&verb)) || verbs.contains(&Verb::Collect);
        verbs.push(verb);
        if is_late && verb != Verb::Close {
            return Err(SandboxError::Engine(format!("{verb:?} came twice or after the end")));
        }
        match self.scenario.failure.take_if(|(failing, _)| *failing == verb) {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.sandbox.lock()[self.number]);
    }

    fn put(&mut self, file: Produced) {
        self.workspace.retain(|old| old.path != file.path);
        self.workspace.push(file);
    }

    async fn play(&mut self, output: &mpsc::Sender<Output>, stop: &CancellationToken) -> bool {
        for act in self.scenario.acts.drain(..) {
            let act = async {
                match act {
                    Act::Write(stream, bytes) => {
                        // Without a reader the build goes on, as the real one does.
                        let _ = output.send(Output { stream, bytes }).await;
                    }
                    Act::Until(signal) => signal.cancelled().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return true,
                () = act => {}
            }
        }
        stop.is_cancelled()
    }
}

#[async_trait]
impl Session for ScriptedSession {
    async fn load(&mut self, tar: ByteStream) -> Result<(), SandboxError> {
        self.begin(Verb::Load, false)?;
        let tar: Vec<Bytes> = tar
            .try_collect()
            .await
            .map_err(|error| SandboxError::Engine(format!("the source broke off: {error}")))?;
        let tar = tar.concat();
        let files = unpack(&tar)
            .map_err(|error| SandboxError::Engine(format!("unpacking the source: {error}")))?;
        let has_cache = tar.get(..6) == Some(b"cache/");
        self.note(|seen| if has_cache { seen.cache = tar } else { seen.source = tar });
        for file in files {
            self.put(file);
        }
        Ok(())
    }

    async fn run(
        &mut self,
        script: Script<'_>,
        output: mpsc::Sender<Output>,
        stop: CancellationToken,
    ) -> Result<Exit, SandboxError> {
        self.begin(Verb::Run, true)?;
        self.note(|seen| {
            script.text.clone_into(&mut seen.script);
            script.input.clone_into(&mut seen.input);
        });
        if self.play(&output, &stop).await {
            self.note(|seen| seen.stopped = true);
            return Ok(Exit { code: KILLED, oom_killed: false, stopped: true, used: None });
        }
        for file in std::mem::take(&mut self.scenario.files) {
            self.put(file);
        }
        Ok(self.scenario.exit)
    }

    async fn list(&mut self, most: usize) -> Result<Vec<WorkspaceEntry>, SandboxError> {
        self.begin(Verb::List, false)?;
        self.has_listed = true;
        if self.workspace.len() > most {
            return Err(SandboxError::ArtifactLimit(format!(
                "the workspace holds more than {most} entries"
            )));
        }
        Ok(self
            .workspace
            .iter()
            .map(|file| WorkspaceEntry {
                path: file.path.clone(),
                kind: file.kind,
                size: file.contents.len() as u64,
                mode: file.mode,
            })
            .collect())
    }

    async fn export(
        &mut self,
        _: u64,
        to: mpsc::Sender<io::Result<Bytes>>,
    ) -> Result<(), SandboxError> {
        self.begin(Verb::Export, false)?;
        let cache = std::mem::take(&mut self.scenario.cache);
        if !cache.is_empty() {
            let _ = to.send(Ok(cache.into())).await;
        }
        Ok(())
    }

    async fn collect(&mut self, paths: Vec<Vec<u8>>) -> Result<ByteStream, SandboxError> {
        self.begin(Verb::Collect, true)?;
        let mut tar = tar::Builder::new(Vec::new());
        for path in &paths {
            let listed = self.workspace.iter().find(|file| {
                file.path == *path && matches!(file.kind, EntryKind::File | EntryKind::Symlink)
            });
            let file = listed.filter(|_| self.has_listed).ok_or_else(|| {
                SandboxError::Engine(format!(
                    "{:?} was asked for but is not a listed file or symlink",
                    String::from_utf8_lossy(path)
                ))
            })?;
            pack(&mut tar, file).map_err(|error| SandboxError::Engine(error.to_string()))?;
        }
        let tar = tar.into_inner().map_err(|error| SandboxError::Engine(error.to_string()))?;
        self.note(|seen| seen.collected = paths);
        Ok(Box::pin(stream::iter([Ok(Bytes::from(tar))])))
    }

    async fn close(mut self: Box<Self>) -> Result<(), SandboxError> {
        self.begin(Verb::Close, true)
    }
}

impl Drop for ScriptedSession {
    fn drop(&mut self) {
        self.note(|seen| seen.gone = true);
    }
}

/// The entries below `src/`.
fn unpack(bytes: &[u8]) -> io::Result<Vec<Produced>> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(bytes).entries()? {
        let mut entry = entry?;
        let path = entry.path_bytes().into_owned();
        let path = path.strip_suffix(b"/").unwrap_or(&path);
        let Some(path) = path.strip_prefix(b"src/") else { continue };
        let path = path.to_vec();
        let (kind, mode) = (entry.header().entry_type(), entry.header().mode()? & 0o7777);
        let mut contents = Vec::new();
        let kind = if kind.is_file() {
            entry.read_to_end(&mut contents)?;
            EntryKind::File
        } else if kind.is_symlink() {
            contents = entry.link_name_bytes().unwrap_or_default().into_owned();
            EntryKind::Symlink
        } else if kind.is_dir() {
            EntryKind::Directory
        } else {
            EntryKind::Other
        };
        files.push(Produced { path, kind, mode, contents });
    }
    Ok(files)
}

fn pack(tar: &mut tar::Builder<Vec<u8>>, file: &Produced) -> io::Result<()> {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    let mut header = tar::Header::new_gnu();
    header.set_mode(file.mode);
    let path = OsStr::from_bytes(&file.path);
    if file.kind == EntryKind::Symlink {
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        return tar.append_link(&mut header, path, OsStr::from_bytes(&file.contents));
    }
    header.set_size(file.contents.len() as u64);
    tar.append_data(&mut header, path, file.contents.as_slice())
}

impl fmt::Debug for ScriptedSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedSandbox").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl fmt::Debug for ScriptedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedSession").field("number", &self.number).finish_non_exhaustive()
    }
}
