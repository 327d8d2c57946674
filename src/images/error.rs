//! What can go wrong with images, and what to do about it.

use crate::{model::ToolchainName, toolchain::UnknownToolchain};

/// An image could not be built, found or used.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// No engine answers.
    #[error(
        "no container engine answers: {0}; start one (on Debian: apt-get install docker.io), or \
         name another with DOCKER_HOST"
    )]
    NoEngine(String),
    /// The engine refused, failed or did not answer in time.
    #[error("the container engine could not {doing}: {problem}")]
    Engine {
        /// What it was asked to do.
        doing: String,
        /// What it said.
        problem: String,
    },
    /// The name stands for nothing.
    #[error(transparent)]
    Unknown(#[from] UnknownToolchain),
    /// The image of a toolchain is not on this machine.
    #[error("the image of {name} ({image}) is not on this machine: run `kiln images build {name}`")]
    Absent {
        /// The toolchain.
        name: ToolchainName,
        /// Its image.
        image: String,
    },
    /// The machine does not say where Debian's packages are.
    #[error(
        "this machine's apt configuration names no mirror of Debian, and images are made from \
         Debian's packages: add one under /etc/apt/sources.list.d, or run `kiln images build` on a \
         Debian machine"
    )]
    NoMirror,
    /// What the machine says would put a password into images.
    #[error(
        "this machine's apt configuration has a user or password in {0}, which every image would \
         carry: make images with a mirror or proxy that needs none"
    )]
    Secret(&'static str),
    /// The holder's image is not on this machine.
    #[error(
        "kiln's own base image ({0}) is not on this machine: run `kiln images build`, which makes \
         it on the way"
    )]
    NoHolder(String),
    /// The image is there, and is not fit for builds.
    #[error("the image of {name} ({image}) cannot be used for builds: {problem}")]
    Unfit {
        /// The toolchain.
        name: ToolchainName,
        /// Its image.
        image: String,
        /// What it lacks or has too much.
        problem: String,
    },
    /// A stage's build failed.
    #[error("building {image} failed: {problem}\n{output}")]
    Build {
        /// What was being made.
        image: String,
        /// What the engine said.
        problem: String,
        /// The last lines of what the build wrote.
        output: String,
    },
    /// There is no registry, and no way to make a root file system either.
    #[error(
        "no image registry answers ({registry}), and mmdebstrap, which makes a base from Debian's \
         packages instead, is not installed: apt-get install mmdebstrap"
    )]
    NoBase {
        /// What the registry said.
        registry: String,
    },
    /// Making a root file system from packages failed.
    #[error("mmdebstrap could not make a minimal Debian {release}: {problem}")]
    Debootstrap {
        /// The release's code name.
        release: String,
        /// The last lines it wrote, or why it could not be started.
        problem: String,
    },
    /// The output could not be written.
    #[error("could not write the output: {0}")]
    Output(#[from] std::io::Error),
}

impl ImagesError {
    /// Wraps what the engine said about `doing`.
    pub(super) fn engine(doing: impl Into<String>, problem: &(impl ToString + ?Sized)) -> Self {
        Self::Engine { doing: doing.into(), problem: problem.to_string() }
    }
}
