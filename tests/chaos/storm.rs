//! The storm, and what has to be true after it.
#![expect(clippy::disallowed_methods, reason = "the rule is for the product; tests start programs")]

use std::{
    collections::HashMap,
    fmt::Write as _,
    process::{Child, Command},
    time::{Duration, Instant},
};

use kiln::{
    model::{JobId, Outcome, StateName},
    protocol::{Build, BuildState, LogQuery, SubmitBuild},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    farm::{AGENTS, Farm, LEASE_SECONDS, SERVERS},
    fault_proxy::Fault,
    support::repo::{Entry, Repo},
};

/// Builds of two jobs and a plan each.
const BUILDS: usize = 120;
/// How long things die.
const STORM: Duration = Duration::from_secs(45);
/// How long everything may take to end after it.
const CALM: Duration = Duration::from_mins(3);

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// One thing that goes wrong, and is put right.
async fn strike(farm: &mut Farm, random: &mut StdRng) -> String {
    match random.random_range(0..9) {
        0..=2 => {
            let number = random.random_range(0..SERVERS);
            let mut server = farm.servers[number].take().unwrap();
            signal(&server, "-KILL");
            server.wait().unwrap();
            farm.lead_to((number + 1) % SERVERS);
            tokio::time::sleep(Duration::from_millis(random.random_range(0..1500))).await;
            farm.start_server(number);
            format!("server {number} killed")
        }
        3..=4 => {
            let number = random.random_range(0..AGENTS);
            let mut agent = farm.agents[number].take().unwrap();
            signal(&agent, "-KILL");
            agent.wait().unwrap();
            tokio::time::sleep(Duration::from_millis(random.random_range(0..1500))).await;
            farm.start_agent(number);
            format!("agent {number} killed")
        }
        5 => {
            let number = random.random_range(0..AGENTS);
            let agent = farm.agents[number].as_ref().unwrap();
            signal(agent, "-STOP");
            tokio::time::sleep(Duration::from_secs(LEASE_SECONDS * 2)).await;
            signal(farm.agents[number].as_ref().unwrap(), "-CONT");
            format!("agent {number} stopped for two leases")
        }
        6 => {
            let hard = random.random_bool(0.5);
            if hard {
                farm.postgres.kill();
            } else {
                farm.postgres.stop();
            }
            tokio::time::sleep(Duration::from_millis(random.random_range(0..2000))).await;
            farm.postgres.start_again();
            "database restarted".to_owned()
        }
        7 => {
            let number = random.random_range(0..SERVERS);
            signal(farm.servers[number].as_ref().unwrap(), "-STOP");
            tokio::time::sleep(Duration::from_secs(LEASE_SECONDS + 2)).await;
            signal(farm.servers[number].as_ref().unwrap(), "-CONT");
            format!("server {number} stopped for longer than a lease")
        }
        _ => {
            let fault = match random.random_range(0..4) {
                0 => Fault::Errors(8),
                1 => Fault::CutAfter(2_000),
                2 => Fault::Slow(20_000),
                _ => Fault::Refuse,
            };
            farm.store.set(Fault::Refuse);
            farm.store.set(fault);
            tokio::time::sleep(Duration::from_secs(2)).await;
            farm.store.set(Fault::Pass);
            format!("object store: {fault:?}")
        }
    }
}

/// Submits until it is heard, as the command line does: the key makes sending it twice harmless.
async fn submit(rest: &kiln::client::Rest, request: &SubmitBuild) -> Build {
    let key = format!("{:032x}", rand::random::<u128>());
    let began = Instant::now();
    loop {
        match rest.submit(request, &key).await {
            Ok(build) => return build,
            Err(error) => {
                assert!(error.is_transient() && began.elapsed() < CALM, "{error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_is_done_twice() {
    let seed = std::env::var("KILN_TEST_CHAOS").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random::<u64>);
    let mut story = format!("KILN_TEST_CHAOS={seed}\n");
    print!("{story}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut farm = Farm::start().await;
    let repo = Repo::with([
        Entry::file("Makefile", "app: main.c\n\tcc -o app main.c\n"),
        Entry::file("main.c", "int main(void) { return 0; }\n"),
    ]);
    let request: SubmitBuild = serde_json::from_value(serde_json::json!({
        "source": {"git": {"url": repo.url()}}, "toolchains": ["gcc:14", "clang:19"]
    }))
    .unwrap();
    let rest = farm.rest();
    let submitting = tokio::spawn({
        let (rest, request) = (rest.clone(), request.clone());
        async move {
            let mut builds = Vec::new();
            for _ in 0..BUILDS {
                builds.push(submit(&rest, &request).await.id);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            builds
        }
    });
    let began = Instant::now();
    while began.elapsed() < STORM {
        let what = strike(&mut farm, &mut random).await;
        let _ = writeln!(story, "{:>5.1} s  {what}", began.elapsed().as_secs_f64());
        tokio::time::sleep(Duration::from_millis(random.random_range(300..1500))).await;
    }
    for number in 0..SERVERS {
        farm.until_ready(number).await;
    }
    let builds = submitting.await.unwrap();
    let calm = Instant::now();
    let mut open = builds.clone();
    while !open.is_empty() {
        assert!(
            calm.elapsed() < CALM,
            "{} builds do not end\n{story}\n{}",
            open.len(),
            farm.logs()
        );
        let mut left = Vec::new();
        for id in open {
            let build = rest.build(id).await;
            if !build.is_ok_and(|build| build.state == BuildState::Finished) {
                left.push(id);
            }
        }
        open = left;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    after(&farm, &rest, &builds, &story).await;
}

/// What has to be true of every job, and of what is left.
async fn after(
    farm: &Farm,
    rest: &kiln::client::Rest,
    builds: &[kiln::model::BuildId],
    story: &str,
) {
    let mut jobs = 0;
    let mut tried_again = 0;
    for id in builds {
        let build = rest.build(*id).await.unwrap();
        // A job that died three times may be an error; with this many lives that is not to happen
        // to more than a few.
        if build.outcome != Some(Outcome::Success) {
            let plan = rest.job(build.plan.id).await.unwrap();
            let lost = |job: &kiln::protocol::JobSummary| job.attempt == 3;
            let is_lost = plan.attempts.len() == 3 || build.jobs.iter().any(lost);
            assert!(is_lost, "{build:#?}\n{story}\n{}", farm.logs());
            continue;
        }
        assert_eq!(build.jobs.len(), 2, "{story}");
        for summary in &build.jobs {
            jobs += 1;
            let job = rest.job(summary.id).await.unwrap();
            assert_eq!(job.summary.state, StateName::Finished);
            tried_again += job.attempts.len() - 1;
            let successes = job
                .attempts
                .iter()
                .filter(|attempt| attempt.outcome == Some(Outcome::Success))
                .count();
            assert_eq!(successes, 1, "{job:#?}\n{story}");
            check_log(rest, job.summary.id, story).await;
            check_artifact(rest, job.summary.id, story).await;
            if jobs <= 4 {
                check_archive(rest, job.summary.id, story).await;
            }
        }
    }
    assert!(jobs >= BUILDS * 2 * 9 / 10, "only {jobs} jobs succeeded\n{story}");
    // Each job ended once, and the numbers of what was told have no hole.
    let ends = "SELECT COUNT(*) FROM (SELECT body::jsonb->>'job' FROM events \
                WHERE body::jsonb->>'event' = 'job' AND body::jsonb->>'state' = 'finished' \
                GROUP BY 1 HAVING COUNT(*) > 1) AS twice";
    assert_eq!(farm.postgres.psql(ends), "0", "{story}");
    let holes = "SELECT MAX(id) - MIN(id) + 1 - COUNT(*) FROM events";
    assert_eq!(farm.postgres.psql(holes), "0", "{story}");
    let running = "SELECT COUNT(*) FROM jobs WHERE state <> 'finished' OR lease_until IS NOT NULL";
    assert_eq!(farm.postgres.psql(running), "0", "{story}");
    // Logs of ended attempts move into the store, however often their servers died.
    let unsealed = "SELECT COUNT(*) FROM attempts WHERE NOT log_sealed";
    let began = Instant::now();
    while farm.postgres.psql(unsealed) != "0" {
        assert!(began.elapsed() < CALM, "logs stay in the database\n{story}\n{}", farm.logs());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(farm.postgres.psql("SELECT COUNT(*) FROM log_frames"), "0", "{story}");
    for number in 0..AGENTS {
        let spool = farm.folder.path().join(format!("agent-{number}/spool"));
        let left = std::fs::read_dir(spool).into_iter().flatten().count();
        assert_eq!(left, 0, "files wait in the spool of agent {number}\n{story}");
    }
    println!("{story}{jobs} jobs, {tried_again} attempts more than jobs");
}

/// The whole archive, which the server has clients fetch from the store itself.
async fn check_archive(rest: &kiln::client::Rest, job: JobId, story: &str) {
    use std::io::Read as _;
    let mut packed = Vec::new();
    rest.archive(job, &mut packed).await.unwrap();
    let mut tar = Vec::new();
    flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut tar).unwrap();
    let id = job.to_string();
    assert!(tar.windows(id.len()).any(|part| part == id.as_bytes()), "{story}");
}

/// Every line once, in order.
async fn check_log(rest: &kiln::client::Rest, job: JobId, story: &str) {
    let query = LogQuery { stream: Some(kiln::model::Stream::Stdout), ..LogQuery::default() };
    let mut log = Vec::new();
    rest.log(job, &query, &mut log).await.unwrap();
    let expected: String = (0..20).map(|line| format!("line {line} of {job}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&log), expected, "{story}");
}

/// The program has the job's id in it, and the digest that the manifest says.
async fn check_artifact(rest: &kiln::client::Rest, job: JobId, story: &str) {
    use sha2::{Digest as _, Sha256};
    let manifest = rest.manifest(job).await.unwrap();
    let files: HashMap<String, String> = manifest["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            let text = |key: &str| file[key].as_str().unwrap_or_default().to_owned();
            (text("path"), text("sha256"))
        })
        .collect();
    let path = format!("api/v1/jobs/{job}/artifacts/app");
    let request = rest.http().request(reqwest::Method::GET, &path);
    let bytes = rest.http().send(request).await.unwrap().bytes().await.unwrap();
    assert!(bytes.ends_with(job.to_string().as_bytes()), "{story}");
    assert_eq!(hex::encode(Sha256::digest(&bytes)), files["app"], "{story}");
}
