//! Building images: every stage that is not there, or was made from something else by now.
//!
//! Shared stages first, then each toolchain's own. Images that a new one takes the place of are
//! removed at the end, children before parents; one that a running job still uses stays, and so does
//! a release's base, because agents that run hold their workspaces with it.

use std::{collections::BTreeMap, time::Duration};

use bollard::query_parameters::{RemoveImageOptionsBuilder, TagImageOptionsBuilder};
use tokio::time::Instant;

use super::{
    BuildEvent, BuildStep, Images, ImagesError,
    apt::Apt,
    dockerfile::Build,
    engine::look,
    host,
    stage::{
        COMPILER_LABEL, Origin, RECIPE_LABEL, STAGE_LABEL, Stage, TOOLCHAIN_LABEL, base_image,
        index_stage, releases, root_image, shared_stages, toolchain_stage,
    },
};
use crate::{
    model::ToolchainName,
    toolchain::{ImageSource, Toolchain},
};

/// One run of `build`.
struct Run<'a> {
    images: &'a Images,
    fresh: bool,
    apt: Apt,
    progress: &'a mut (dyn FnMut(BuildEvent) + Send),
    replaced: Vec<String>,
}

impl Images {
    /// Makes the images of these toolchains, and the holder's. With `fresh`, makes everything again:
    /// that is how Debian's updates get in. A toolchain of the operator's own is pulled.
    pub async fn build(
        &self,
        names: &[ToolchainName],
        fresh: bool,
        progress: &mut (dyn FnMut(BuildEvent) + Send),
    ) -> Result<(), ImagesError> {
        let mut toolchains = Vec::new();
        for name in names {
            toolchains.push(self.catalogue.require(name)?);
        }
        let apt = host::apt().await?;
        let mut run = Run { images: self, fresh, apt, progress, replaced: Vec::new() };
        let result = run.all(&toolchains).await;
        let replaced = run.replaced;
        // What was made from a replaced image keeps it from being removed.
        if !replaced.is_empty() {
            self.remove_stale_packages().await?;
        }
        for id in replaced.iter().rev() {
            self.remove_replaced(id).await;
        }
        result
    }

    async fn remove_replaced(&self, id: &str) {
        let options = RemoveImageOptionsBuilder::new().build();
        let removed = look("remove an image", self.docker.remove_image(id, Some(options), None));
        if let Err(error) = removed.await {
            // In use, or tagged by someone else: not ours to force.
            tracing::debug!(image.id = id, error = %error, "a replaced image stays");
        }
    }
}

impl Run<'_> {
    async fn all(&mut self, toolchains: &[&Toolchain]) -> Result<(), ImagesError> {
        let holder = self.images.catalogue.holder_release();
        let mut origins = BTreeMap::new();
        for release in releases(toolchains.iter().copied(), holder) {
            let origin = self.root(&release).await?;
            let [base, tools] = shared_stages(&release, origin);
            self.ensure(&base, None).await?;
            let needs_tools = |toolchain: &&Toolchain| matches!(&toolchain.source, ImageSource::Recipe(recipe) if recipe.release == release);
            if toolchains.iter().any(needs_tools) {
                self.ensure(&tools, None).await?;
                self.ensure(&index_stage(&release, origin), None).await?;
            }
            origins.insert(release, origin);
        }
        for toolchain in toolchains {
            match &toolchain.source {
                ImageSource::Reference(reference) => self.pulled(reference).await?,
                ImageSource::Recipe(recipe) => {
                    let origin = origins[&recipe.release];
                    let stage = toolchain_stage(toolchain, recipe, origin);
                    self.ensure(&stage, Some(toolchain)).await?;
                }
            }
        }
        Ok(())
    }

    async fn root(&mut self, release: &str) -> Result<Origin, ImagesError> {
        let image = root_image(release);
        if let (false, Some(origin)) = (self.fresh, self.images.root_origin(release).await?) {
            self.report(&image, BuildStep::Current);
            return Ok(origin);
        }
        let began = self.begin(&image).await?;
        let progress = &mut *self.progress;
        let mut report = |step| progress(BuildEvent { image: image.clone(), step });
        let origin = self.images.make_root(release, &self.apt, &mut report).await?;
        self.done(&image, began);
        Ok(origin)
    }

    /// Makes a stage unless it is there and made from the same.
    async fn ensure(
        &mut self,
        stage: &Stage,
        toolchain: Option<&Toolchain>,
    ) -> Result<(), ImagesError> {
        let image = &stage.image;
        let labels = self.images.labels(image).await?.unwrap_or_default();
        let complete = toolchain.is_none() || labels.contains_key(COMPILER_LABEL);
        if !self.fresh && complete && labels.get(RECIPE_LABEL) == Some(&stage.recipe) {
            self.report(image, BuildStep::Current);
            return Ok(());
        }
        let began = self.begin(image).await?;
        let mut build = self.build_of(stage).await;
        match toolchain {
            None => self.run(&build, image).await?,
            Some(toolchain) => {
                // Under another name until it is known to work and what compiler is in it: an image
                // with the toolchain's name is always a complete one.
                build.image = format!("kiln/unproven:{}", toolchain.name.as_key());
                let made = self.run(&build, image).await;
                let proven = match made {
                    Ok(()) => self.prove(&build, image, toolchain).await,
                    Err(error) => Err(error),
                };
                self.images.remove_replaced(&build.image).await;
                proven?;
            }
        }
        self.done(image, began);
        Ok(())
    }

    async fn run(&mut self, build: &Build, image: &str) -> Result<(), ImagesError> {
        let progress = &mut *self.progress;
        let mut report = |step| progress(BuildEvent { image: image.to_owned(), step });
        self.images.build_dockerfile(build, &mut report).await.map(|_| ())
    }

    /// Asks the compiler for its version and writes it on the image.
    async fn prove(
        &mut self,
        build: &Build,
        image: &str,
        toolchain: &Toolchain,
    ) -> Result<(), ImagesError> {
        let id = self.images.id(&build.image).await?;
        let id = id.ok_or_else(|| ImagesError::engine("find what it built", &build.image))?;
        self.report(image, BuildStep::Step("asking the compiler for its version".to_owned()));
        let probed = self.images.probe(&id, toolchain).await?;
        probed.fit(toolchain)?;
        let labels = BTreeMap::from([(COMPILER_LABEL, probed.compiler)]);
        self.images.label(&id, image, labels).await
    }

    async fn build_of(&self, stage: &Stage) -> Build {
        let mut labels = BTreeMap::from([
            (STAGE_LABEL, stage.kind.to_owned()),
            (RECIPE_LABEL, stage.recipe.clone()),
        ]);
        labels.extend(stage.toolchain.iter().map(|name| (TOOLCHAIN_LABEL, name.to_string())));
        let mut files: Vec<(String, String)> =
            stage.files.iter().map(|(path, text)| (path.clone(), (*text).to_owned())).collect();
        if stage.kind == "base" {
            files.push(("apt/kiln.sources".to_owned(), self.apt.sources(&stage.release)));
            files.push(("apt/kiln.conf".to_owned(), self.apt.conf()));
            if self.apt.needs_certificates() {
                files.push(("apt/certificates.crt".to_owned(), host::certificates().await));
            }
        }
        let (argument, parent) = &stage.parent;
        let mut args = stage.args.clone();
        args.insert((*argument).to_owned(), parent.clone());
        args.extend(host::proxies());
        Build {
            image: stage.image.clone(),
            dockerfile: stage.dockerfile.to_owned(),
            files,
            args,
            labels,
            network: true,
            fresh: self.fresh,
        }
    }

    async fn pulled(&mut self, reference: &str) -> Result<(), ImagesError> {
        if !self.fresh && self.images.id(reference).await?.is_some() {
            self.report(reference, BuildStep::Current);
            return Ok(());
        }
        let began = Instant::now();
        self.report(reference, BuildStep::Started("pulling it".to_owned()));
        let progress = &mut *self.progress;
        let mut report = |step| progress(BuildEvent { image: reference.to_owned(), step });
        self.images.pull(reference, &mut report).await?;
        self.done(reference, began);
        Ok(())
    }

    /// Says that work on an image begins, and keeps in mind what it takes the place of.
    async fn begin(&mut self, image: &str) -> Result<Instant, ImagesError> {
        let old = self.images.id(image).await?;
        let why = match (&old, self.fresh) {
            (None, _) => "it is not there yet",
            (Some(_), true) => "making it again",
            (Some(_), false) => "what it is made from has changed",
        };
        match old {
            Some(old) if image.starts_with(&base_image("")) => self.keep_base(image, &old).await?,
            old => self.replaced.extend(old),
        }
        self.report(image, BuildStep::Started(why.to_owned()));
        Ok(Instant::now())
    }

    /// An agent that runs now makes its sandboxes with the base that was there when it started, so it
    /// gets another name, without which it would go together with what was built on it.
    async fn keep_base(&self, image: &str, old: &str) -> Result<(), ImagesError> {
        let (repo, release) = image.split_once(':').unwrap_or((image, ""));
        let id: String = old.trim_start_matches("sha256:").chars().take(12).collect();
        let tag = format!("{release}-replaced-{id}");
        let options = TagImageOptionsBuilder::new().repo(repo).tag(&tag).build();
        look("keep the base image", self.images.docker.tag_image(old, Some(options))).await?;
        Ok(())
    }

    fn done(&mut self, image: &str, began: Instant) {
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(image.name = image, duration_ms = millis, "image built");
        self.report(image, BuildStep::Done { took: Duration::from_millis(millis) });
    }

    fn report(&mut self, image: &str, step: BuildStep) {
        (self.progress)(BuildEvent { image: image.to_owned(), step });
    }
}
