//! The two traits and the values that pass through them.
//!
//! A session goes through its verbs in order: `load` the source, `run` the script, `list` the
//! workspace, `collect` files, `close`. Time limits, silence and cancelling are the agent's: it
//! ends a run through the token. After `run` has returned no process of the user's is alive.

use std::{fmt, io, pin::Pin, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream as FuturesStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::SandboxError;
use crate::model::{JobId, Limits, Stream, Timestamp};

/// Bytes on their way in or out.
pub type ByteStream = Pin<Box<dyn FuturesStream<Item = io::Result<Bytes>> + Send>>;

/// The id of an image as the engine knows it (`sha256:…`), never a tag.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ImageId(pub String);

/// What one session is made for.
#[derive(Clone, Debug)]
pub struct SessionSpec {
    /// The job.
    pub job: JobId,
    /// The attempt's number.
    pub attempt: u32,
    /// The toolchain's image, pinned.
    pub image: ImageId,
    /// The bounds.
    pub limits: Limits,
    /// The bound on the source, in bytes: the source is charged to the holder.
    pub source_bytes: u64,
    /// Until when this session may exist at the very longest: others may sweep it afterwards.
    pub deadline: Timestamp,
}

/// Bytes that the build wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// The pipe: standard output or error.
    pub stream: Stream,
    /// The bytes, as they came.
    pub bytes: Bytes,
}

/// What a run does.
#[derive(Clone, Copy)]
pub struct Script<'a> {
    /// What `sh -c` runs.
    pub text: &'a str,
    /// What stands on its standard input, which has no end after it: nobody but the script knows how
    /// much is to be read. Without any, standard input is empty.
    pub input: &'a [u8],
}

impl<'a> From<&'a str> for Script<'a> {
    fn from(text: &'a str) -> Self {
        Self { text, input: &[] }
    }
}

impl fmt::Debug for Script<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("text", &self.text).finish_non_exhaustive()
    }
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exit {
    /// The exit status; 128 + the signal if one ended it.
    pub code: i64,
    /// Whether the kernel killed a process for memory, whatever the status says.
    pub oom_killed: bool,
    /// Whether this session killed it because the token said so.
    pub stopped: bool,
    /// What it used, if it ran long enough to be measured (about a second).
    pub used: Option<ResourceUse>,
}

/// What a run used, measured from outside about once a second: the last part of a second is not
/// in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ResourceUse {
    /// The most memory it held, in bytes, files in the workspace and /tmp included.
    pub peak_memory_bytes: u64,
    /// CPU time of all its processes.
    pub cpu: Duration,
}

/// One entry of the workspace's source folder, after the build.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkspaceEntry {
    /// Path relative to the source folder; hostile bytes.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
}

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A symlink.
    Symlink,
    /// A directory.
    Directory,
    /// A pipe, socket or device.
    Other,
}

/// What a sweep removed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Swept {
    /// Containers that were removed.
    pub containers: usize,
    /// Volumes that were removed.
    pub volumes: usize,
}

/// The isolation mechanism of a machine.
#[async_trait]
pub trait Sandbox: Send + Sync + fmt::Debug {
    /// A fresh session. When this fails, nothing of it is left.
    async fn open(&self, spec: SessionSpec) -> Result<Box<dyn Session>, SandboxError>;

    /// What `docker run` takes to make a container like the one of a session, one word each, as far
    /// as it can; nothing where there are no containers.
    fn by_hand(&self, spec: &SessionSpec) -> Vec<String>;

    /// Removes what this agent left behind, except what belongs to `alive` attempts.
    async fn sweep(&self, alive: &[(JobId, u32)]) -> Result<Swept, SandboxError>;
}

/// One live sandbox.
#[async_trait]
pub trait Session: Send + fmt::Debug {
    /// Unpacks a tar into the workspace: the source, whose first entry is `src/`, then maybe a compiler
    /// cache, whose entries lie in `cache/`. Before `run`.
    async fn load(&mut self, tar: ByteStream) -> Result<(), SandboxError>;

    /// Runs `script` in the source folder and sends what it writes to `output`, in
    /// order for each stream and completely, before it returns. A full channel holds the build up;
    /// only after a stop, what the reader does not take within half a second is given up.
    async fn run(
        &mut self,
        script: Script<'_>,
        output: mpsc::Sender<Output>,
        stop: CancellationToken,
    ) -> Result<Exit, SandboxError>;

    /// What lies in the source folder, symlinks not followed, in no particular order. More than
    /// `most` entries are an error, not a shorter list.
    async fn list(&mut self, most: usize) -> Result<Vec<WorkspaceEntry>, SandboxError>;

    /// The compiler cache as a tar, cut off at `most` bytes; nothing if there is none. It goes to `to`,
    /// whole before this returns. What comes is hostile input. After `run`.
    async fn export(
        &mut self,
        most: u64,
        to: mpsc::Sender<io::Result<Bytes>>,
    ) -> Result<(), SandboxError>;

    /// The named entries as a tar, in the order given: files and symlinks that `list` gave. What
    /// comes is hostile input. The last verb: at most once. An item that is an error means that the
    /// tar is not complete and counts for nothing.
    async fn collect(&mut self, paths: Vec<Vec<u8>>) -> Result<ByteStream, SandboxError>;

    /// Removes everything the session made. Dropping a session does the same in the background,
    /// but only this says whether it worked.
    async fn close(self: Box<Self>) -> Result<(), SandboxError>;
}
