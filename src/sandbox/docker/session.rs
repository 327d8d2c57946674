//! One session: which verb may come when, and what is removed in the end.

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    build::{Build, Order},
    cleanup,
    holder::Holder,
    label::Key,
    open::Machine,
};
use crate::sandbox::{
    ByteStream, Exit, Output, SandboxError, Script, Session, SessionSpec, WorkspaceEntry,
};

/// A tar's header, its padding, and a long name's extra entry, for each file.
const TAR_BYTES_PER_ENTRY: u64 = 2_048;

/// A holder, a build, and the volume they share.
#[derive(Debug)]
pub(super) struct DockerSession {
    machine: Arc<Machine>,
    spec: SessionSpec,
    /// What has to be removed.
    pub(super) containers: Vec<String>,
    pub(super) volume: Option<String>,
    /// Taken by `collect`.
    pub(super) holder: Option<Holder>,
    /// Taken by `run`.
    pub(super) build: Option<Build>,
    /// Ends what still reads from the holder.
    closed: CancellationToken,
}

impl DockerSession {
    pub(super) fn new(machine: Arc<Machine>, spec: SessionSpec) -> Self {
        Self {
            machine,
            spec,
            containers: Vec::new(),
            volume: None,
            holder: None,
            build: None,
            closed: CancellationToken::new(),
        }
    }

    fn holder(&mut self, verb: &str) -> Result<&mut Holder, SandboxError> {
        self.holder.as_mut().ok_or_else(|| out_of_order(verb))
    }

    /// Takes everything away in a task that is tracked, so that it goes on if the caller does not.
    fn remove(&mut self) -> impl Future<Output = Result<(), SandboxError>> + use<> {
        // Streams first: the engine cannot remove a container whose reader is stuck.
        self.closed.cancel();
        self.holder = None;
        self.build = None;
        let (machine, key) = (Arc::clone(&self.machine), Key::of(&self.spec));
        let (containers, volume) = (std::mem::take(&mut self.containers), self.volume.take());
        async move {
            let removed = cleanup::remove(machine.engine.clone(), containers, volume).await;
            machine.forget(key);
            removed
        }
    }
}

#[async_trait]
impl Session for DockerSession {
    async fn load(&mut self, tar: ByteStream) -> Result<(), SandboxError> {
        let most = self
            .spec
            .source_bytes
            .saturating_add(self.spec.limits.workspace_files.saturating_mul(TAR_BYTES_PER_ENTRY));
        self.holder("load")?.load(tar, most).await
    }

    async fn run(
        &mut self,
        script: Script<'_>,
        output: mpsc::Sender<Output>,
        stop: CancellationToken,
    ) -> Result<Exit, SandboxError> {
        let build = self.build.take().ok_or_else(|| out_of_order("run"))?;
        let wall = Duration::from_secs(self.spec.limits.wall_seconds.into());
        build.run(Order { script, wall, output, stop }).await
    }

    async fn list(&mut self, most: usize) -> Result<Vec<WorkspaceEntry>, SandboxError> {
        self.holder("list")?.list(most).await
    }

    async fn export(
        &mut self,
        most: u64,
        to: mpsc::Sender<io::Result<Bytes>>,
    ) -> Result<(), SandboxError> {
        self.holder("export")?.export(most, &to).await
    }

    async fn collect(&mut self, paths: Vec<Vec<u8>>) -> Result<ByteStream, SandboxError> {
        let holder = self.holder.take().ok_or_else(|| out_of_order("collect"))?;
        holder.collect(&paths, self.closed.clone()).await
    }

    async fn close(mut self: Box<Self>) -> Result<(), SandboxError> {
        let removal = self.remove();
        let task = self.machine.tasks.spawn(removal.in_current_span());
        task.await.map_err(|error| SandboxError::Engine(error.to_string()))?
    }
}

impl Drop for DockerSession {
    fn drop(&mut self) {
        if self.closed.is_cancelled() {
            return;
        }
        let (removal, job) = (self.remove(), self.spec.job);
        // Without a runtime the process is ending; a sweep finds what is left by its labels.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.machine.tasks.spawn_on(
                async move {
                    if let Err(error) = removal.await {
                        tracing::error!(job.id = %job, %error, "a dropped session left something");
                    }
                },
                &runtime,
            );
        }
    }
}

fn out_of_order(verb: &str) -> SandboxError {
    SandboxError::Engine(format!("`{verb}` came twice or after the session's end"))
}
