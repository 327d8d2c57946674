//! Keeps the images with packages within bounds: least recently used first out, never one in use.

use bollard::query_parameters::RemoveImageOptionsBuilder;

use super::stock::{PackageImageBounds, PackagesRow};
use crate::images::{Images, ImagesError, engine::look};

impl Images {
    /// Removes what is stale and what is beyond the bounds; the engine keeps what a container uses.
    pub async fn evict_packages(&self) -> Result<(), ImagesError> {
        let rows = self.packaged().await?;
        let used = |row: &PackagesRow| self.stock.is_used(&row.image_id);
        for row in surplus(&rows, self.package_bounds, used) {
            self.remove_packaged(row).await;
        }
        Ok(())
    }

    /// Removes the images with packages that no toolchain's image stands under any more.
    pub(in crate::images) async fn remove_stale_packages(&self) -> Result<(), ImagesError> {
        let rows = self.packaged().await?;
        let unbound = PackageImageBounds::default();
        for row in surplus(&rows, unbound, |row| self.stock.is_used(&row.image_id)) {
            self.remove_packaged(row).await;
        }
        Ok(())
    }

    async fn remove_packaged(&self, row: &PackagesRow) {
        let references = match row.tags.as_slice() {
            [] => std::slice::from_ref(&row.image_id),
            tags => tags,
        };
        for reference in references {
            let options = RemoveImageOptionsBuilder::new().build();
            let removing = self.docker.remove_image(reference, Some(options), None);
            match look("remove an image", removing).await {
                Ok(_) => {
                    tracing::info!(image.name = reference, "an image with packages is removed");
                }
                // A container of some agent's uses it.
                Err(error) => {
                    tracing::debug!(image.name = reference, error = %error, "an image stays");
                }
            }
        }
    }
}

/// Which of the images go, given in the order of their last use, the latest first. One that is not
/// complete may be in the making elsewhere; it is no longer, once nothing tags it.
fn surplus(
    rows: &[PackagesRow],
    bounds: PackageImageBounds,
    is_used: impl Fn(&PackagesRow) -> bool,
) -> Vec<&PackagesRow> {
    let (mut images, mut bytes) = (0_usize, 0_u64);
    let mut goes = Vec::new();
    for row in rows {
        let is_stale = row.tags.is_empty() || (row.is_complete && !row.current);
        images += 1;
        bytes = bytes.saturating_add(row.size);
        let is_beyond = row.is_complete && (images > bounds.images || bytes > bounds.bytes);
        if (is_stale || is_beyond) && !is_used(row) {
            images -= 1;
            bytes = bytes.saturating_sub(row.size);
            goes.push(row);
        }
    }
    goes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn row(id: &str, size: u64) -> PackagesRow {
        PackagesRow {
            image_id: id.to_owned(),
            base: "base".to_owned(),
            toolchain: "gcc:14".to_owned(),
            packages: Vec::new(),
            installed: Vec::new(),
            size,
            created: Timestamp::from_millis(0),
            used: Timestamp::from_millis(0),
            current: true,
            tags: vec![format!("kiln/packages:{id}")],
            is_complete: true,
        }
    }

    fn check(
        rows: &[PackagesRow],
        (images, bytes): (usize, u64),
        used: &[&str],
        expected: &[&str],
    ) {
        let bounds = PackageImageBounds { images, bytes };
        let goes = surplus(rows, bounds, |row| used.contains(&&*row.image_id));
        let ids: Vec<&str> = goes.iter().map(|row| row.image_id.as_str()).collect();
        assert_eq!(ids, expected);
    }

    #[test]
    fn the_least_recently_used_go_first_and_none_in_use() {
        let rows = [row("a", 10), row("b", 10), row("c", 10)];
        check(&rows, (3, 30), &[], &[]);
        check(&rows, (2, 30), &[], &["c"]);
        check(&rows, (0, 30), &["b"], &["a", "c"]);
        check(&rows, (3, 15), &[], &["b", "c"]);
        check(&rows, (1, 30), &["c", "b", "a"], &[]);
    }

    #[test]
    fn stale_ones_go_and_one_in_the_making_stays() {
        let old = PackagesRow { current: false, ..row("old", 1) };
        let making = PackagesRow { current: false, is_complete: false, ..row("making", 1) };
        let untagged = PackagesRow { tags: Vec::new(), ..row("untagged", 1) };
        check(&[old, making, untagged], (9, 9), &[], &["old", "untagged"]);
    }
}
