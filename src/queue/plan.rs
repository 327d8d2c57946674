//! From a plan's report to the jobs of a build: one for each leg, in one transaction.

use super::{Queue, QueueError, change::Change};
use crate::{
    builder,
    model::{BuildId, JobId, Limits, Recipe, ToolchainName},
    protocol::{JobKind, PlanReport},
    store::{JobRow, NewJob},
};

/// What the jobs of a build are to be.
#[derive(Debug, PartialEq, Eq)]
struct Legs {
    recipe: Recipe,
    limits: Limits,
    toolchains: Vec<ToolchainName>,
    /// Whether the submission changed nothing of what the repository says.
    own_recipe: bool,
}

impl Queue {
    /// Writes the legs that follow from what the plan found; a sentence for people if the recipe
    /// does not allow it.
    pub(super) async fn make_legs(
        &self,
        change: &mut Change<'_>,
        plan: &JobRow,
        report: &PlanReport,
    ) -> Result<Result<(), String>, QueueError> {
        let build = plan.job.build;
        self.store.set_commit_info(&mut change.tx, build, &report.info).await?;
        let defaults = self.defaults_of(change, build).await?;
        let legs = match self.legs(defaults, plan.job.recipe.clone(), report) {
            Ok(legs) => legs,
            Err(sentence) => return Ok(Err(sentence)),
        };
        for (leg, toolchain) in legs.toolchains.iter().enumerate() {
            let job = NewJob {
                id: JobId::new(change.now),
                build,
                owner: plan.job.owner.clone(),
                kind: JobKind::Leg,
                toolchain: Some(toolchain.clone()),
                leg: u32::try_from(leg).unwrap_or(u32::MAX),
                recipe: legs.recipe.clone(),
                limits: legs.limits.clone(),
                own_recipe: legs.own_recipe,
                retry_of: None,
                queue: plan.job.queue.clone(),
                priority: plan.job.priority,
                created_at: change.now,
            };
            change.insert_job(&job).await?;
        }
        Ok(Ok(()))
    }

    /// What the project of a build says where nobody else says anything.
    async fn defaults_of(
        &self,
        change: &mut Change<'_>,
        build: BuildId,
    ) -> Result<Recipe, QueueError> {
        let build = self.store.build_in(&mut change.tx, build).await?;
        let Some(project) = build.and_then(|build| build.project) else {
            return Ok(Recipe::default());
        };
        let watch = self.store.watch_in(&mut change.tx, project).await?;
        Ok(watch.map(|row| row.rules.recipe()).unwrap_or_default())
    }

    fn legs(
        &self,
        defaults: Recipe,
        submission: Recipe,
        report: &PlanReport,
    ) -> Result<Legs, String> {
        let settings = &self.settings;
        let file = match &report.recipe_file {
            Some(text) => builder::parse(text.as_bytes()).map_err(|error| error.to_string())?,
            None => Recipe::default(),
        };
        // Toolchains do not change what a job does, only which jobs there are; labels only where.
        let what = Recipe { toolchains: Vec::new(), requires: Vec::new(), ..submission.clone() };
        let own_recipe = what == Recipe::default();
        let recipe = defaults.overridden_by(file).overridden_by(submission);
        recipe.validate().map_err(|error| error.to_string())?;
        if let Some(sentence) = settings.packages.refusal(&recipe.packages) {
            return Err(sentence);
        }
        if let (true, Some(sentence)) = (recipe.steps.is_empty(), &report.no_choice) {
            return Err(sentence.clone());
        }
        let limits = settings
            .limits
            .with(&recipe.limits, &settings.limits_maximum)
            .map_err(|error| error.to_string())?;
        let toolchains = if recipe.toolchains.is_empty() {
            settings.default_toolchains.clone()
        } else {
            recipe.toolchains.clone()
        };
        match settings.unknown_toolchain(&toolchains) {
            Some(sentence) => Err(sentence),
            None => Ok(Legs { recipe, limits, toolchains, own_recipe }),
        }
    }
}
