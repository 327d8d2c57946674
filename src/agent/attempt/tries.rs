//! One try at building: the steps run in a session under the bounds, and how that ended.

use std::{convert::Infallible, future::pending, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{
    context::Context,
    leg::Leg,
    output::{self, Rules, Told},
    report::{Parts, diagnostics_view, millis},
    trouble::{Trouble, unless_stopped},
};
use crate::{
    agent::{
        driver,
        ending::StopReason,
        verdict::{self, FailedStep, Judged, Observed},
    },
    diagnostics::SourceTree,
    model::{Cause, Environment, Step},
    sandbox::{Exit, SandboxError, Script, Session},
};

/// Pieces of output between sandbox and reader: enough that neither waits for the other's turn.
const OUTPUT_CHANNEL: usize = 64;

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try<'a> {
    /// The leg.
    pub leg: Leg<'a>,
    /// The steps.
    pub steps: &'a [Step],
    /// Their environment.
    pub env: &'a Environment,
    /// The files of the source.
    pub tree: &'a SourceTree,
    /// The most that the compiler cache may have, where there is one.
    pub cache_bytes: Option<u64>,
    /// The number the first of them has in the log.
    pub first_step: u16,
    /// How long the tries before this one ran: all of them have one wall time.
    pub ran_before: Duration,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Tried {
    /// The judgment, if there is no other try.
    pub judged: Judged,
    /// How the container ended.
    pub exit: Exit,
    /// What its output told.
    pub told: Told,
    /// How long this and all tries before it ran.
    pub ran: Duration,
}

/// Runs the steps and judges; what it used is added to the report.
pub(super) async fn run(
    cx: &Context,
    session: &mut dyn Session,
    order: Try<'_>,
    parts: &mut Parts,
) -> Result<Tried, Trouble> {
    let began = Instant::now();
    let (exit, told) = run_steps(cx, session, order).await?;
    let ran = order.ran_before + began.elapsed();
    parts.usage.run_millis = millis(ran);
    fill_in(parts, &exit, &told);
    let failed = failed_step(order.steps, &told);
    let unexplained = failed.is_none() && verdict::is_killed(&exit) && !cx.ending.is_stopped();
    let judged = verdict::judge(&Observed {
        stopped: cx.ending.reason(),
        exit,
        failed,
        limits: order.leg.limits,
        ran,
        is_alone: unexplained && unless_stopped(cx, is_holding(session, order.leg)).await?,
    });
    if let Some(line) = verdict::warning(&exit, order.leg.limits) {
        cx.log.say(line).await;
    }
    Ok(Tried { judged, exit, told, ran })
}

/// Whether the session's other half still answers: then it was the build alone that was killed.
async fn is_holding(session: &mut dyn Session, leg: Leg<'_>) -> Result<bool, Trouble> {
    let most = usize::try_from(leg.limits.workspace_files).unwrap_or(usize::MAX);
    Ok(!matches!(session.list(most).await, Err(SandboxError::Engine(_))))
}

/// Runs the steps under the limits on time and output.
async fn run_steps(
    cx: &Context,
    session: &mut dyn Session,
    order: Try<'_>,
) -> Result<(Exit, Told), Trouble> {
    let (steps, limits) = (order.steps, order.leg.limits);
    let nonce = (cx.deps.nonce)();
    let secrets = &cx.claimed.secrets.given;
    let input = driver::input(secrets);
    let script = driver::script(steps, order.env, (secrets, order.cache_bytes), &nonce)
        .map_err(|error| Trouble::new(Cause::RecipeInvalid, error.to_string()))?;
    let (sender, receiver) = mpsc::channel(OUTPUT_CHANNEL);
    let (first_step, tree) = (order.first_step, order.tree);
    let script = Script { text: &script, input: &input };
    let mask = cx.mask.as_ref();
    let rules = Rules { nonce: &nonce, steps, first_step, limits, tree, mask };
    let both = async {
        tokio::join!(
            session.run(script, sender, cx.ending.stopped().clone()),
            output::drain(receiver, rules, &cx.log, &cx.ending)
        )
    };
    let wall = async {
        let all = Duration::from_secs(u64::from(limits.wall_seconds));
        sleep(all.saturating_sub(order.ran_before)).await;
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
    let peak = exit.used.map_or(peak, |used| used.peak_memory_bytes);
    parts.usage.peak_memory_bytes = parts.usage.peak_memory_bytes.max(peak);
    parts.usage.cache_hits += told.cache.hits;
    parts.usage.cache_misses += told.cache.misses;
    parts.usage.cpu_millis += exit.used.map_or(cpu / 1_000, |used| millis(used.cpu));
}

fn failed_step(steps: &[Step], told: &Told) -> Option<FailedStep> {
    let index = usize::from(told.failed?.0);
    let (step, said) = (steps.get(index)?, &told.diagnostics.get(index)?.summary);
    Some(FailedStep {
        name: step.name.clone(),
        cause: said.cause(step.kind),
        error: said.sentence(),
        bound: said.bound().map(crate::diagnostics::Symptom::cause),
        wants_network: told.wants_network,
    })
}
