//! What an agent needs of the modules that fetch sources and hold images, and no more.
//!
//! Two implementations each: the machine's (`machine`), and scripted ones for the tests of
//! everything around them, which need neither git nor a container engine.

use std::fmt;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{
    builder::{Listing, ToolchainFacts},
    images::{ImageInUse, Lacking, Made},
    model::{Cause, CommitInfo, PackageName, ToolchainName},
    protocol::{ClaimedGit, PresentToolchain},
    sandbox::{ByteStream, ImageId},
    source::Submodules,
};

/// A port could not do its part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortError {
    /// The cause an attempt ends with; none if it was told to stop.
    pub cause: Option<Cause>,
    /// A sentence for people.
    pub message: String,
}

/// Where commits come from.
#[async_trait]
pub trait Sources: Send + Sync + fmt::Debug {
    /// Makes sure that the commit is on this machine.
    async fn fetch(
        &self,
        source: &ClaimedGit,
        submodules: Submodules,
        stop: &CancellationToken,
    ) -> Result<Box<dyn FetchedSource>, PortError>;
}

/// A commit that is on this machine.
#[async_trait]
pub trait FetchedSource: Send + Sync + fmt::Debug {
    /// What fetching took.
    fn received(&self) -> Received;

    /// Reads the commit and its tree.
    async fn inspect(&self, stop: &CancellationToken) -> Result<Inspection, PortError>;

    /// Has the tar come with a `.git` for the project's version scripts, and for `steps`, the
    /// commands that are given. Says what they will not find.
    async fn with_history(
        &mut self,
        steps: &str,
        stop: &CancellationToken,
    ) -> Result<Option<String>, PortError>;

    /// The content of one file of the tree: none if there is no such file, or if it is larger than
    /// what is worth reading for a few of its lines.
    async fn read_file(
        &self,
        path: &str,
        stop: &CancellationToken,
    ) -> Result<Option<Vec<u8>>, PortError>;

    /// The tree as a tar, its first entry `src/`.
    async fn tar(&self, stop: &CancellationToken) -> Result<ByteStream, PortError>;
}

/// What a fetch had to receive.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Received {
    /// Bytes received.
    pub bytes: u64,
    /// Whether everything was there already.
    pub from_cache: bool,
}

/// What is in a source.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// What the commit says of itself.
    pub info: CommitInfo,
    /// The tree, with the contents that the builder wants.
    pub listing: Listing,
    /// The text of `.kiln.toml`, if there is one; an error if it cannot be one.
    pub recipe_file: Result<Option<String>, PortError>,
    /// Submodules that are recorded and were not to be fetched, or have no URL.
    pub left_out: Vec<String>,
    /// Submodules that were to be fetched if possible and could not be: which and why.
    pub missing: Vec<String>,
}

/// The toolchain images of this machine.
#[async_trait]
pub trait Toolchains: Send + Sync + fmt::Debug {
    /// Those that are there.
    async fn present(&self) -> Result<Vec<PresentToolchain>, PortError>;

    /// What a name stands for now, pinned.
    async fn resolve(&self, name: &ToolchainName) -> Result<PinnedToolchain, PortError>;

    /// The same with these packages; made first if need be, unless this is dropped.
    async fn with_packages(
        &self,
        pinned: &PinnedToolchain,
        (name, packages): (&ToolchainName, &[PackageName]),
    ) -> Result<WithPackages, PortError>;

    /// What to say to somebody whose build lacks something.
    async fn lacks(&self, lacking: &Lacking<'_>) -> Result<String, PortError>;
}

/// A toolchain with packages, pinned for one attempt.
#[derive(Debug)]
pub struct WithPackages {
    /// The toolchain.
    pub pinned: PinnedToolchain,
    /// Name and version of everything that was installed.
    pub installed: Vec<String>,
    /// How its image came to be there.
    pub made: Made,
    /// Keeps the image from being removed.
    pub in_use: Option<ImageInUse>,
}

/// A toolchain, pinned for one attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PinnedToolchain {
    /// The image.
    pub image: ImageId,
    /// Digest of what it was made from; empty for an image kiln did not make.
    pub recipe_digest: String,
    /// The compiler's full version.
    pub compiler: String,
    /// What the builder has to know of it.
    pub facts: ToolchainFacts,
}
