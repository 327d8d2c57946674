//! A leg: the source into a fresh sandbox, the steps run, what they made kept.

use std::{convert::Infallible, future::pending, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{
    collect,
    context::Context,
    excerpt, lines,
    output::{self, Rules, Told},
    report::{Parts, diagnostics_view, millis},
    slot::{InUse, SessionSlot},
    trouble::{Trouble, unless_stopped},
};
use crate::{
    agent::{
        driver,
        ending::StopReason,
        ports::{FetchedSource, Inspection, PinnedToolchain},
        verdict::{self, FailedStep, Judged, Observed},
    },
    builder::{self, Choice, JobFacts},
    model::{ArtifactWhen, Cause, Environment, Limits, Recipe, Step, ToolchainName},
    protocol::{SandboxView, StartReport},
    sandbox::{ByteStream, Exit, SandboxError, Session, SessionSpec},
    source::Submodules,
};

/// Pieces of output between sandbox and reader: enough that neither waits for the other's turn.
const OUTPUT_CHANNEL: usize = 64;
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
    let ready = unless_stopped(cx, prepare(cx, leg, slot, parts)).await?;
    let Ready { mut session, pinned, source, found, choice, env } = ready;

    let began = Instant::now();
    let (exit, told) = run(cx, &mut **session, leg.limits, (&choice.steps, &env)).await?;
    let ran = began.elapsed();
    parts.usage.run_millis = millis(ran);
    fill_in(parts, &exit, &told);
    if let Some(error) = parts.diagnostics.as_mut().and_then(|seen| seen.first_error.as_mut()) {
        excerpt::add(cx, &*source, &found, error).await;
    }
    let failed = failed_step(&choice.steps, &told);
    let unexplained = failed.is_none() && verdict::is_killed(&exit) && !cx.ending.is_stopped();
    let judged = verdict::judge(&Observed {
        stopped: cx.ending.reason(),
        exit,
        failed,
        limits: leg.limits,
        ran,
        is_alone: unexplained && unless_stopped(cx, is_holding(&mut **session, leg)).await?,
    });
    if let Some(line) = verdict::warning(&exit, leg.limits) {
        cx.log.say(line).await;
    }

    let judged = lines::for_want_of(judged, &found.missing);

    let keeps = judged.is_success() || leg.recipe.artifacts.when == Some(ArtifactWhen::Always);
    if !keeps || cx.ending.is_stopped() {
        return Ok(judged);
    }
    let began = Instant::now();
    let order = collect::Order { leg, pinned: &pinned, found: &found };
    let kept = unless_stopped(cx, collect::keep(cx, &mut **session, order)).await;
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

/// Whether the session's other half still answers: then it was the build alone that was killed.
async fn is_holding(session: &mut dyn Session, leg: Leg<'_>) -> Result<bool, Trouble> {
    let most = usize::try_from(leg.limits.workspace_files).unwrap_or(usize::MAX);
    Ok(!matches!(session.list(most).await, Err(SandboxError::Engine(_))))
}

/// What a run needs.
struct Ready {
    session: InUse,
    pinned: PinnedToolchain,
    source: Box<dyn FetchedSource>,
    found: Inspection,
    choice: Choice,
    env: Environment,
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
    if let Some(line) = lines::limits(leg.limits) {
        cx.log.say(line).await;
    }
    // The sandbox is made while the source is fetched, and the server told of both meanwhile.
    let began = Instant::now();
    let spec = session_spec(cx, leg, &pinned);
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

    let choice = choose(cx, leg, &pinned, &found).await?;
    let facts = JobFacts {
        toolchain: &pinned.facts,
        limits: leg.limits,
        committed_at: found.info.committed_at,
    };
    let env = builder::environment(facts, &choice.env, &leg.recipe.env);
    view.environment.clone_from(&env.0);
    view.step_count = u32::try_from(choice.steps.len()).unwrap_or(u32::MAX);
    let load = async { Ok(session.load(tar).await?) };
    tokio::try_join!(load, report_start(cx, view))?;
    Ok(Ready { session, pinned, source, found, choice, env })
}

fn session_spec(cx: &Context, leg: Leg<'_>, pinned: &PinnedToolchain) -> SessionSpec {
    let wall = Duration::from_secs(u64::from(leg.limits.wall_seconds));
    SessionSpec {
        job: cx.claimed.job,
        attempt: cx.claimed.attempt,
        image: pinned.image.clone(),
        limits: leg.limits.clone(),
        source_bytes: cx.deps.machine.source_bytes,
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
        Some(false) => Submodules::LeftOut,
        None if recipe.steps.is_empty() => Submodules::IfPossible,
        None => Submodules::LeftOut,
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

async fn choose(
    cx: &Context,
    leg: Leg<'_>,
    pinned: &PinnedToolchain,
    found: &Inspection,
) -> Result<Choice, Trouble> {
    let plan = builder::plan(&found.listing, leg.recipe, &pinned.facts)
        .map_err(|none| Trouble::new(Cause::RecipeInvalid, none.sentence))?;
    let choice = plan.first;
    cx.log.say(&choice.reason).await;
    Ok(choice)
}

/// Runs the steps under the limits on time and output.
async fn run(
    cx: &Context,
    session: &mut dyn Session,
    limits: &Limits,
    (steps, env): (&[Step], &Environment),
) -> Result<(Exit, Told), Trouble> {
    let nonce = (cx.deps.nonce)();
    let script = driver::script(steps, env, &nonce)
        .map_err(|error| Trouble::new(Cause::RecipeInvalid, error.to_string()))?;
    let (sender, receiver) = mpsc::channel(OUTPUT_CHANNEL);
    let rules = Rules { nonce: &nonce, steps, limits };
    let both = async {
        tokio::join!(
            session.run(&script, sender, cx.ending.stopped().clone()),
            output::drain(receiver, rules, &cx.log, &cx.ending)
        )
    };
    let wall = async {
        sleep(Duration::from_secs(u64::from(limits.wall_seconds))).await;
        cx.ending.stop(StopReason::WallTime);
        pending::<Infallible>().await
    };
    let (exit, told) = tokio::select! {
        both = both => both,
        never = wall => match never {},
    };
    Ok((exit?, told))
}

fn fill_in(parts: &mut Parts, exit: &Exit, told: &Told) {
    let failed = told.failed.map(|(index, _)| index);
    parts.diagnostics = Some(diagnostics_view(&told.diagnostics, failed));
    // The build's own numbers are text; the engine's are better, where a run was long enough.
    let (peak, cpu) = told.used;
    parts.usage.peak_memory_bytes = exit.used.map_or(peak, |used| used.peak_memory_bytes);
    parts.usage.cpu_millis = exit.used.map_or(cpu / 1_000, |used| millis(used.cpu));
}

fn failed_step(steps: &[Step], told: &Told) -> Option<FailedStep> {
    let index = usize::from(told.failed?.0);
    let (step, said) = (steps.get(index)?, told.diagnostics.get(index)?);
    Some(FailedStep {
        name: step.name.clone(),
        cause: said.cause(step.kind),
        error: said.sentence(),
        bound: said.bound().map(crate::diagnostics::Symptom::cause),
    })
}
