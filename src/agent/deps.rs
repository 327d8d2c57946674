//! What an agent is made of; whoever starts it puts this together.

use std::{path::PathBuf, sync::Arc};

use super::{
    admission::Admission,
    ccache::CompilerCache,
    ports::{Sources, Toolchains},
    uploads::UploadCache,
};
use crate::{
    config::AgentSettings,
    model::{Clock, Limits},
    protocol::Work,
    sandbox::Sandbox,
};

/// Everything an agent needs.
#[derive(Debug)]
pub struct Deps {
    /// Its settings.
    pub settings: AgentSettings,
    /// Where it keeps its token and what waits to be sent.
    pub directory: PathBuf,
    /// The enrollment token, needed only where no token of its own is kept.
    pub enrollment: Option<String>,
    /// The machine.
    pub machine: Machine,
    /// When the machine takes no more.
    pub admission: Admission,
    /// Where builds run.
    pub sandbox: Arc<dyn Sandbox>,
    /// Where commits come from; uploads come from the server.
    pub sources: Arc<dyn Sources>,
    /// Uploaded trees that were fetched.
    pub uploads: UploadCache,
    /// What compilers made before.
    pub ccache: CompilerCache,
    /// What builds can run in.
    pub toolchains: Arc<dyn Toolchains>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Makes what the marks of one attempt carry: [`random_nonce`], but in tests.
    pub nonce: fn() -> String,
}

/// The machine an agent runs on, as its engine says.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Machine {
    /// The agent's name.
    pub name: String,
    /// The processor architecture, such as `x86_64`.
    pub arch: String,
    /// Cores of the engine.
    pub cpus: u32,
    /// Memory of the engine in bytes.
    pub memory_bytes: u64,
    /// The engine and its version.
    pub engine: String,
    /// The isolation profile, such as `docker/standard`.
    pub profile: String,
    /// Size of a build's /dev/shm, which counts towards its memory.
    pub shm_bytes: u64,
    /// The most bytes a source may have.
    pub source_bytes: u64,
}

impl Deps {
    /// How many jobs run at one time.
    pub fn workers(&self) -> u32 {
        let Machine { cpus, memory_bytes, .. } = self.machine;
        self.settings.workers(cpus, memory_bytes, self.usual_memory())
    }

    /// The memory that the container of such a job may take.
    pub(super) fn memory_of(&self, work: &Work) -> u64 {
        match work {
            // No sandbox.
            Work::Plan { .. } => 0,
            Work::Leg { limits, .. } => limits.container_memory(self.machine.shm_bytes),
        }
    }

    /// Whether jobs that may take `taken` bytes leave room for a usual one. As many workers as
    /// somebody asked for always have room for usual jobs.
    pub(super) fn has_memory(&self, workers: u32, taken: u64) -> bool {
        fits(self.machine.memory_bytes, self.usual_memory(), (workers, taken))
    }

    /// What jobs that may take `taken` bytes leave of the memory, for the server: never more than the
    /// engine has, and never less than the workers that somebody asked for need.
    pub(super) fn free_memory(&self, workers: u32, taken: u64) -> u64 {
        left(self.machine.memory_bytes, self.usual_memory(), (workers, taken))
    }

    fn usual_memory(&self) -> u64 {
        Limits::default().container_memory(self.machine.shm_bytes)
    }
}

fn fits(memory: u64, job: u64, (workers, taken): (u32, u64)) -> bool {
    taken.saturating_add(job) <= memory.max(job.saturating_mul(workers.into()))
}

fn left(memory: u64, job: u64, (workers, taken): (u32, u64)) -> u64 {
    memory.max(job.saturating_mul(workers.into())).saturating_sub(taken).min(memory)
}

/// 128 random bits as text: no build can guess it.
pub fn random_nonce() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_jobs_take_the_room_of_several() {
        for (memory, workers, taken, expected) in [
            (8, 2, 3, true),
            (8, 2, 5, true),
            (8, 2, 6, false),
            (8, 4, 9, true),
            (8, 4, 10, false),
            (0, 2, 3, true),
            (8, 1, u64::MAX, false),
        ] {
            assert_eq!(fits(memory, 3, (workers, taken)), expected, "{memory} {workers} {taken}");
        }
    }

    #[test]
    fn what_is_left_carries_as_many_usual_jobs_as_somebody_asked_for() {
        for (memory, workers, taken, expected) in [
            (16, 2, 0, 16),
            (16, 2, 10, 6),
            (16, 2, 20, 0),
            // Four workers on a machine that carries two: the third and the fourth job come, too.
            (8, 4, 6, 6),
            (8, 4, 9, 3),
            (8, 4, 12, 0),
            (8, 4, 0, 8),
        ] {
            assert_eq!(left(memory, 3, (workers, taken)), expected, "{memory} {workers} {taken}");
        }
    }
}
