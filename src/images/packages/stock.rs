//! The images with packages that are on this machine, and which of them this process uses now.
//!
//! When one was used last is the time it was tagged last: the engine keeps it, whoever tagged it, so
//! agents that share an engine agree on it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bollard::{models::ImageSummary, query_parameters::ListImagesOptionsBuilder};
use serde::Serialize;

use super::flight::Flights;
use crate::{
    images::{Images, ImagesError, engine::look, stage::STAGE_LABEL},
    model::Timestamp,
    toolchain::Toolchain,
};

/// The kind of stage of these images.
pub(super) const STAGE: &str = "packages";
/// The label with the id of the toolchain's image.
pub(super) const BASE_LABEL: &str = "kiln.packages.base";
/// The label with the names that were asked for.
pub(super) const NAMES_LABEL: &str = "kiln.packages.names";
/// The label with names and versions of what came with them; not there until all is done.
pub(super) const INSTALLED_LABEL: &str = "kiln.packages.installed";
/// The label with the toolchain's name.
pub(super) const FOR_LABEL: &str = "kiln.packages.toolchain";

/// How many images with packages a machine keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PackageImageBounds {
    /// How many.
    pub images: usize,
    /// The bytes they may have together, beside the toolchains they are made from.
    pub bytes: u64,
}

impl Default for PackageImageBounds {
    fn default() -> Self {
        Self { images: usize::MAX, bytes: u64::MAX }
    }
}

/// What is kept in mind about images with packages.
#[derive(Debug, Default)]
pub(in crate::images) struct Stock {
    pub(super) flights: Mutex<Flights>,
    used: Mutex<HashMap<String, usize>>,
}

/// An image that is not removed while this is there.
#[derive(Debug)]
pub struct ImageInUse {
    stock: Arc<Stock>,
    id: String,
}

/// An image with packages.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PackagesRow {
    /// The image's id.
    pub image_id: String,
    /// The id of the toolchain's image it was made from.
    pub base: String,
    /// The toolchain it was made for.
    pub toolchain: String,
    /// The packages that were asked for.
    pub packages: Vec<String>,
    /// Name and version of everything that was installed for them.
    pub installed: Vec<String>,
    /// Size in bytes beside the toolchain's image.
    pub size: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When a job used it last.
    pub used: Timestamp,
    /// Whether it is complete, and the toolchain's image still the one it was made from.
    pub current: bool,
    #[serde(skip)]
    pub(in crate::images) tags: Vec<String>,
    #[serde(skip)]
    pub(in crate::images) is_complete: bool,
}

impl Stock {
    /// Keeps an image from being removed by this process.
    pub(super) fn hold(self: &Arc<Self>, id: &str) -> ImageInUse {
        *self.used.lock().expect("nothing panics with it").entry(id.to_owned()).or_default() += 1;
        ImageInUse { stock: Arc::clone(self), id: id.to_owned() }
    }

    /// Whether this process uses an image now.
    pub(super) fn is_used(&self, id: &str) -> bool {
        self.used.lock().expect("nothing panics with it").contains_key(id)
    }
}

impl Drop for ImageInUse {
    fn drop(&mut self) {
        let mut used = self.stock.used.lock().expect("nothing panics with it");
        if let Some(count) = used.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                used.remove(&self.id);
            }
        }
    }
}

impl Images {
    /// The images with packages, those used last first.
    pub async fn packaged(&self) -> Result<Vec<PackagesRow>, ImagesError> {
        let options = ListImagesOptionsBuilder::new().build();
        let all = look("list images", self.docker.list_images(Some(options))).await?;
        let all = all.unwrap_or_default();
        let bases: Vec<String> = self.catalogue.iter().map(Toolchain::image).collect();
        let mut rows = Vec::new();
        for image in &all {
            if image.labels.get(STAGE_LABEL).map(String::as_str) == Some(STAGE) {
                let mut row = row(image, &all, &bases);
                let doing = format!("inspect {}", image.id);
                let found = look(&doing, self.docker.inspect_image(&image.id)).await?;
                let tagged = found.and_then(|found| found.metadata?.last_tag_time);
                let tagged = tagged.and_then(|time| time.parse::<Timestamp>().ok());
                row.used = tagged.filter(|time| *time > row.created).unwrap_or(row.created);
                rows.push(row);
            }
        }
        rows.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.image_id.cmp(&b.image_id)));
        Ok(rows)
    }
}

fn row(image: &ImageSummary, all: &[ImageSummary], toolchains: &[String]) -> PackagesRow {
    let label = |name: &str| image.labels.get(name).cloned().unwrap_or_default();
    let base = label(BASE_LABEL);
    let below = all.iter().find(|other| other.id == base);
    let is_toolchain =
        |other: &ImageSummary| other.repo_tags.iter().any(|it| toolchains.contains(it));
    let is_complete = image.labels.contains_key(INSTALLED_LABEL);
    let created = Timestamp::from_millis(image.created.saturating_mul(1_000));
    PackagesRow {
        image_id: image.id.clone(),
        toolchain: label(FOR_LABEL),
        packages: words(&label(NAMES_LABEL), ' '),
        installed: words(&label(INSTALLED_LABEL), '\n'),
        size: u64::try_from(image.size - below.map_or(0, |below| below.size)).unwrap_or(0),
        created,
        used: created,
        current: is_complete && below.is_some_and(is_toolchain),
        tags: image.repo_tags.iter().filter(|tag| *tag != "<none>:<none>").cloned().collect(),
        is_complete,
        base,
    }
}

fn words(text: &str, separator: char) -> Vec<String> {
    text.split(separator).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_in_use_until_the_last_user_is_gone() {
        let stock = Arc::new(Stock::default());
        let (one, two) = (stock.hold("a"), stock.hold("a"));
        drop(one);
        assert!(stock.is_used("a") && !stock.is_used("b"));
        drop(two);
        assert!(!stock.is_used("a"));
    }
}
