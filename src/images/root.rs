//! The root file system of a Debian release: from an image registry where one answers, else from
//! Debian's packages, so that a whole farm can be built without any registry.
//!
//! Which of the two it was stays with the image: what is there is not made again because a registry
//! has come into reach meanwhile.

use std::{collections::BTreeMap, time::Duration};

use bollard::{body_try_stream, query_parameters::CreateImageOptionsBuilder};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::{
    BuildStep, Images, ImagesError,
    apt::Apt,
    engine::STAGE_DEADLINE,
    host,
    stage::{ORIGIN_LABEL, Origin, RECIPE_LABEL, STAGE_LABEL, root_image, root_recipe},
};

/// A registry that does not answer in this time is not one to wait for.
const REGISTRY_DEADLINE: Duration = Duration::from_secs(3);

impl Images {
    /// Where the root of a release came from; none if it is not there, or made in another way.
    pub(super) async fn root_origin(&self, release: &str) -> Result<Option<Origin>, ImagesError> {
        let labels = self.labels(&root_image(release)).await?.unwrap_or_default();
        let origin = labels.get(ORIGIN_LABEL).and_then(|origin| Origin::parse(origin));
        let current =
            |origin: &Origin| labels.get(RECIPE_LABEL) == Some(&root_recipe(release, *origin));
        Ok(origin.filter(current))
    }

    /// Makes the root of a release.
    pub(super) async fn make_root(
        &self,
        release: &str,
        apt: &Apt,
        report: &mut (dyn FnMut(BuildStep) + Send),
    ) -> Result<Origin, ImagesError> {
        let slim = format!("debian:{release}-slim");
        let registry = match self.pull_slim(&slim, report).await {
            Ok(()) => {
                tracing::info!(image.release = release, image.from = slim, "base from a registry");
                self.label_root(&slim, release, Origin::Registry).await?;
                return Ok(Origin::Registry);
            }
            Err(problem) => problem,
        };
        tracing::info!(
            image.release = release,
            image.mirror = apt.main,
            registry.problem = registry,
            "no image registry answers: base from Debian's packages"
        );
        if !host::has_mmdebstrap() {
            return Err(ImagesError::NoBase { registry });
        }
        report(BuildStep::Step(format!(
            "no image registry answers; making it from packages of {} with mmdebstrap",
            apt.main
        )));
        let id = self.import_root(release, apt).await?;
        self.label_root(&id, release, Origin::Packages).await?;
        Ok(Origin::Packages)
    }

    /// An image by its reference, from its registry.
    pub(super) async fn pull(
        &self,
        reference: &str,
        report: &mut (dyn FnMut(BuildStep) + Send),
    ) -> Result<(), ImagesError> {
        let doing = format!("pull {reference}");
        let options = CreateImageOptionsBuilder::new().from_image(reference);
        // Without a tag or digest the engine would pull every tag there is.
        let last = reference.rsplit('/').next().unwrap_or(reference);
        let options = if last.contains([':', '@']) { options } else { options.tag("latest") };
        let docker = self.docker.clone().with_timeout(STAGE_DEADLINE);
        let mut events = docker.create_image(Some(options.build()), None, None);
        let all = async {
            while let Some(event) = events.next().await {
                let event = event.map_err(|error| ImagesError::engine(&doing, &error))?;
                report(BuildStep::Output(event.status.unwrap_or_default()));
            }
            Ok(())
        };
        match tokio::time::timeout(STAGE_DEADLINE, all).await {
            Ok(result) => result,
            Err(_) => Err(ImagesError::engine(&doing, "it took too long")),
        }
    }

    /// An official image; or why not.
    async fn pull_slim(
        &self,
        slim: &str,
        report: &mut (dyn FnMut(BuildStep) + Send),
    ) -> Result<(), String> {
        let question = self.docker.inspect_registry_image(slim, None);
        match tokio::time::timeout(REGISTRY_DEADLINE, question).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(format!("no answer in {} s", REGISTRY_DEADLINE.as_secs())),
        }
        report(BuildStep::Step(format!("pulling {slim}")));
        self.pull(slim, report).await.map_err(|error| error.to_string())
    }

    /// Streams a root file system from mmdebstrap into the engine; the id of what came of it.
    async fn import_root(&self, release: &str, apt: &Apt) -> Result<String, ImagesError> {
        let doing = "import a root file system";
        let options = CreateImageOptionsBuilder::new().from_src("-").build();
        let debootstrap = host::mmdebstrap(release, apt)?;
        let docker = self.docker.clone().with_timeout(STAGE_DEADLINE);
        let body = body_try_stream(debootstrap.tar);
        let import = docker.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>();
        let imported = tokio::time::timeout(STAGE_DEADLINE, import).await;
        // mmdebstrap's own complaint says more than the engine's about a body that broke off.
        debootstrap.verdict.await.map_err(|error| ImagesError::engine(doing, &error))??;
        let events = imported
            .map_err(|_| ImagesError::engine(doing, "it took too long"))?
            .map_err(|error| ImagesError::engine(doing, &error))?;
        let id = events.into_iter().filter_map(|event| event.status).next_back();
        id.ok_or_else(|| ImagesError::engine(doing, "it gave no image id"))
    }

    async fn label_root(
        &self,
        from: &str,
        release: &str,
        origin: Origin,
    ) -> Result<(), ImagesError> {
        let labels = BTreeMap::from([
            (STAGE_LABEL, "root".to_owned()),
            (ORIGIN_LABEL, origin.name().to_owned()),
            (RECIPE_LABEL, root_recipe(release, origin)),
        ]);
        self.label(from, &root_image(release), labels).await
    }
}
