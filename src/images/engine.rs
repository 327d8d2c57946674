//! The connection to the engine, and what the rest of this module shares.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use bollard::Docker;

use super::{
    ImagesError,
    packages::{PackageImageBounds, PackageIndex, Stock},
    probe::Probed,
};
use crate::{model::ToolchainName, toolchain::Catalogue};

/// How long a call that only looks something up may take.
pub(super) const LOOK_DEADLINE: Duration = Duration::from_secs(20);
/// How long making one stage may take: downloads over a slow line, on a slow disk.
pub(super) const STAGE_DEADLINE: Duration = Duration::from_hours(1);

/// The toolchain images of one engine.
#[derive(Clone, Debug)]
pub struct Images {
    pub(super) docker: Docker,
    pub(super) catalogue: Arc<Catalogue>,
    /// What was seen in images that are not kiln's own: an id never changes its content, but each
    /// toolchain asks for its own compiler in it.
    pub(super) probed: Arc<Mutex<HashMap<(String, ToolchainName), Probed>>>,
    /// The package indexes that were read, by release, each with the id of its image.
    pub(super) indexes: Arc<Mutex<HashMap<String, (String, PackageIndex)>>>,
    /// The packages that are installed in an image, by its id.
    pub(super) installed: Arc<Mutex<HashMap<String, Arc<HashSet<String>>>>>,
    /// The images with packages that are being made or used.
    pub(super) stock: Arc<Stock>,
    /// How many of them are kept.
    pub(super) package_bounds: PackageImageBounds,
}

impl Images {
    /// Over a connection that is there already.
    pub fn new(docker: Docker, catalogue: Catalogue) -> Self {
        Self {
            docker,
            catalogue: Arc::new(catalogue),
            probed: Arc::default(),
            indexes: Arc::default(),
            installed: Arc::default(),
            stock: Arc::default(),
            package_bounds: PackageImageBounds::default(),
        }
    }

    /// Keeps no more images with packages than this.
    #[must_use]
    pub fn with_package_bounds(mut self, bounds: PackageImageBounds) -> Self {
        self.package_bounds = bounds;
        self
    }

    /// Connects to the engine that `DOCKER_HOST` names, or the local one.
    pub async fn connect(catalogue: Catalogue) -> Result<Self, ImagesError> {
        let no_engine = |error: bollard::errors::Error| ImagesError::NoEngine(error.to_string());
        let docker = Docker::connect_with_defaults().map_err(no_engine)?;
        // Rebound, as newer versions of the client change only what they return.
        let docker = tokio::time::timeout(LOOK_DEADLINE, docker.negotiate_version())
            .await
            .map_err(|_| ImagesError::NoEngine("it does not answer".to_owned()))?
            .map_err(no_engine)?;
        Ok(Self::new(docker, catalogue))
    }

    /// The toolchains that can be asked for.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}

/// A look-up with its deadline; none if there is no such thing.
pub(super) async fn look<T>(
    doing: &str,
    call: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> Result<Option<T>, ImagesError> {
    use bollard::errors::Error::DockerResponseServerError as Refused;
    match tokio::time::timeout(LOOK_DEADLINE, call).await {
        Err(_) => Err(ImagesError::engine(doing, "no answer in time")),
        Ok(Ok(value)) => Ok(Some(value)),
        Ok(Err(Refused { status_code: 404, .. })) => Ok(None),
        Ok(Err(error)) => Err(ImagesError::engine(doing, &error)),
    }
}
