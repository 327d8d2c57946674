//! The machine's toolchains: images of its container engine, through `images`.

use async_trait::async_trait;

use super::ports::{PinnedToolchain, PortError, Toolchains, WithPackages};
use crate::{
    builder::ToolchainFacts,
    images::{Images, ImagesError, Lacking, PackagesError, PinnedImage},
    model::{Cause, PackageName, ToolchainName},
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

impl From<PackagesError> for PortError {
    fn from(error: PackagesError) -> Self {
        let cause = if error.is_transient() { Cause::Image } else { Cause::RecipeInvalid };
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

    async fn with_packages(
        &self,
        pinned: &PinnedToolchain,
        (name, packages): (&ToolchainName, &[PackageName]),
    ) -> Result<WithPackages, PortError> {
        let toolchain = self.catalogue().require(name).map_err(ImagesError::from)?.clone();
        let base = PinnedImage {
            id: pinned.image.clone(),
            recipe: pinned.recipe_digest.clone(),
            compiler: pinned.compiler.clone(),
            toolchain,
        };
        let image = Images::with_packages(self, &base, packages).await?;
        Ok(WithPackages {
            pinned: PinnedToolchain {
                image: image.id,
                recipe_digest: image.recipe,
                compiler: image.compiler,
                facts: pinned.facts.clone(),
            },
            installed: image.installed,
            made: image.made,
            in_use: Some(image.in_use),
        })
    }

    async fn lacks(&self, lacking: &Lacking<'_>) -> Result<String, PortError> {
        Ok(Images::lacks(self, lacking).await?.sentence)
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
