//! The agent's life: register, claim while a worker is free, sweep, stop softly and then hard.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::bail;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    backoff::Backoff,
    deps::{Deps, random_nonce},
    register,
    status::{self, Pause, Skew},
    workers::{Alive, Workers},
};
use crate::{
    client::ClientError,
    model::ClaimId,
    protocol::{ClaimRequest, Claimed, PROTOCOL_VERSION, PresentToolchain},
};

/// How long a claim asks to wait; the server may answer earlier.
const CLAIM_WAIT: Duration = Duration::from_secs(30);

/// The same while the machine can take nothing: how soon it is looked at again.
const PAUSED_WAIT: Duration = Duration::from_secs(5);

/// Runs the agent until it is told to stop; then it takes no new jobs, gives those that run the
/// time the settings grant, ends the rest and cleans up.
///
/// # Errors
///
/// When the server does not want this agent, or its token cannot be kept.
pub async fn run(deps: Deps, stop: CancellationToken) -> anyhow::Result<()> {
    let deps = Arc::new(deps);
    let alive = Alive::default();
    let (present, toolchains) = watch::channel(Vec::new());
    // What there is must be known before the first claim, or that one would get nothing.
    let watching = {
        let deps = Arc::clone(&deps);
        async move { status::watch_toolchains(&deps, present).await }
    };
    let mut workers = Workers::new(Arc::clone(&deps), alive.clone());
    let residue = AtomicU64::new(0);
    let claiming = claim_loop(&deps, &mut workers, (toolchains, &residue), &stop);
    let result = tokio::select! {
        result = claiming => result,
        () = watching => Ok(()),
        () = sweep(&deps, &alive, &residue) => Ok(()),
    };
    let grace = Duration::from_secs(u64::from(deps.settings.grace_seconds));
    workers.stop(grace).await;
    result
}

async fn claim_loop(
    deps: &Deps,
    workers: &mut Workers,
    (mut toolchains, residue): (watch::Receiver<Vec<PresentToolchain>>, &AtomicU64),
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let process = random_nonce();
    let Some(mut client) = register::connect(deps, &process, stop).await? else { return Ok(()) };
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        _ = toolchains.changed() => {}
        // A machine without any toolchain can still plan.
        () = tokio::time::sleep(Duration::from_secs(2)) => {}
    }
    let mut backoff = Backoff::new();
    let mut id = ClaimId::new(deps.clock.now());
    let mut begins = true;
    let mut skew = Skew::default();
    let mut pause = Pause::default();
    loop {
        let (busy, has_room) = (workers.busy(), workers.has_room());
        let have = toolchains.borrow_and_update().clone();
        let mut status = status::status(deps, (busy, workers.promised()), have);
        status.clock_skew_seconds = skew.seconds;
        status.residue_swept = residue.load(Ordering::Relaxed);
        status.paused = pause.look(deps.admission.refusal());
        // Looked at again soon, and told when it is over.
        let wait = if status.paused.is_some() { PAUSED_WAIT } else { CLAIM_WAIT };
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let request = ClaimRequest {
            claim: id,
            wait_ms,
            status,
            protocol: PROTOCOL_VERSION,
            process: process.clone(),
            begins,
            takes_secrets: true,
        };
        // A claim that is given up for news of the machine, such as a disk that has filled, is repeated under the same id, so that
        // a job it was granted meanwhile is not lost.
        let claimed = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            () = workers.ended() => continue,
            changed = toolchains.changed(), if has_room => {
                if changed.is_err() {
                    return Ok(());
                }
                continue;
            }
            () = deps.admission.refused(), if has_room && request.status.paused.is_none() => continue,
            claimed = client.claim(&request), if has_room => claimed,
        };
        if let Some(theirs) = client.take_server_time() {
            skew.look(deps.clock.now(), theirs);
        }
        match claimed {
            Ok(claimed) => {
                backoff = Backoff::new();
                begins = false;
                id = ClaimId::new(deps.clock.now());
                if let Some(claimed) = claimed {
                    announce(&claimed);
                    workers.start(client.clone(), claimed);
                }
            }
            // Nothing that waiting would change: somebody has to do something.
            Err(error) if is_final(&error) => bail!("the server turns this agent away: {error}"),
            Err(error) if register::is_unknown(&error) => {
                tracing::warn!("the server does not know this agent any more: {error}");
                register::forget(deps);
                match register::connect(deps, &process, stop).await? {
                    Some(known) => client = known,
                    None => return Ok(()),
                }
            }
            Err(error) => {
                tracing::warn!("no job can be claimed: {error}");
                let again = async {
                    backoff.pause().await;
                    // What does not understand a claim may be another release by now.
                    if !error.is_transient() {
                        let _ = client.hello().await;
                    }
                };
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = again => {}
                }
            }
        }
    }
}

/// Whether an answer will be the same however often the claim is made.
fn is_final(error: &ClientError) -> bool {
    matches!(error.code(), Some("agent_replaced" | "agent_protocol"))
}

fn announce(claimed: &Claimed) {
    tracing::info!(
        job.id = %claimed.job,
        attempt = claimed.attempt,
        "claimed a job of {}", claimed.source
    );
}

/// Removes what earlier lives of this agent and crashed attempts left behind.
async fn sweep(deps: &Deps, alive: &Alive, residue: &AtomicU64) {
    let every = Duration::from_secs(u64::from(deps.settings.sweep_seconds.max(1)));
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match deps.sandbox.sweep(&alive.list()).await {
            Ok(swept) if swept.containers + swept.volumes > 0 => {
                residue.fetch_add((swept.containers + swept.volumes) as u64, Ordering::Relaxed);
                tracing::warn!(
                    "removed {} containers and {} volumes that were left behind",
                    swept.containers,
                    swept.volumes
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!("what is left behind cannot be removed: {error}"),
        }
    }
}
