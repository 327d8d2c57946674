//! What images this machine has: for agents to report, and for people to read.

use std::collections::HashMap;

use bollard::{models::ImageSummary, query_parameters::ListImagesOptionsBuilder};
use serde::Serialize;

use super::{
    Images, ImagesError, PackagesRow,
    engine::look,
    stage::{COMPILER_LABEL, Origin, RECIPE_LABEL, TOOLCHAIN_LABEL, toolchain_stage},
};
use crate::{
    model::{Timestamp, ToolchainName},
    toolchain::{ImageSource, Toolchain},
};

/// A toolchain whose image is on this machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PresentToolchain {
    /// The toolchain.
    pub name: ToolchainName,
    /// The image's id.
    pub image_id: String,
    /// The digest of what it was made from; none for an image of the operator's.
    pub recipe: Option<String>,
    /// What the compiler says of its version; none for an image that nobody has looked into yet.
    pub compiler: Option<String>,
    /// Whether this kiln would make it from the same today.
    pub current: bool,
    /// Size in bytes, with all that it shares with others.
    pub size: u64,
    /// When it was made.
    pub created: Timestamp,
}

/// A toolchain and whether it is there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ListedImage {
    /// The toolchain.
    pub name: ToolchainName,
    /// The reference of its image.
    pub image: String,
    /// Whether it is meant when a build names none.
    pub default: bool,
    /// What is there.
    pub present: Option<PresentToolchain>,
    /// The images with packages that were made for it, those used last first.
    pub packaged: Vec<PackagesRow>,
}

impl Images {
    /// The toolchains whose images are here: one call, and one more for each of the operator's own.
    pub async fn present(&self) -> Result<Vec<PresentToolchain>, ImagesError> {
        let filters = HashMap::from([("label", vec![TOOLCHAIN_LABEL])]);
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let images = look("list images", self.docker.list_images(Some(options))).await?;
        let images = images.unwrap_or_default();
        let mut present = Vec::new();
        for toolchain in self.catalogue.iter() {
            present.extend(match &toolchain.source {
                ImageSource::Recipe(_) => built(toolchain, &images),
                ImageSource::Reference(reference) => self.foreign(toolchain, reference).await?,
            });
        }
        Ok(present)
    }

    /// Every toolchain of the catalogue, with what is here, also with packages; looks into the operator's own images.
    pub async fn list(&self) -> Result<Vec<ListedImage>, ImagesError> {
        let mut present: HashMap<ToolchainName, PresentToolchain> =
            self.present().await?.into_iter().map(|row| (row.name.clone(), row)).collect();
        let packaged = self.packaged().await?;
        let mut list = Vec::new();
        for toolchain in self.catalogue.iter() {
            let mut row = present.remove(&toolchain.name);
            if let Some(row) = row.as_mut().filter(|row| row.compiler.is_none()) {
                let probed = self.probe_once(&row.image_id, toolchain).await;
                // An image that cannot even be asked is listed all the same.
                row.compiler = probed.ok().map(|probed| probed.compiler);
            }
            list.push(ListedImage {
                name: toolchain.name.clone(),
                image: toolchain.image(),
                default: self.catalogue.defaults().contains(&toolchain.name),
                present: row,
                packaged: packaged
                    .iter()
                    .filter(|image| image.toolchain == toolchain.name.as_str())
                    .cloned()
                    .collect(),
            });
        }
        Ok(list)
    }

    async fn foreign(
        &self,
        toolchain: &Toolchain,
        reference: &str,
    ) -> Result<Option<PresentToolchain>, ImagesError> {
        let doing = format!("inspect {reference}");
        let found = look(&doing, self.docker.inspect_image(reference)).await?;
        Ok(found.and_then(|found| {
            let image_id = found.id?;
            let created = found.created.and_then(|created| created.parse().ok());
            Some(PresentToolchain {
                name: toolchain.name.clone(),
                recipe: None,
                compiler: self.seen(&image_id, &toolchain.name).map(|probed| probed.compiler),
                image_id,
                current: true,
                size: found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                created: created.unwrap_or(Timestamp::from_millis(0)),
            })
        }))
    }
}

fn built(toolchain: &Toolchain, images: &[ImageSummary]) -> Option<PresentToolchain> {
    let reference = toolchain.image();
    let ImageSource::Recipe(recipe) = &toolchain.source else { return None };
    let found = images.iter().find(|image| image.repo_tags.contains(&reference))?;
    let label = |name: &str| found.labels.get(name).cloned();
    let made_from = label(RECIPE_LABEL);
    let current = [Origin::Registry, Origin::Packages]
        .into_iter()
        .any(|origin| made_from == Some(toolchain_stage(toolchain, recipe, origin).recipe));
    Some(PresentToolchain {
        name: toolchain.name.clone(),
        image_id: found.id.clone(),
        recipe: made_from,
        compiler: label(COMPILER_LABEL),
        current,
        size: u64::try_from(found.size).unwrap_or(0),
        created: Timestamp::from_millis(found.created.saturating_mul(1_000)),
    })
}
