//! Starts helper processes and holds them to their bounds, from the parent's side.
//!
//! A helper is killed when its deadline passes, when it is cancelled, and when whoever waits for it
//! goes away. What it writes is bounded, and how it died says what it died of.

use std::{
    fmt, io,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::wire::{Envelope, Failure, FailureKind, Reply, Request, TreeRequest};
use crate::source::{ByteStream, SourceError, error::foreign};

/// The hidden argument that makes this program a helper.
const ARGUMENT: &str = "source-helper";
/// The longest reply: 50 000 entries with long names fit many times.
const MAX_REPLY: u64 = 64 << 20;
/// What is kept of its standard error.
const MAX_STDERR: u64 = 16 << 10;
/// Bytes of a tar that are read at a time.
const CHUNK: usize = 256 << 10;
/// Signals that say which bound a helper died of.
const SIGABRT: i32 = 6;
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;

/// How helper processes are started.
#[derive(Clone, Debug)]
pub(in crate::source) struct Helper {
    pub(in crate::source) program: PathBuf,
    pub(in crate::source) memory_bytes: u64,
}

/// What one run of a helper may take.
#[derive(Clone, Debug)]
pub(in crate::source) struct Allowance<'a> {
    pub(in crate::source) time: Duration,
    /// The largest file it may write.
    pub(in crate::source) file_bytes: u64,
    pub(in crate::source) cancel: &'a CancellationToken,
}

impl Helper {
    /// Has a request done. A failure that the helper names comes back as `Reply::Failed`.
    pub(in crate::source) async fn call(
        &self,
        request: Request,
        allowance: Allowance<'_>,
    ) -> Result<Reply, SourceError> {
        let work = async {
            let mut running = self.start(request, &allowance).await?;
            let mut reply = Vec::new();
            (&mut running.stdout)
                .take(MAX_REPLY + 1)
                .read_to_end(&mut reply)
                .await
                .map_err(|error| SourceError::io("reading from the source helper", &error))?;
            if reply.len() as u64 > MAX_REPLY {
                let text = "the source's names are more than 64 MiB together";
                return Err(SourceError::TooLarge(text.to_owned()));
            }
            let (status, stderr) = running.end().await?;
            serde_json::from_slice(&reply).map_err(|_| died(status, &stderr))
        };
        tokio::select! {
            biased;
            () = allowance.cancel.cancelled() => Err(SourceError::Stopped),
            result = tokio::time::timeout(allowance.time, work) => {
                result.unwrap_or_else(|_| Err(timed_out(allowance.time)))
            }
        }
    }

    /// Streams a tree as a tar. `keep` lives as long as the stream: what the helper reads from.
    pub(in crate::source) async fn tar<K: Send + Sync + 'static>(
        &self,
        tree: TreeRequest,
        allowance: Allowance<'_>,
        keep: K,
    ) -> Result<ByteStream, SourceError> {
        let deadline = Instant::now() + allowance.time;
        let running = self.start(Request::Tar(tree), &allowance).await?;
        let cancel = allowance.cancel.clone();
        let (time, keep) = (allowance.time, (keep, cancel));
        let stream = stream::unfold(Some((running, keep)), move |state| async move {
            let (mut running, keep) = state?;
            let next = tokio::select! {
                biased;
                () = keep.1.cancelled() => Err(SourceError::Stopped),
                next = tokio::time::timeout_at(deadline, running.chunk()) => {
                    next.unwrap_or_else(|_| Err(timed_out(time)))
                }
            };
            match next {
                Ok(Some(bytes)) => Some((Ok(bytes), Some((running, keep)))),
                Ok(None) => None,
                Err(error) => Some((Err(io::Error::other(error)), None)),
            }
        });
        Ok(Box::pin(stream))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that starts a program: this same one, as a helper"
    )]
    async fn start(
        &self,
        request: Request,
        allowance: &Allowance<'_>,
    ) -> Result<Running, SourceError> {
        let envelope = Envelope {
            request,
            memory_bytes: self.memory_bytes,
            cpu_seconds: allowance.time.as_secs() + 1,
            file_bytes: allowance.file_bytes,
        };
        let text = serde_json::to_vec(&envelope)
            .map_err(|error| SourceError::Helper(format!("writing the request: {error}")))?;
        let mut child = Command::new(&self.program)
            .arg(ARGUMENT)
            .env_clear()
            .env("HOME", "/nonexistent")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| SourceError::io("starting the source helper", &error))?;
        let missing = || SourceError::Helper("the source helper has no pipes".to_owned());
        let mut stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let stderr = tokio::spawn(bounded(stderr));
        // A helper that dies before it has read everything says why on its own.
        let _ = stdin.write_all(&text).await;
        drop(stdin);
        Ok(Running { child, stdout, stderr })
    }
}

struct Running {
    child: Child,
    stdout: ChildStdout,
    stderr: JoinHandle<Vec<u8>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("child", &self.child.id()).finish_non_exhaustive()
    }
}

impl Running {
    /// The next bytes of a tar; none after the last, if the helper says that it was the last.
    async fn chunk(&mut self) -> Result<Option<Bytes>, SourceError> {
        let mut bytes = Vec::with_capacity(CHUNK);
        let read = (&mut self.stdout).take(CHUNK as u64).read_buf(&mut bytes).await;
        if read.map_err(|error| SourceError::io("reading from the source helper", &error))? > 0 {
            return Ok(Some(bytes.into()));
        }
        let (status, stderr) = self.end().await?;
        if status.success() {
            return Ok(None);
        }
        match serde_json::from_slice::<Failure>(&stderr) {
            Ok(failure) => Err(failure.into()),
            Err(_) => Err(died(status, &stderr)),
        }
    }

    async fn end(&mut self) -> Result<(ExitStatus, Vec<u8>), SourceError> {
        let status = self.child.wait().await;
        let status =
            status.map_err(|error| SourceError::io("waiting for the source helper", &error))?;
        Ok((status, (&mut self.stderr).await.unwrap_or_default()))
    }
}

/// The first bytes of a pipe; the rest is read and forgotten, so that the writer does not block.
async fn bounded(mut pipe: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kept = Vec::new();
    let _ = (&mut pipe).take(MAX_STDERR).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    kept
}

fn timed_out(time: Duration) -> SourceError {
    SourceError::Timeout(format!("the source took longer than {} s", time.as_secs()))
}

/// What a helper without an answer died of.
fn died(status: ExitStatus, stderr: &[u8]) -> SourceError {
    match status.signal() {
        Some(SIGABRT) => SourceError::TooLarge(
            "the source needs more memory than the helper process may use".to_owned(),
        ),
        Some(SIGXFSZ) => SourceError::TooLarge("fetching it takes more than it may".to_owned()),
        Some(SIGXCPU) => {
            SourceError::Timeout("the source took more processor time than it may".to_owned())
        }
        _ => {
            let said = foreign(&String::from_utf8_lossy(stderr));
            SourceError::Helper(format!(
                "the source helper ended without an answer ({status}) {said}"
            ))
        }
    }
}

impl From<Failure> for SourceError {
    fn from(failure: Failure) -> Self {
        let Failure { kind, text } = failure;
        match kind {
            FailureKind::UnknownRef => Self::UnknownRef(text),
            FailureKind::Unreachable => Self::Unreachable(text),
            FailureKind::TooLarge => Self::TooLarge(text),
            FailureKind::RefusedTree => Self::RefusedTree(text),
            FailureKind::Credentials => Self::Credentials(text),
            FailureKind::Corrupt | FailureKind::Internal => Self::Helper(text),
        }
    }
}
