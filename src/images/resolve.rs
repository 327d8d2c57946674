//! Pinning: from a toolchain's name to the one image that an attempt runs in.
//!
//! kiln's own images carry what is to be known of them in labels, written when they were proven.
//! Any other image is looked into once for each id.

use super::{
    Images, ImagesError,
    engine::look,
    probe::Probed,
    stage::{COMPILER_LABEL, RECIPE_LABEL, base_image},
};
use crate::{
    model::ToolchainName,
    sandbox::ImageId,
    toolchain::{ImageSource, Toolchain},
};

/// A toolchain's image, fixed for one attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PinnedImage {
    /// The image.
    pub id: ImageId,
    /// The digest of what it was made from; of an image of the operator's, the registry's digest or
    /// else its id.
    pub recipe: String,
    /// What the compiler says of its version.
    pub compiler: String,
    /// The toolchain.
    pub toolchain: Toolchain,
}

impl Images {
    /// The image of a toolchain, found fit for builds.
    pub async fn resolve(&self, name: &ToolchainName) -> Result<PinnedImage, ImagesError> {
        let toolchain = self.catalogue.require(name)?;
        let image = toolchain.image();
        let doing = format!("inspect {image}");
        let found = look(&doing, self.docker.inspect_image(&image)).await?;
        let (found, id) = found
            .and_then(|found| Some((found.clone(), found.id?)))
            .ok_or_else(|| ImagesError::Absent { name: name.clone(), image: image.clone() })?;
        let config = found.config.unwrap_or_default();
        let mut labels = config.labels.unwrap_or_default();
        if let (ImageSource::Recipe(_), Some(recipe), Some(compiler)) =
            (&toolchain.source, labels.remove(RECIPE_LABEL), labels.remove(COMPILER_LABEL))
        {
            return Ok(PinnedImage {
                id: ImageId(id),
                recipe,
                compiler,
                toolchain: toolchain.clone(),
            });
        }
        // A volume is a place on the host's disk without a bound, whatever the sandbox says.
        let volumes = config.volumes.unwrap_or_default();
        if !volumes.is_empty() {
            let problem = format!("it declares volumes ({})", volumes.join(", "));
            return Err(ImagesError::Unfit { name: name.clone(), image, problem });
        }
        let probed = self.probe_once(&id, toolchain).await?;
        probed.fit(toolchain)?;
        let recipe = found.repo_digests.and_then(|digests| digests.into_iter().next());
        Ok(PinnedImage {
            recipe: recipe.unwrap_or_else(|| id.clone()),
            id: ImageId(id),
            compiler: probed.compiler,
            toolchain: toolchain.clone(),
        })
    }

    /// The image of the holder container.
    pub async fn holder(&self) -> Result<ImageId, ImagesError> {
        let image = base_image(self.catalogue.holder_release());
        let id = self.id(&image).await?;
        id.map(ImageId).ok_or(ImagesError::NoHolder(image))
    }

    /// What is in an image, from memory if it was looked into before.
    pub(super) async fn probe_once(
        &self,
        id: &str,
        toolchain: &Toolchain,
    ) -> Result<Probed, ImagesError> {
        if let Some(probed) = self.seen(id, &toolchain.name) {
            return Ok(probed);
        }
        let probed = self.probe(id, toolchain).await?;
        let key = (id.to_owned(), toolchain.name.clone());
        self.probed.lock().expect("nothing panics with it").insert(key, probed.clone());
        Ok(probed)
    }

    /// What was seen in an image before.
    pub(super) fn seen(&self, id: &str, name: &ToolchainName) -> Option<Probed> {
        let probed = self.probed.lock().expect("nothing panics with it");
        probed.get(&(id.to_owned(), name.clone())).cloned()
    }
}
