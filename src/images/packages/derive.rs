//! From a toolchain's image and a set of packages to one image that has them.
//!
//! Its reference follows from the id of the toolchain's image and the names, so that a set is made
//! once for each, and again when the toolchain's image has become another. It is made without a
//! reference and gets it, with the versions that were installed, when everything is proven.

use std::{collections::BTreeMap, time::Duration};

use bollard::query_parameters::TagImageOptionsBuilder;
use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::{
    PackagesError,
    flight::Landed,
    installer::{self, Asked, Said},
    stock::{BASE_LABEL, FOR_LABEL, INSTALLED_LABEL, ImageInUse, NAMES_LABEL, PackagesRow, STAGE},
};
use crate::{
    images::{
        BuildStep, Images, ImagesError, PinnedImage,
        dockerfile::Build,
        engine::look,
        host,
        stage::{COMPILER_LABEL, RECIPE_LABEL, STAGE_LABEL, digest},
    },
    model::{PackageName, Timestamp},
    sandbox::ImageId,
    toolchain::{PackageTarget, Toolchain, file},
};

/// How long making one image may take: a large desktop's libraries over a slow line.
const DEADLINE: Duration = Duration::from_mins(20);
/// How often it is tried when somebody removes the image as soon as it is there.
const TRIES: usize = 3;

/// A toolchain's image with packages, fixed for one attempt.
#[derive(Debug)]
pub struct PackagedImage {
    /// The image.
    pub id: ImageId,
    /// The digest of what it was made from.
    pub recipe: String,
    /// What the compiler says of its version.
    pub compiler: String,
    /// Name and version of everything that was installed.
    pub installed: Vec<String>,
    /// How it came to be there.
    pub made: Made,
    /// Keeps it from being removed.
    pub in_use: ImageInUse,
}

/// How an image came to be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Made {
    /// It was made for this job, and others that waited for it, in this time.
    Now(Duration),
    /// It was there, made then.
    Before(Timestamp),
}

/// One image to be made.
#[derive(Clone, Debug)]
struct Order {
    image: String,
    base: String,
    recipe: String,
    packages: Vec<PackageName>,
    toolchain: Toolchain,
}

impl Images {
    /// The toolchain's image with these packages, made if it is not there. Dropping the future ends
    /// the making, unless somebody else waits for it.
    pub async fn with_packages(
        &self,
        pinned: &PinnedImage,
        packages: &[PackageName],
    ) -> Result<PackagedImage, PackagesError> {
        let order = Order::new(pinned, packages)?;
        for _ in 0..TRIES {
            let (id, made) = if let Some(row) = self.there(&order).await? {
                (row.image_id, Made::Before(row.created))
            } else {
                let make = || {
                    let (images, order) = (self.clone(), order.clone());
                    async move { images.make(&order).await }.boxed()
                };
                let flight = {
                    let mut flights = self.stock.flights.lock().expect("nothing panics with it");
                    flights.join(&order.image, make)
                };
                flight.await?
            };
            let in_use = self.stock.hold(&id);
            if !self.touch(&id, &order.image).await? {
                continue;
            }
            if let Made::Now(_) = made
                && let Err(error) = self.evict_packages().await
            {
                tracing::warn!("images with packages cannot be kept within bounds: {error}");
            }
            let labels = self.labels(&id).await?.unwrap_or_default();
            let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
            let installed = label(INSTALLED_LABEL).lines().map(str::to_owned).collect();
            let compiler = label(COMPILER_LABEL);
            let Order { recipe, .. } = order;
            return Ok(PackagedImage {
                id: ImageId(id),
                recipe,
                compiler,
                installed,
                made,
                in_use,
            });
        }
        Err(PackagesError::Engine(format!(
            "the image with the packages {} is removed as soon as it is there",
            installer::names(&order.packages)
        )))
    }

    async fn there(&self, order: &Order) -> Result<Option<PackagesRow>, ImagesError> {
        let mut rows = self.packaged().await?;
        rows.retain(|row| {
            row.is_complete && row.base == order.base && row.tags.contains(&order.image)
        });
        Ok(rows.pop())
    }

    /// Marks an image as used now; false if it is gone.
    async fn touch(&self, id: &str, image: &str) -> Result<bool, ImagesError> {
        let (repo, tag) = image.split_once(':').unwrap_or((image, "latest"));
        let options = TagImageOptionsBuilder::new().repo(repo).tag(tag).build();
        let doing = "mark an image as used";
        Ok(look(doing, self.docker.tag_image(id, Some(options))).await?.is_some())
    }

    async fn make(&self, order: &Order) -> Landed {
        let began = Instant::now();
        let names = installer::names(&order.packages);
        tracing::info!(
            image.name = order.image,
            "making an image of {} with {names}",
            order.toolchain.name
        );
        let making = tokio::time::timeout(DEADLINE, self.install(order));
        let (id, said) = making.await.map_err(|_| {
            let problem = format!("it took longer than {} min", DEADLINE.as_secs() / 60);
            PackagesError::Failed { packages: names, problem }
        })??;
        let in_use = self.stock.hold(&id);
        let probed = self.probe(&id, &order.toolchain).await?;
        probed.fit(&order.toolchain)?;
        let labels = BTreeMap::from([
            (INSTALLED_LABEL, said.installed.join("\n")),
            (COMPILER_LABEL, probed.compiler),
        ]);
        self.label(&id, &order.image, labels).await?;
        drop(in_use);
        let id = self.id(&order.image).await?;
        let id = id.ok_or_else(|| ImagesError::engine("find what it built", &order.image))?;
        let took = began.elapsed();
        tracing::info!(
            image.name = order.image,
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "an image with packages is made"
        );
        Ok((id, Made::Now(took)))
    }

    /// Builds; the id of what was built, and what the installer said. One step, so that nothing is left
    /// of one that fails.
    async fn install(&self, order: &Order) -> Result<(String, Said), PackagesError> {
        let architecture = match order.toolchain.package_target() {
            PackageTarget::Architecture(architecture) => architecture,
            PackageTarget::Native | PackageTarget::Windows | PackageTarget::Musl => "",
        };
        let step = installer::step(architecture, &order.packages);
        let names: Vec<&str> = order.packages.iter().map(PackageName::as_str).collect();
        let build = Build {
            dockerfile: format!("FROM {}\n{step}\n", order.base),
            args: host::proxies().into_iter().collect(),
            labels: BTreeMap::from([
                (STAGE_LABEL, STAGE.to_owned()),
                (RECIPE_LABEL, order.recipe.clone()),
                (BASE_LABEL, order.base.clone()),
                (NAMES_LABEL, names.join(" ")),
                (FOR_LABEL, order.toolchain.name.to_string()),
            ]),
            network: true,
            fresh: true,
            ..Build::default()
        };
        let mut said = Said::default();
        let mut report = |step| match step {
            BuildStep::Output(line) => said.take(&line),
            // A second try.
            BuildStep::Started(_) => said = Said::default(),
            _ => {}
        };
        match self.build_dockerfile(&build, &mut report).await {
            Ok(Some(id)) => Ok((id, said)),
            Ok(None) => Err(PackagesError::Engine("the engine names no image it built".to_owned())),
            Err(ImagesError::Build { problem, .. }) if said.is_empty() => {
                Err(PackagesError::Engine(problem))
            }
            Err(ImagesError::Build { .. }) => Err(self.explain(&said, order).await),
            Err(error) => Err(error.into()),
        }
    }

    async fn explain(&self, said: &Said, order: &Order) -> PackagesError {
        let release = order.toolchain.release();
        let asked = Asked {
            packages: &order.packages,
            toolchain: &order.toolchain.name,
            place: release.map_or_else(
                || "the image's Debian".to_owned(),
                |release| format!("Debian {release}"),
            ),
        };
        let index = match release {
            None => None,
            // Without an index there is just no advice.
            Some(release) => self.index(release).await.ok().flatten(),
        };
        let close = match (index, said.unknown().map(str::to_owned)) {
            (Some(index), Some(name)) => {
                let search = tokio::task::spawn_blocking(move || index.close_to(&name));
                search.await.unwrap_or_default()
            }
            _ => String::new(),
        };
        said.error(&asked, close)
    }
}

impl Order {
    fn new(pinned: &PinnedImage, packages: &[PackageName]) -> Result<Self, PackagesError> {
        let toolchain = &pinned.toolchain;
        let mut packages = packages.to_vec();
        packages.sort();
        packages.dedup();
        for package in &packages {
            if let Some(reason) = useless(toolchain.package_target(), package) {
                let (package, toolchain) = (package.clone(), toolchain.name.clone());
                return Err(PackagesError::Useless { package, toolchain, reason });
            }
        }
        let installer = file("install-packages.sh").expect("the catalogue has the installer");
        let mut parts = vec!["packages", installer, &pinned.recipe];
        parts.extend(packages.iter().map(PackageName::as_str));
        let recipe = digest(&parts);
        // Of one recipe there can be several images: each is the parent of its own.
        let key = digest(&[&pinned.id.0, &recipe]);
        Ok(Self {
            image: format!("kiln/packages:{}", &key[..32]),
            base: pinned.id.0.clone(),
            recipe,
            packages,
            toolchain: toolchain.clone(),
        })
    }
}

/// Why a package makes no sense for what a toolchain makes; none if it does. Programs that help a
/// build are of use everywhere.
fn useless(target: PackageTarget, package: &PackageName) -> Option<&'static str> {
    let name = package.name();
    let is_library = name.ends_with("-dev");
    match target {
        PackageTarget::Windows if is_library && !name.contains("mingw-w64") => Some(
            "it has libraries for Linux, this toolchain makes programs for Windows: only packages \
             with mingw-w64 in their names have libraries for it",
        ),
        PackageTarget::Musl if is_library && !name.starts_with("musl") => Some(
            "it has libraries for glibc, which do not fit programs with musl, and Debian has none \
             for musl: add the library's source to the project, or take another toolchain",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::Catalogue;

    fn order(toolchain: &str, id: &str, packages: &[&str]) -> Result<Order, PackagesError> {
        let catalogue = Catalogue::builtin();
        let pinned = PinnedImage {
            id: ImageId(id.to_owned()),
            recipe: "r".to_owned(),
            compiler: String::new(),
            toolchain: catalogue.get(&toolchain.parse().unwrap()).unwrap().clone(),
        };
        let packages: Vec<PackageName> =
            packages.iter().map(|name| name.parse().unwrap()).collect();
        Order::new(&pinned, &packages)
    }

    #[test]
    fn a_set_is_the_same_in_any_order_and_another_on_another_image() {
        let image = |id: &str, packages: &[&str]| order("gcc:14", id, packages).unwrap().image;
        let one = image("sha256:a", &["zlib1g-dev", "libuv1-dev"]);
        assert_eq!(one, image("sha256:a", &["libuv1-dev", "zlib1g-dev", "libuv1-dev"]));
        assert_ne!(one, image("sha256:b", &["zlib1g-dev", "libuv1-dev"]));
        assert_ne!(one, image("sha256:a", &["zlib1g-dev"]));
    }

    #[test]
    fn libraries_for_another_system_are_refused_with_the_reason() {
        for (toolchain, package, words) in [
            ("mingw64", "libevent-dev", "mingw-w64 in their names"),
            ("musl", "libevent-dev", "glibc"),
        ] {
            let error = order(toolchain, "a", &[package]).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
            assert!(!error.is_transient());
        }
        for (toolchain, package) in [
            ("mingw64", "libz-mingw-w64-dev"),
            ("mingw64", "protobuf-compiler"),
            ("musl", "gperf"),
            ("gcc-aarch64:14", "libevent-dev"),
        ] {
            assert!(order(toolchain, "a", &[package]).is_ok(), "{toolchain} {package}");
        }
    }
}
