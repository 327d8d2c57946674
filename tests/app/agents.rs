//! Agents of other machines: how they come in, which jobs they get, and when they get none.

use std::time::Duration;

use kiln::{
    client::{AgentClient, ClientError},
    model::{Outcome, StateName, Verdict},
    protocol::{
        AgentView, ClaimRequest, HoldKind, LogEnd, NewEnrollment, PROTOCOL_VERSION, RegisterAnswer,
        RegisterRequest,
    },
};
use serde_json::{Value, json};

use crate::{
    farm::{Farm, Setup, gcc, project},
    program::{kiln, run},
    raw::{Raw, report},
    script::hello,
    wire::Ask,
};

fn register(name: &str, process: &str) -> RegisterRequest {
    RegisterRequest {
        name: name.to_owned(),
        protocol: PROTOCOL_VERSION,
        version: "1".to_owned(),
        process: process.to_owned(),
    }
}

async fn enter(
    farm: &Farm,
    token: &str,
    request: &RegisterRequest,
) -> Result<RegisterAnswer, ClientError> {
    AgentClient::new(&farm.url(), Some(token.to_owned())).unwrap().register(request).await
}

/// What refuses, and its sentence.
fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (String, String) {
    match answer.unwrap_err() {
        ClientError::Refused { body, .. } => (body.code, body.message),
        other => panic!("{other}"),
    }
}

async fn view(farm: &Farm, name: &str) -> AgentView {
    let agents = farm.rest.agents().await.unwrap().items;
    agents.into_iter().find(|agent| agent.name == name).unwrap()
}

#[tokio::test]
async fn an_enrollment_token_lets_in_as_many_as_it_says_and_no_more() {
    let farm = Farm::alone().await;
    let made = farm.rest.enroll(&NewEnrollment::default()).await.unwrap();
    let (one, token) = (register("one", "p1"), made.token.clone());
    let first = enter(&farm, &token, &one).await.unwrap();
    // The answer was lost: the same process asks again, and that is no second use.
    let again = enter(&farm, &token, &one).await.unwrap();
    assert_eq!(first.agent, again.agent);
    for other in [register("two", "p2"), register("one", "p2")] {
        let (code, sentence) = refusal(enter(&farm, &token, &other).await);
        assert_eq!(code, "enrollment_spent");
        assert!(sentence.contains("has been used") && sentence.contains("kiln agents enroll"));
    }
    let listed = farm.rest.enrollments().await.unwrap().items;
    let listed = listed.iter().find(|it| it.id == made.enrollment.id).unwrap();
    assert_eq!((listed.uses, listed.uses_allowed), (1, Some(1)));

    let many = NewEnrollment {
        unlimited: true,
        expires_in_seconds: Some(60),
        labels: ["team=a".parse().unwrap()].into(),
        name_prefix: "lab-".to_owned(),
        ..NewEnrollment::default()
    };
    let many = farm.rest.enroll(&many).await.unwrap();
    let (code, sentence) = refusal(enter(&farm, &many.token, &register("x", "")).await);
    assert!(code == "invalid" && sentence.contains("begin with \"lab-\""), "{code} {sentence}");
    for name in ["lab-1", "lab-2"] {
        enter(&farm, &many.token, &register(name, "")).await.unwrap();
        assert!(view(&farm, name).await.labels.contains(&"team=a".parse().unwrap()));
    }
    farm.time.advance(Duration::from_secs(61));
    let (_, sentence) = refusal(enter(&farm, &many.token, &register("lab-3", "")).await);
    assert!(sentence.contains("has expired"), "{sentence}");

    let taken = farm.rest.enroll(&NewEnrollment::default()).await.unwrap();
    farm.rest.revoke_enrollment(taken.enrollment.id).await.unwrap();
    let (_, sentence) = refusal(enter(&farm, &taken.token, &register("four", "")).await);
    assert!(sentence.contains("was taken back"), "{sentence}");
    let (code, _) = refusal(enter(&farm, "nobody", &register("five", "")).await);
    assert_eq!(code, "unauthorized");
    farm.end().await;
}

#[tokio::test]
async fn two_agents_cannot_have_one_name_and_two_processes_not_one_token() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "one").await;
    let claim = |process: &str, begins| ClaimRequest {
        process: process.to_owned(),
        begins,
        ..agent.request(Duration::ZERO)
    };
    agent.client.claim(&claim("p1", true)).await.unwrap();
    let (code, sentence) = refusal(enter(&farm, &farm.enrollment, &register("one", "other")).await);
    assert_eq!(code, "name_taken");
    assert!(sentence.contains("--name") && sentence.contains("kiln agents remove"), "{sentence}");
    // A copy of its directory on another machine: the one that began later is the agent.
    agent.client.claim(&claim("p2", true)).await.unwrap();
    for _ in 0..2 {
        let (code, sentence) = refusal(agent.client.claim(&claim("p1", false)).await);
        assert!(code == "agent_replaced" && sentence.contains("stop one of the two"), "{sentence}");
        agent.client.claim(&claim("p2", false)).await.unwrap();
    }
    // Once it is silent its name can be had, and it is the same agent then.
    farm.time.advance(Duration::from_secs(46));
    let taken = enter(&farm, &farm.enrollment, &register("one", "other")).await.unwrap();
    assert_eq!(taken.agent, agent.id);
    assert!(matches!(
        agent.client.claim(&claim("p2", false)).await,
        Err(ClientError::Refused { status: 401, .. })
    ));
    farm.end().await;
}

/// An agent with these labels and this memory.
fn fits(agent: &Raw, labels: &[&str], memory_bytes: u64) -> ClaimRequest {
    let mut request = agent.request(Duration::ZERO);
    request.status.labels = labels.iter().map(|label| label.parse().unwrap()).collect();
    request.status.memory_bytes = memory_bytes;
    request
}

#[tokio::test]
async fn jobs_go_only_to_agents_that_fit() {
    const GIB: u64 = 1 << 30;
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "one").await;
    let with = |labels: &[&str], memory| {
        let request = fits(&agent, labels, memory);
        let client = agent.client.clone();
        async move { client.claim(&request).await.unwrap() }
    };
    let build = farm
        .submit_raw(json!({"toolchains": ["gcc:14"], "requires": ["gpu", "arch=aarch64"],
            "limits": {"memory_bytes": 4 * GIB}}))
        .await;
    // The plan needs the labels, too: its source may be where only such an agent reaches it.
    assert!(with(&["gpu"], 64 * GIB).await.is_none());
    let message = farm.build(build.id).await.plan.message;
    assert!(message.contains("has the labels it requires: arch=aarch64, gpu"), "{message}");
    let plan = with(&["gpu", "arch=aarch64"], GIB).await.unwrap();
    agent.attempt(&plan).finish(&crate::raw::planned()).await.unwrap();
    let labels = ["gpu", "arch=aarch64", "more"];
    assert!(with(&labels, 3 * GIB).await.is_none(), "it has too little memory");
    let message = farm.build(build.id).await.jobs[0].message.clone();
    assert!(message.contains("MiB of memory"), "{message}");
    assert!(with(&["gpu", "arch=x86_64"], 64 * GIB).await.is_none());
    let leg = with(&labels, 64 * GIB).await.unwrap();
    agent.attempt(&leg).finish(&report(Verdict::Success, LogEnd::default())).await.unwrap();
    // One that asks for no more than usual is tried anywhere.
    let build = farm.submit_raw(json!({"toolchains": ["gcc:14"]})).await;
    let plan = with(&[], GIB).await.unwrap();
    agent.attempt(&plan).finish(&crate::raw::planned()).await.unwrap();
    let leg = with(&[], GIB).await.unwrap();
    agent.attempt(&leg).finish(&report(Verdict::Success, LogEnd::default())).await.unwrap();
    assert_eq!(farm.job(leg.job).await.build, build.id);
    farm.end().await;
}

#[tokio::test]
async fn an_agent_that_is_held_finishes_what_it_has_and_gets_nothing_more() {
    let mut farm = Farm::alone().await;
    let agent = Raw::new(&farm, "one").await;
    let first = farm.submit_raw(json!({"toolchains": ["gcc:14"]})).await;
    let plan = agent.claim().await.unwrap();
    let held = farm.rest.hold_agent(agent.id, HoldKind::Held, "new disk").await.unwrap();
    assert_eq!(held.hold.as_ref().unwrap().reason, "new disk");
    assert_eq!(held.hold.unwrap().by, "local");
    agent.attempt(&plan).finish(&crate::raw::planned()).await.unwrap();
    assert!(agent.claim().await.is_none());
    let job = farm.build(first.id).await.jobs[0].clone();
    assert!(job.message.contains("is held: new disk"), "{}", job.message);
    farm.restart_server().await;
    assert!(agent.claim().await.is_none(), "it is held still");
    let drained = farm.rest.hold_agent(agent.id, HoldKind::Draining, "").await.unwrap();
    assert!(drained.jobs.is_empty());
    farm.rest.resume_agent(agent.id).await.unwrap();
    let leg = agent.claim().await.unwrap();
    assert_eq!(leg.job, job.id);
    // It has a job: it goes only if that may be lost.
    let (code, sentence) = refusal(farm.rest.remove_agent(agent.id, false).await);
    assert!(code == "conflict" && sentence.contains("drain it first"), "{code} {sentence}");
    farm.rest.remove_agent(agent.id, true).await.unwrap();
    assert!(matches!(
        agent.client.claim(&agent.request(Duration::ZERO)).await,
        Err(ClientError::Refused { status: 401, .. })
    ));
    assert_eq!(farm.lapse(leg.job).await.summary.state, StateName::Queued);
    farm.rest.cancel_build(first.id).await.unwrap();
    farm.end().await;
}

/// What the release before this one sends, kept as it was sent, and what it does not know.
#[tokio::test]
async fn an_agent_of_the_release_before_works_and_older_ones_are_told_what_to_do() {
    let farm = Farm::alone().await;
    let post = |target: &str, token: &str, body: Value| {
        let ask = Ask::new("POST", target)
            .header("authorization", format!("Bearer {token}"))
            .json(body.to_string());
        let address = farm.address();
        async move { ask.send(address).await }
    };
    let old = |protocol: u32| json!({"name": "old", "protocol": protocol, "version": "0.1.0"});
    let answer = post("/agent/v1/register", &farm.enrollment, old(1)).await;
    assert_eq!((answer.status, &*answer.refusal()), (409, "agent_protocol"));
    assert!(answer.text().contains("upgrade the agent to kiln"), "{}", answer.text());
    let answer = post("/agent/v1/register", &farm.enrollment, old(2)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let registered: Value = serde_json::from_slice(&answer.body).unwrap();
    let token = registered["token"].as_str().unwrap().to_owned();
    let build = farm.submit_raw(json!({"toolchains": ["gcc:14"]})).await;
    let claim = json!({
        "claim": "01KB0Q6M3V8W2T5XJ4C9ZR7HND", "wait_ms": 0,
        "status": {"workers": 1, "busy": 0, "arch": "x86_64", "cpus": 2,
            "memory_bytes": 8_589_934_592_u64, "engine": "docker 20.10.24", "version": "0.1.0",
            "toolchains": [{"name": gcc().as_str(), "image": "sha256:1", "recipe_digest": "",
                "compiler": "gcc 14.2.0"}]}
    });
    let answer = post("/agent/v1/claim", &token, claim.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let claimed: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(claimed["build"], json!(build.id));
    // It refuses keys that it does not know in what it is to do.
    let known =
        ["toolchains", "packages", "steps", "env", "artifacts", "test", "submodules", "limits"];
    let submission = claimed["work"]["submission"].as_object().unwrap();
    assert!(submission.keys().all(|key| known.contains(&&**key)), "{submission:?}");
    let path = format!("/agent/v1/jobs/{}/attempts/1", claimed["job"].as_str().unwrap());
    let renewed = post(&format!("{path}/renew"), &token, json!({"wait_ms": 0})).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    // One release ahead says more than this one knows, and is understood all the same.
    let mut ahead = claim.clone();
    ahead["claim"] = json!("01KB0Q6M3V8W2T5XJ4C9ZR7HNE");
    ahead["protocol"] = json!(PROTOCOL_VERSION + 1);
    ahead["something_new"] = json!({"x": 1});
    ahead["status"]["something_new"] = json!(true);
    let answer = post("/agent/v1/claim", &token, ahead.clone()).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    ahead["protocol"] = json!(PROTOCOL_VERSION + 2);
    let answer = post("/agent/v1/claim", &token, ahead).await;
    assert_eq!((answer.status, &*answer.refusal()), (409, "agent_protocol"));
    assert!(answer.text().contains("upgrade the server"), "{}", answer.text());
    farm.rest.cancel_build(build.id).await.unwrap();
    let done = json!({"verdict": {"verdict": "failed", "cause": "cancelled"}, "message": "",
        "log_end": {"seq": 0, "offset": 0}, "usage": kiln::protocol::UsageView::default(),
        "diagnostics": null, "artifacts": null, "plan": null});
    let answer = post(&format!("{path}/finish"), &token, done).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    farm.end().await;
}

/// Nothing depends on the agent's clock: its jobs go on, and who looks is told.
#[tokio::test]
async fn an_agent_whose_clock_is_an_hour_off_works_and_is_told() {
    let setup = Setup { manual: true, agents: 0, ..Setup::default() };
    let mut farm = Farm::with(setup, |_| hello()).await;
    farm.time.advance(Duration::from_hours(1));
    farm.start_agent(0);
    let repo = project([]);
    let build = farm.submit(&repo).await;
    let build = farm.finished(build.id).await;
    assert_eq!(build.outcome, Some(Outcome::Success));
    crate::farm::eventually("the skew is known", async || {
        let agents = farm.rest.agents().await.unwrap().items;
        agents[0].status.clock_skew_seconds.is_some_and(|skew| (3500..3700).contains(&skew))
    })
    .await;
    farm.end().await;
}

/// What the machine of the next test says is free.
static FREE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

#[tokio::test]
async fn an_agent_whose_disk_is_full_takes_nothing_and_says_why_until_there_is_space() {
    use std::sync::atomic::Ordering;

    let mut farm = Farm::with(Setup { agents: 0, ..Setup::default() }, |_| hello()).await;
    farm.admission = kiln::agent::Admission {
        space: kiln::disk::Space {
            places: vec!["/engine".into()],
            least: 1 << 30,
            setting: "agent.min_free_bytes",
            free: |_| Some(FREE.load(Ordering::Relaxed)),
        },
        ..kiln::agent::Admission::always()
    };
    FREE.store(100 << 20, Ordering::Relaxed);
    farm.start_agent(0);
    let repo = project([]);
    let build = farm.submit(&repo).await;
    let told = farm
        .until_build(build.id, |build| build.plan.message.contains("100 MiB are free at /engine"))
        .await;
    assert_eq!(told.plan.attempt, 0, "{}", told.plan.message);
    let agent = farm.rest.agents().await.unwrap().items.remove(0);
    assert!(agent.online && agent.status.paused.is_some(), "{agent:?}");
    let ran = run(kiln(&farm.url(), &["agents", "list"])).await;
    assert!(ran.text().contains("paused") && ran.text().contains("MiB have to be"), "{ran:?}");
    FREE.store(9 << 30, Ordering::Relaxed);
    let ended = farm.finished(build.id).await;
    assert_eq!(ended.outcome, Some(Outcome::Success));
    farm.end().await;
}

#[tokio::test]
async fn an_agent_gets_no_more_than_its_running_jobs_leave_of_its_memory() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let large = json!({"limits": {"memory_bytes": 6_u64 << 30}});
    let build = farm.submit_raw(large).await;
    agent.plan().await;
    let ask = async |free: Option<u64>| {
        let mut request = agent.request(Duration::ZERO);
        request.status.memory_bytes = 16 << 30;
        request.status.free_memory_bytes = free;
        agent.client.claim(&request).await.unwrap()
    };
    assert!(ask(Some(4 << 30)).await.is_none(), "what runs leaves too little");
    let leg = ask(Some(9 << 30)).await.expect("it fits now");
    agent.end(&leg, Verdict::Success).await;
    farm.finished(build.id).await;
    farm.end().await;
}
