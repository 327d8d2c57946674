//! The frame around one attempt: lease, isolation, cleaning up, log, report.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout};

use super::{
    context::{Context, spool_path},
    lease, leg, lines, plan,
    report::Parts,
    retry::until_heard,
    slot::SessionSlot,
    trouble::{Trouble, unless_stopped},
};
use crate::{
    agent::{
        backoff::Backoff,
        deps::Deps,
        ending::{Ending, StopReason},
        log::{Log, LogClosed, SpoolSettings},
        mask::Mask,
        verdict::{self, Judged},
    },
    client::{AgentClient, ClientError},
    model::{Cause, Limits, Verdict},
    protocol::{Claimed, FinishReport, Work},
};

/// How long a run that was told to stop may take to wind up before it is dropped where it stands:
/// its container is killed at once, this is for its last output. All other work is dropped at once.
const WIND_UP: Duration = Duration::from_secs(5);
/// How long an agent that ends waits for the server to take the rest of a log and the report.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Makes the attempt and reports it. Returns when nothing of it is left on this machine.
pub(in crate::agent) async fn supervise(
    deps: Arc<Deps>,
    client: AgentClient,
    claimed: Claimed,
    ending: Ending,
) {
    let began = Instant::now();
    let api = client.attempt(claimed.job, claimed.attempt);
    let spool = SpoolSettings {
        memory_bytes: deps.settings.log_memory_bytes,
        disk_bytes: deps.settings.log_disk_bytes,
        path: spool_path(&deps, &claimed, "log"),
    };
    let mask = Mask::new(claimed.secrets.given.iter().map(|secret| &secret.value));
    let clock = Arc::clone(&deps.clock);
    let (log, log_tasks) = Log::start(api.clone(), spool, (clock, mask.clone()), ending.clone());
    let lease = Duration::from_millis(claimed.lease_ms);
    let grace = Duration::from_secs(u64::from(deps.settings.lost_server_seconds));
    let cx = Context { deps, claimed: Arc::new(claimed), client: api.clone(), log, mask, ending };
    let keeper = lease::keep(api, (lease, grace), cx.ending.clone());
    let work = attempt(&cx, log_tasks, began);
    tokio::pin!(work);
    tokio::select! {
        () = &mut work => return,
        () = keeper => {}
    }
    // The lease is gone, and with it the ending: what is left is cleaning up.
    work.await;
}

async fn attempt(cx: &Context, log_tasks: LogClosed, began: Instant) {
    let slot = SessionSlot::default();
    let mut parts = Parts::default();
    let mut judged = guarded(cx, &slot, &mut parts).await;
    if let Some(mask) = &cx.mask {
        // Names of files are the build's, too.
        judged.message = mask.masked(&judged.message);
    }
    let close = async {
        if let Err(error) = slot.close().await {
            let (job, attempt) = (cx.claimed.job, cx.claimed.attempt);
            tracing::error!(
                job.id = %job, attempt, "a sandbox is left behind until the next sweep: {error}"
            );
        }
    };
    let tell = async {
        cx.log.say(lines::ended(&judged, began.elapsed())).await;
        let told = report(cx, log_tasks, parts, &judged);
        if cx.ending.reason() == Some(StopReason::AgentStops) {
            if timeout(LAST_WORDS, told).await.is_err() {
                tracing::warn!(job.id = %cx.claimed.job, "the server did not hear of the end");
            }
        } else {
            told.await;
        }
    };
    tokio::join!(close, tell);
    let outcome = judged.verdict.outcome();
    tracing::info!(
        job.id = %cx.claimed.job,
        attempt = cx.claimed.attempt,
        duration_ms = super::report::millis(began.elapsed()),
        "job ended: {outcome} {}", judged.message
    );
}

/// Does the work; whatever happens in it, there is a judgment.
async fn guarded(cx: &Context, slot: &SessionSlot, parts: &mut Parts) -> Judged {
    let stopped = async {
        cx.ending.stopped().cancelled().await;
        sleep(WIND_UP).await;
    };
    let result = tokio::select! {
        result = AssertUnwindSafe(work(cx, slot, parts)).catch_unwind() => result,
        () = stopped => Ok(Err(Trouble::Stopped)),
    };
    let judged = match result {
        Ok(Ok(judged) | Err(Trouble::Ends(judged))) => judged,
        Ok(Err(Trouble::Stopped)) => Judged::failed(Cause::Engine, "stopped for no known reason"),
        Err(panic) => {
            let what = panic_text(&*panic);
            tracing::error!(job.id = %cx.claimed.job, "a fault in the agent: {what}");
            return Judged::failed(Cause::Engine, format!("a fault in kiln's agent: {what}"));
        }
    };
    // What the agent did itself counts before everything that came of it.
    match (cx.ending.reason(), &cx.claimed.work) {
        (Some(reason), Work::Leg { limits, .. }) => verdict::stopped(reason, limits),
        (Some(reason), Work::Plan { .. }) => verdict::stopped(reason, &Limits::default()),
        (None, _) => judged,
    }
}

async fn work(cx: &Context, slot: &SessionSlot, parts: &mut Parts) -> Result<Judged, Trouble> {
    match &cx.claimed.work {
        Work::Plan { submission } => {
            unless_stopped(cx, plan::plan(cx, submission, parts)).await?;
            Ok(Judged::SUCCESS)
        }
        Work::Leg { toolchain, recipe, limits } => {
            leg::build(cx, leg::Leg { toolchain, recipe, limits }, slot, parts).await
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}

/// Sends the log to its end, then the report, until the server has both.
async fn report(cx: &Context, mut log_tasks: LogClosed, parts: Parts, judged: &Judged) {
    let log_end = cx.log.close().await;
    if !log_tasks.sent().await {
        return;
    }
    let report = parts.into_report(judged, log_end);
    match finish(cx, &report).await {
        None | Some(Ok(())) => {}
        Some(Err(error)) => {
            // The server does not take this report; it has to learn that the attempt is over.
            tracing::error!(job.id = %cx.claimed.job, "the server refuses a report: {error}");
            let message = format!("the server refused the agent's report: {error}");
            let plain = Judged { verdict: Verdict::Failed(Cause::Engine), message };
            let plain = Parts::default().into_report(&plain, log_end);
            if let Some(Err(error)) = finish(cx, &plain).await {
                tracing::error!(job.id = %cx.claimed.job, "the attempt is left to lapse: {error}");
            }
        }
    }
}

/// Says that the attempt is over; the whole log is there, so a server that misses some of it has
/// not looked at it yet.
async fn finish(cx: &Context, report: &FinishReport) -> Option<Result<(), ClientError>> {
    let mut backoff = Backoff::new();
    loop {
        let answer = until_heard(&cx.ending, || cx.client.finish(report)).await?;
        match answer {
            Err(error) if error.log_end().is_some() => {
                tracing::warn!(job.id = %cx.claimed.job, "the server waits for the log");
                tokio::select! {
                    () = cx.ending.gone().cancelled() => return None,
                    () = backoff.pause() => {}
                }
            }
            answer => return Some(answer),
        }
    }
}
