//! What scripted builds do, and the toolchains they do it with.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kiln::{
    agent::{PinnedToolchain, PortError, Toolchains, WithPackages},
    builder::ToolchainFacts,
    images::{Lacking, Made},
    model::{Cause, PackageName, Stream, ToolchainName},
    protocol::PresentToolchain,
    sandbox::{Act, Exit, ImageId, Produced, Scenario},
};

/// What the marks of every attempt carry.
pub(crate) const NONCE: &str = "00112233445566778899aabbccddeeff";

/// The first bytes of a position-independent ELF program.
pub(crate) const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0";

/// The images that an agent has: those of these toolchains.
#[derive(Clone, Debug)]
pub(crate) struct Shelf(pub Vec<ToolchainName>);

/// The image of a toolchain.
pub(crate) fn image(name: &ToolchainName) -> ImageId {
    ImageId(format!("sha256:{}", hex::encode(name.as_str())))
}

pub(crate) fn present(name: &ToolchainName) -> PresentToolchain {
    PresentToolchain {
        name: name.clone(),
        image: image(name).0,
        recipe_digest: "r".into(),
        compiler: format!("{name}.2"),
    }
}

#[async_trait]
impl Toolchains for Shelf {
    async fn present(&self) -> Result<Vec<PresentToolchain>, PortError> {
        Ok(self.0.iter().map(present).collect())
    }

    async fn resolve(&self, name: &ToolchainName) -> Result<PinnedToolchain, PortError> {
        if !self.0.contains(name) {
            let message = format!("the image of {name} is not on this machine");
            return Err(PortError { cause: Some(Cause::Image), message });
        }
        Ok(PinnedToolchain {
            image: image(name),
            recipe_digest: "r".into(),
            compiler: format!("{name}.2"),
            facts: ToolchainFacts { cc: "gcc".into(), ..ToolchainFacts::default() },
        })
    }

    async fn with_packages(
        &self,
        pinned: &PinnedToolchain,
        (_, packages): (&ToolchainName, &[PackageName]),
    ) -> Result<WithPackages, PortError> {
        Ok(WithPackages {
            pinned: pinned.clone(),
            installed: packages.iter().map(|package| format!("{package} 1.0")).collect(),
            made: Made::Now(Duration::ZERO),
            in_use: None,
        })
    }

    async fn lacks(&self, lacking: &Lacking<'_>) -> Result<String, PortError> {
        Ok(format!("{} is missing", lacking.wanted.name()))
    }
}

/// A mark on both streams.
pub(crate) fn mark(payload: &str) -> [Act; 2] {
    let bytes = Bytes::from(format!("\x1e{NONCE};{payload}\x1e"));
    [Act::Write(Stream::Stdout, bytes.clone()), Act::Write(Stream::Stderr, bytes)]
}

pub(crate) fn out(bytes: &[u8]) -> Act {
    Act::Write(Stream::Stdout, Bytes::copy_from_slice(bytes))
}

pub(crate) fn err(bytes: &[u8]) -> Act {
    Act::Write(Stream::Stderr, Bytes::copy_from_slice(bytes))
}

/// One step that does this and ends with this status.
pub(crate) fn one_step(acts: Vec<Act>, code: i64) -> Scenario {
    let mut all = mark("s;0").to_vec();
    all.extend(acts);
    all.extend(mark(&format!("e;0;{code}")));
    let exit = Exit { code, oom_killed: false, stopped: false, used: None };
    Scenario { acts: all, exit, ..Scenario::default() }
}

/// A build that says hello and makes a program.
pub(crate) fn hello() -> Scenario {
    let files = vec![Produced::file("app", 0o755, ELF)];
    Scenario { files, ..one_step(vec![out(b"cc -o app main.c\n")], 0) }
}

/// A build that goes on until it is stopped.
pub(crate) fn endless() -> Scenario {
    one_step(vec![out(b"begun\n"), Act::hang()], 0)
}
