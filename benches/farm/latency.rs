//! One hello-world job, from the request to the stored artifact, against the same by hand.

use anyhow::Context as _;
use kiln::protocol::Job;
use serde_json::json;

use crate::{
    hand::{Flags, Hand},
    report::{self, Report},
    repository::Repository,
    samples::Samples,
    server::{Built, Kiln},
};

/// Turns; in each, everything runs once.
const TURNS: usize = 10;
/// The scenario, what compiles it, and what is kept of it.
pub(crate) const HELLO: (&str, &str, &str) = ("hello", "gcc -O2 -o hello hello.c", "hello");

/// Where the time of a job goes: names, and milliseconds in the order of the names.
const PHASES: [&str; 10] = [
    "POST answered",
    "plan waits",
    "plan",
    "job waits",
    "sandbox open",
    "source (beside it)",
    "load, start",
    "run",
    "collect",
    "the end told",
];

/// Measures in turns: by hand, kiln with a new commit, by hand hardened, kiln with one it has seen.
pub(crate) async fn measure(kiln: &Kiln, hand: &Hand, report: &mut Report) -> anyhow::Result<()> {
    let repository = Repository::of(HELLO.0).await?;
    hand.build(HELLO, Flags::Plain).await?;
    kiln.build(&repository, HELLO.1).await?;
    let mut samples: [Samples; 4] = Default::default();
    let mut phases: [Samples; PHASES.len()] = Default::default();
    for _ in 0..TURNS {
        let [plain, fresh, hardened, again] = &mut samples;
        plain.add(hand.build(HELLO, Flags::Plain).await?);
        repository.commit().await?;
        let built = kiln.build(&repository, HELLO.1).await?;
        fresh.add(built.total);
        let job = kiln.job(&built.build).await?;
        for (phase, millis) in phases.iter_mut().zip(split(&built, &job)?) {
            phase.add(std::time::Duration::from_millis(millis));
        }
        hardened.add(hand.build(HELLO, Flags::Hardened).await?);
        again.add(kiln.build(&repository, HELLO.1).await?.total);
    }
    let [plain, fresh, hardened, again] = &samples;
    report::title("One hello-world job, from the request to the stored artifact");
    report::by_hand("docker run --network none, tar cz", plain);
    report::beside("the same, hardened as kiln does", hardened, plain);
    report::beside("kiln, a new commit", fresh, plain);
    report::beside("kiln, a commit it has", again, plain);
    report::target("kiln, a new commit", fresh.median() / plain.median(), 2.5);
    report::note("Where kiln's time goes (medians, a new commit):");
    for (name, times) in PHASES.iter().zip(&phases) {
        report::note(&format!("  {name:<20} {:>5.0} ms", times.median() * 1e3));
    }
    let phases: serde_json::Map<_, _> = PHASES
        .iter()
        .zip(&phases)
        .map(|(name, times)| ((*name).to_owned(), json!(times.median())))
        .collect();
    report.record(
        "latency",
        json!({
            "by_hand": plain.json(), "by_hand_hardened": hardened.json(),
            "kiln": fresh.json(), "kiln_known_commit": again.json(),
            "ratio": fresh.median() / plain.median(),
            "ratio_to_hardened": fresh.median() / hardened.median(),
            "kiln_phases_s": phases,
        }),
    );
    Ok(())
}

fn split(built: &Built, job: &Job) -> anyhow::Result<[u64; PHASES.len()]> {
    let (plan, leg) = (&built.build.plan, &job.summary);
    let attempt = job.attempts.last().context("no attempt")?;
    let usage = attempt.usage.context("no usage")?;
    let step = attempt.steps.first().context("no step")?;
    let missing = "a job that has finished has its times";
    let [planned, plan_ended] = [plan.started_at, plan.finished_at];
    let [began, ended] = [leg.started_at, leg.finished_at];
    let (planned, plan_ended) = (planned.context(missing)?, plan_ended.context(missing)?);
    let (began, ended) = (began.context(missing)?, ended.context(missing)?);
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let ready = usage.sandbox_millis.max(usage.source_millis);
    let load = millis(step.started_at.since(began)).saturating_sub(ready);
    let all = millis(ended.since(began));
    Ok([
        millis(built.answered),
        millis(planned.since(plan.created_at)),
        millis(plan_ended.since(planned)),
        millis(began.since(leg.created_at)),
        usage.sandbox_millis,
        usage.source_millis,
        load,
        usage.run_millis,
        usage.collect_millis,
        all.saturating_sub(ready + load + usage.run_millis + usage.collect_millis),
    ])
}
