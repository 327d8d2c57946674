//! A leg: the source into a fresh sandbox, the steps run, what they made kept.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::{Instrument as _, error_span};

use super::{
    caching::{CacheCounts, Cached},
    collect,
    context::Context,
    course::Course,
    excerpt, lacking, lines, packages,
    report::{Parts, millis},
    said,
    slot::{InUse, SessionSlot},
    tries,
    trouble::{Trouble, unless_stopped},
    upload,
};
use crate::{
    agent::{
        ports::{FetchedSource, Inspection, PinnedToolchain},
        verdict::Judged,
    },
    builder::{self, JobFacts},
    diagnostics::SourceTree,
    model::{ArtifactWhen, Cause, Environment, Limits, Recipe, ToolchainName},
    protocol::{SandboxView, StartReport},
    sandbox::{ByteStream, SessionSpec},
    source::Submodules,
};

/// What a session may need beyond the time of its steps: for the source, listing and artifacts.
const SESSION_MARGIN: Duration = Duration::from_mins(15);

/// What is to be built, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg<'a> {
    /// The toolchain.
    pub toolchain: &'a ToolchainName,
    /// The recipe, repository and submission merged.
    pub recipe: &'a Recipe,
    /// The bounds.
    pub limits: &'a Limits,
}

/// Builds, keeps what was made, and judges.
pub(super) async fn build(
    cx: &Context,
    leg: Leg<'_>,
    slot: &SessionSlot,
    parts: &mut Parts,
) -> Result<Judged, Trouble> {
    let ready =
        unless_stopped(cx, prepare(cx, leg, slot, parts).instrument(error_span!("prepare")))
            .await?;
    let Ready { mut session, pinned, source, found, mut course, mut env, cache } = ready;
    let place = (cx, leg, &found);
    let judged = loop {
        let run = tries::run(cx, &mut **session, course.next(leg, &env, cache.as_ref()), parts);
        let tried = run.instrument(error_span!("run")).await?;
        let more = unless_stopped(cx, course.goes_on(place, &mut **session, &tried)).await;
        if !matches!(more, Ok(true)) {
            let judged = lacking::explain(cx, (leg, &pinned, &found), &tried).await;
            let steps = course.next(leg, &env, None).steps;
            upload::diagnostics(cx, &said::report(steps, tried.told.diagnostics)).await;
            // A failure stays what it is, also where the workspace cannot be looked at any more.
            break course.judgment(judged, &found);
        }
        drop(session);
        let again = Again {
            pinned: &pinned,
            source: &*source,
            found: &found,
            course: &course,
            cache: cache.as_ref(),
        };
        (session, env) = unless_stopped(cx, again.prepare(cx, leg, slot)).await?;
    };
    if let Some(error) = parts.diagnostics.as_mut().and_then(|seen| seen.first_error.as_mut()) {
        excerpt::add(cx, &*source, &found, error).await;
    }

    let judged = lines::for_want_of(judged, &found.missing);
    if let Some(cache) = cache.as_ref().filter(|_| !cx.ending.is_stopped()) {
        let counts = CacheCounts { hits: parts.usage.cache_hits, misses: parts.usage.cache_misses };
        let keep = async {
            cache.keep(cx, &mut **session, counts).await;
            Ok(())
        };
        unless_stopped(cx, keep).await?;
    }

    let keeps = judged.is_success() || leg.recipe.artifacts.when == Some(ArtifactWhen::Always);
    if !keeps || cx.ending.is_stopped() {
        return Ok(judged);
    }
    let began = Instant::now();
    let order = collect::Order { leg, pinned: &pinned, found: &found };
    let keep = collect::keep(cx, &mut **session, order).instrument(error_span!("collect"));
    let kept = unless_stopped(cx, keep).await;
    parts.usage.collect_millis = millis(began.elapsed());
    match kept {
        Ok(kept) => {
            parts.artifacts = kept.summary;
            Ok(if judged.is_success() { kept.judged } else { judged })
        }
        // A build that failed stays what it is, whatever becomes of its leftovers.
        Err(Trouble::Ends(of_artifacts)) if !judged.is_success() => {
            cx.log.say(format!("Artifacts: {}", of_artifacts.message)).await;
            Ok(judged)
        }
        Err(trouble) => Err(trouble),
    }
}

/// What a run needs.
struct Ready {
    session: InUse,
    pinned: PinnedToolchain,
    source: Box<dyn FetchedSource>,
    found: Inspection,
    course: Course,
    env: Environment,
    cache: Option<Cached>,
}

/// Everything up to the run: the image, the source, the sandbox, the steps.
async fn prepare(
    cx: &Context,
    leg: Leg<'_>,
    slot: &SessionSlot,
    parts: &mut Parts,
) -> Result<Ready, Trouble> {
    let pinned = cx.deps.toolchains.resolve(leg.toolchain).await?;
    cx.log.say(lines::toolchain(leg.toolchain, &pinned)).await;
    let pinned = packages::provide(cx, leg, pinned, parts).await?;
    if let Some(line) = lines::limits(leg.limits) {
        cx.log.say(line).await;
    }
    // The sandbox is made while the source is fetched, and the server told of both meanwhile.
    let began = Instant::now();
    let cache = Cached::find(cx, leg.limits, &pinned);
    let spec = session_spec(cx, leg, &pinned, cache.as_ref());
    let mut view = sandbox_view(cx, &spec, &pinned);
    let open = async {
        let deps = Arc::clone(&cx.deps);
        let session = slot.open(async move { deps.sandbox.open(spec).await }).await?;
        Ok::<_, Trouble>((session, began.elapsed()))
    };
    let (opened, fetched, ()) =
        tokio::try_join!(open, fetch(cx, leg), report_start(cx, view.clone()))?;
    let (mut session, sandbox_time) = opened;
    let Fetched { source, tar, found, took } = fetched;
    parts.usage.sandbox_millis = millis(sandbox_time);
    parts.usage.source_millis = millis(took);

    let plan = builder::plan(&found.listing, leg.recipe, &pinned.facts)
        .map_err(|none| Trouble::new(Cause::RecipeInvalid, none.sentence))?;
    cx.log.say(&plan.first.reason).await;
    for line in lines::secrets(&cx.claimed.secrets, &plan.first.steps) {
        cx.log.say(line).await;
    }
    let tree = SourceTree::new(found.listing.files().map(str::to_owned));
    let course = Course::new(plan, tree);
    let env = course.environment(facts(leg, &pinned, &found), leg);
    view.environment.clone_from(&env.0);
    view.step_count = course.step_count();
    tokio::try_join!(load(cx, &mut session, tar, cache.as_ref()), report_start(cx, view))?;
    Ok(Ready { session, pinned, source, found, course, env, cache })
}

/// Another try at the same source.
struct Again<'a> {
    pinned: &'a PinnedToolchain,
    source: &'a dyn FetchedSource,
    found: &'a Inspection,
    course: &'a Course,
    cache: Option<&'a Cached>,
}

impl Again<'_> {
    /// A fresh session with the source in it, and the environment.
    async fn prepare(
        &self,
        cx: &Context,
        leg: Leg<'_>,
        slot: &SessionSlot,
    ) -> Result<(InUse, Environment), Trouble> {
        slot.close().await?;
        let env = self.course.environment(facts(leg, self.pinned, self.found), leg);
        let spec = session_spec(cx, leg, self.pinned, self.cache);
        let mut view = sandbox_view(cx, &spec, self.pinned);
        view.environment.clone_from(&env.0);
        view.step_count = self.course.step_count();
        let tar = self.source.tar(cx.ending.stopped()).await?;
        let deps = Arc::clone(&cx.deps);
        let mut session = slot.open(async move { deps.sandbox.open(spec).await }).await?;
        tokio::try_join!(load(cx, &mut session, tar, self.cache), report_start(cx, view))?;
        Ok((session, env))
    }
}

fn facts<'a>(leg: Leg<'a>, pinned: &'a PinnedToolchain, found: &Inspection) -> JobFacts<'a> {
    JobFacts { toolchain: &pinned.facts, limits: leg.limits, committed_at: found.info.committed_at }
}

/// Brings the source into a session, and the cache after it.
async fn load(
    cx: &Context,
    session: &mut InUse,
    source: ByteStream,
    cache: Option<&Cached>,
) -> Result<(), Trouble> {
    session.load(source).await?;
    if let Some(cache) = cache {
        cache.load(cx, &mut ***session).await?;
    }
    Ok(())
}

fn session_spec(
    cx: &Context,
    leg: Leg<'_>,
    pinned: &PinnedToolchain,
    cache: Option<&Cached>,
) -> SessionSpec {
    let wall = Duration::from_secs(u64::from(leg.limits.wall_seconds));
    SessionSpec {
        job: cx.claimed.job,
        attempt: cx.claimed.attempt,
        image: pinned.image.clone(),
        limits: leg.limits.clone(),
        // Also for the cache, which is unpacked by whom the source is.
        source_bytes: cx.deps.machine.source_bytes + cache.map_or(0, Cached::source_bytes),
        deadline: cx.deps.clock.now().plus(wall + SESSION_MARGIN),
    }
}

fn sandbox_view(cx: &Context, spec: &SessionSpec, pinned: &PinnedToolchain) -> SandboxView {
    SandboxView {
        image: pinned.image.0.clone(),
        recipe_digest: pinned.recipe_digest.clone(),
        compiler: pinned.compiler.clone(),
        profile: cx.deps.machine.profile.clone(),
        options: cx.deps.sandbox.by_hand(spec),
        ..SandboxView::default()
    }
}

async fn report_start(cx: &Context, sandbox: SandboxView) -> Result<(), Trouble> {
    let report = StartReport { sandbox };
    let heard = super::retry::until_heard(&cx.ending, || cx.client.start(&report)).await;
    match heard {
        None => Err(Trouble::Stopped),
        Some(answer) => Ok(answer?),
    }
}

/// Whoever gives the steps knows what they need; where steps are found, everything may be needed.
fn submodules(recipe: &Recipe) -> Submodules {
    match recipe.submodules {
        Some(true) => Submodules::Fetched,
        None if recipe.steps.is_empty() => Submodules::IfPossible,
        Some(false) | None => Submodules::LeftOut,
    }
}

/// The source, on its way.
struct Fetched {
    source: Box<dyn FetchedSource>,
    tar: ByteStream,
    found: Inspection,
    took: Duration,
}

/// Fetches and reads the source, and has its tar begun: what writes it starts while the sandbox is
/// still being made, and then waits for its reader.
async fn fetch(cx: &Context, leg: Leg<'_>) -> Result<Fetched, Trouble> {
    let began = Instant::now();
    let (source, stop) = (&cx.claimed.source, cx.ending.stopped());
    let submodules = submodules(leg.recipe);
    let mut fetched = super::fetch::fetch(cx, submodules).await?;
    let found = fetched.inspect(stop).await?;
    let took = began.elapsed();
    cx.log.say(lines::fetched(source, fetched.received(), took)).await;
    for line in lines::submodules(submodules, &found) {
        cx.log.say(line).await;
    }
    let given: Vec<&str> = leg.recipe.steps.iter().map(|step| step.run.as_str()).collect();
    if let Some(problem) = fetched.with_history(&given.join("\n"), stop).await? {
        cx.log.say(lines::history(&problem)).await;
    }
    let tar = fetched.tar(stop).await?;
    Ok(Fetched { source: fetched, tar, found, took })
}
