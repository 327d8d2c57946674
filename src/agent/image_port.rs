//! The machine's toolchains: images of its container engine, through `images`.

use async_trait::async_trait;

use super::ports::{PinnedToolchain, PortError, Toolchains};
use crate::{
    builder::ToolchainFacts,
    images::{Images, ImagesError},
    model::{Cause, ToolchainName},
    protocol::PresentToolchain,
    toolchain::Toolchain,
};

impl From<ImagesError> for PortError {
    fn from(error: ImagesError) -> Self {
        let cause = match &error {
            ImagesError::NoEngine(_) | ImagesError::Engine { .. } => Cause::Engine,
            _ => Cause::Image,
        };
        Self { cause: Some(cause), message: error.to_string() }
    }
}

#[async_trait]
impl Toolchains for Images {
    async fn present(&self) -> Result<Vec<PresentToolchain>, PortError> {
        let present = Images::present(self).await?;
        let told = present.into_iter().map(|image| PresentToolchain {
            name: image.name,
            image: image.image_id,
            recipe_digest: image.recipe.unwrap_or_default(),
            compiler: image.compiler.unwrap_or_default(),
        });
        Ok(told.collect())
    }

    async fn resolve(&self, name: &ToolchainName) -> Result<PinnedToolchain, PortError> {
        let pinned = Images::resolve(self, name).await?;
        Ok(PinnedToolchain {
            image: pinned.id,
            recipe_digest: pinned.recipe,
            compiler: pinned.compiler,
            facts: facts(pinned.toolchain),
        })
    }
}

/// What the builder has to know; `CC` and `CXX` have places of their own there. A toolchain for C
/// alone has no C++ compiler, and nothing else must be taken for it.
fn facts(toolchain: Toolchain) -> ToolchainFacts {
    let mut env = toolchain.env;
    ToolchainFacts {
        cc: env.remove("CC").unwrap_or_else(|| "cc".to_owned()),
        cxx: env.remove("CXX").unwrap_or_default(),
        env,
        configure_host: toolchain.configure_host,
        cmake_args: toolchain.cmake_args,
        meson_args: toolchain.meson_args,
    }
}
