//! A plan: reads the commit and says what is in it; no sandbox.

use tokio::time::Instant;

use super::{
    context::Context,
    lines,
    report::{Parts, millis},
    trouble::Trouble,
};
use crate::{
    builder::{self, ToolchainFacts},
    model::Recipe,
    protocol::PlanReport,
    source::Submodules,
};

/// Fetches the commit and fills in the report of the plan.
pub(super) async fn plan(
    cx: &Context,
    submission: &Recipe,
    parts: &mut Parts,
) -> Result<(), Trouble> {
    let began = Instant::now();
    let source = &cx.claimed.source;
    // Submodules do not matter for the plan: none of them holds the recipe.
    let fetched = super::fetch::fetch(cx, Submodules::LeftOut).await?;
    let found = fetched.inspect(cx.ending.stopped()).await?;
    let took = began.elapsed();
    parts.usage.source_millis = millis(took);
    cx.log.say(lines::fetched(source, fetched.received(), took)).await;
    let recipe_file = found.recipe_file?;
    // A file that does not parse is the server's to refuse: it sees the text.
    let file = match recipe_file.as_deref().map(|text| builder::parse(text.as_bytes())) {
        Some(Ok(recipe)) => recipe,
        Some(Err(_)) | None => Recipe::default(),
    };
    let recipe = file.overridden_by(submission.clone());
    let planned = builder::plan(&found.listing, &recipe, &ToolchainFacts::default());
    match &planned {
        Ok(plan) => cx.log.say(&plan.first.reason).await,
        Err(none) => cx.log.say(&none.sentence).await,
    }
    parts.plan = Some(Box::new(PlanReport {
        info: found.info,
        recipe_file,
        no_choice: planned.err().map(|none| none.sentence),
    }));
    Ok(())
}
