//! The attached stdin, stdout and stderr of a container.
//!
//! Attached before the container is started, so that no byte is missed. Every read and write has a
//! deadline of its own: a stuck engine is an error, never a stuck worker.

use std::{fmt, io, pin::Pin, time::Duration};

use bollard::{Docker, container::LogOutput, query_parameters::AttachContainerOptionsBuilder};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::engine::Engine;
use crate::sandbox::SandboxError;

/// How long one read or write of the holder may take. Unpacking 50 000 files takes about 1 s and
/// blocks the next write for as long.
pub(super) const STALL: Duration = Duration::from_mins(1);

/// The last part of what went to stderr: for messages.
const COMPLAINT_BYTES: usize = 2_048;

type Frames = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

/// The three streams of a container.
pub(super) struct Pipe {
    pub(super) input: Input,
    pub(super) output: OutputFrames,
}

/// What goes into a container.
pub(super) struct Input(Pin<Box<dyn AsyncWrite + Send>>);

/// What comes out of it.
pub(super) struct OutputFrames {
    frames: Frames,
    unread: BytesMut,
    complaint: Vec<u8>,
}

impl Pipe {
    pub(super) async fn attach(engine: &Engine, name: &str) -> Result<Self, SandboxError> {
        let docker: &Docker = engine.docker();
        let options = AttachContainerOptionsBuilder::default()
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .stream(true)
            .build();
        let attached = engine.call("attach", docker.attach_container(name, Some(options))).await?;
        Ok(Self {
            input: Input(attached.input),
            output: OutputFrames {
                frames: attached.output,
                unread: BytesMut::new(),
                complaint: Vec::new(),
            },
        })
    }
}

impl Input {
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), SandboxError> {
        let written = timeout(STALL, async {
            self.0.write_all(bytes).await?;
            self.0.flush().await
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(lost(&error)),
            Err(_) => Err(stalled()),
        }
    }
}

impl OutputFrames {
    /// The next frame as it comes; none at the end.
    pub(super) async fn frame(&mut self) -> Option<io::Result<LogOutput>> {
        Some(self.frames.next().await?.map_err(io::Error::other))
    }

    /// The next bytes of stdout; none at the end. What goes to stderr is kept for messages.
    pub(super) async fn bytes(&mut self) -> Result<Option<Bytes>, SandboxError> {
        self.bytes_within(STALL).await
    }

    async fn bytes_within(&mut self, patience: Duration) -> Result<Option<Bytes>, SandboxError> {
        if !self.unread.is_empty() {
            return Ok(Some(self.unread.split().freeze()));
        }
        loop {
            match timeout(patience, self.frames.next()).await {
                Err(_) => return Err(stalled()),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(lost(&error)),
                Ok(Some(Ok(LogOutput::StdOut { message }))) => return Ok(Some(message)),
                Ok(Some(Ok(other))) => self.complain(&other.into_bytes()),
            }
        }
    }

    /// The bytes of stdout up to the next NUL, without it.
    pub(super) async fn record(&mut self, most: usize) -> Result<Bytes, SandboxError> {
        self.record_within(STALL, most).await
    }

    /// The same without a deadline: for a caller that waits for something else meanwhile.
    pub(super) async fn record_unhurried(&mut self, most: usize) -> Result<Bytes, SandboxError> {
        self.record_within(Duration::MAX, most).await
    }

    /// What was read and belongs to no whole record.
    pub(super) fn unread(&self) -> &[u8] {
        &self.unread
    }

    async fn record_within(
        &mut self,
        patience: Duration,
        most: usize,
    ) -> Result<Bytes, SandboxError> {
        let mut scanned = 0;
        loop {
            if let Some(found) = self.unread[scanned..].iter().position(|&byte| byte == 0) {
                let mut record = self.unread.split_to(scanned + found + 1);
                record.truncate(scanned + found);
                return Ok(record.freeze());
            }
            scanned = self.unread.len();
            if scanned > most {
                return Err(SandboxError::ArtifactLimit(format!("a record of over {most} bytes")));
            }
            let unread = self.unread.split();
            let next = self.bytes_within(patience).await;
            self.unread = unread;
            match next? {
                Some(bytes) => self.unread.extend_from_slice(&bytes),
                None => return Err(SandboxError::Engine(self.ended())),
            }
        }
    }

    /// A sentence for an end that came too early.
    pub(super) fn ended(&self) -> String {
        let complaint = String::from_utf8_lossy(&self.complaint);
        format!("the holder ended early: {:?}", complaint.trim())
    }

    fn complain(&mut self, bytes: &[u8]) {
        self.complaint.extend_from_slice(bytes);
        let excess = self.complaint.len().saturating_sub(COMPLAINT_BYTES);
        self.complaint.drain(..excess);
    }
}

fn lost(error: &dyn fmt::Display) -> SandboxError {
    SandboxError::Engine(format!("the connection to a container was lost: {error}"))
}

pub(super) fn stalled() -> SandboxError {
    SandboxError::Engine(format!("a container did not answer within {} s", STALL.as_secs()))
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe").finish_non_exhaustive()
    }
}
