//! Agents of other releases. `release_2` has what an agent and a server of protocol 2 said to each
//! other about one build, as it was sent: the release before this one, which refused every field that
//! it did not know.

use kiln::{
    model::{ClaimId, Clock as _, Outcome, StateName, SystemClock},
    protocol::{NewEnrollment, PROTOCOL_HEADER, PROTOCOL_VERSION},
};
use serde_json::{Value, json};

use crate::{
    farm::Farm,
    wire::{Answer, Ask},
};

macro_rules! kept {
    ($name:literal) => {
        include_bytes!(concat!("release_2/", $name))
    };
}

fn read(kept: &[u8]) -> Value {
    serde_json::from_slice(kept).unwrap()
}

/// Every field of an answer must have been in the kept one, at every level: what is inside of `work`
/// and `source` was read strictly.
#[track_caller]
fn has_nothing_new(answer: &Value, kept: &Value, at: &str) {
    let (Value::Object(answer), Value::Object(kept)) = (answer, kept) else { return };
    for (name, value) in answer {
        let place = format!("{at}/{name}");
        let known = kept.get(name).unwrap_or_else(|| panic!("{place} is new to protocol 2"));
        has_nothing_new(value, known, &place);
    }
}

struct Old<'f> {
    farm: &'f Farm,
    token: String,
}

impl Old<'_> {
    async fn send(&self, method: &str, target: &str, body: &[u8], kind: &str) -> Answer {
        let ask = Ask { body: body.to_vec(), ..Ask::new(method, target) };
        let ask = ask.header("authorization", format!("Bearer {}", self.token));
        ask.header("content-type", kind).send(self.farm.address()).await
    }

    async fn post(&self, target: &str, body: &[u8]) -> Answer {
        self.send("POST", target, body, "application/json").await
    }

    async fn claim(&self) -> Value {
        let mut claim = read(kept!("claim.json"));
        claim["claim"] = json!(ClaimId::new(SystemClock.now()));
        claim["wait_ms"] = json!(0);
        let answer = self.post("/agent/v1/claim", claim.to_string().as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
}

/// Even where the build requires labels, which protocol 2 has never heard of: an enrollment gives
/// them to any agent.
#[tokio::test]
async fn an_agent_of_the_release_before_builds_from_end_to_end() {
    let farm = Farm::alone().await;
    let label = "team=a".parse().unwrap();
    let new = NewEnrollment { labels: [label].into(), ..NewEnrollment::default() };
    let enrollment = farm.rest.enroll(&new).await.unwrap().token;
    let mut old = Old { farm: &farm, token: enrollment };
    let answer = old.post("/agent/v1/register", kept!("register.json")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    old.token = answer.json()["token"].as_str().unwrap().to_owned();

    let more = json!({"toolchains": ["gcc:14"], "requires": ["team=a"]});
    let build = farm.submit_raw(more).await;
    let plan = old.claim().await;
    assert_eq!(plan["build"], json!(build.id));
    has_nothing_new(&plan["work"], &read(kept!("claimed-plan.json"))["work"], "work");
    let path = format!("/agent/v1/jobs/{}/attempts/1", plan["job"].as_str().unwrap());
    let log = format!("{path}/log");
    let log = old.send("POST", &log, kept!("log-plan"), "application/octet-stream").await;
    assert_eq!(log.status, 200, "{}", log.text());
    let answer = old.post(&format!("{path}/finish"), kept!("finish-plan.json")).await;
    assert_eq!(answer.status, 204, "{}", answer.text());

    let leg = old.claim().await;
    has_nothing_new(&leg["work"], &read(kept!("claimed-leg.json"))["work"], "work");
    let path = format!("/agent/v1/jobs/{}/attempts/1", leg["job"].as_str().unwrap());
    for (method, part, body, kind, status) in [
        ("POST", "start", &kept!("start.json")[..], "application/json", 204),
        ("POST", "log", kept!("log-leg"), "application/octet-stream", 200),
        ("PUT", "artifacts/archive", kept!("archive.tar.gz"), "application/octet-stream", 204),
        ("PUT", "artifacts/manifest", kept!("manifest.json"), "application/octet-stream", 204),
        ("POST", "finish", kept!("finish-leg.json"), "application/json", 204),
        ("POST", "renew", kept!("renew.json"), "application/json", 409),
    ] {
        let answer = old.send(method, &format!("{path}/{part}"), body, kind).await;
        assert_eq!(answer.status, status, "{part}: {}", answer.text());
    }
    let build = farm.build(build.id).await;
    assert_eq!(build.outcome, Some(Outcome::Success));
    let job = farm.job(build.jobs[0].id).await;
    assert_eq!(job.summary.state, StateName::Finished);
    assert_eq!(job.attempts[0].artifacts.as_ref().unwrap().files, 1);
    assert_eq!(job.attempts[0].steps[0].exit_code, Some(0));
    farm.end().await;
}

/// Whatever is answered, the version is said with it, so that an agent knows before it says more.
#[tokio::test]
async fn every_answer_of_the_agent_api_says_the_protocol_and_strangers_are_turned_away() {
    let farm = Farm::alone().await;
    let enrollment = format!("Bearer {}", farm.enrollment);
    let ours = PROTOCOL_VERSION.to_string();
    for (ask, status) in [
        (Ask::get("/agent/v1/hello").header("authorization", &*enrollment), 204),
        (Ask::get("/agent/v1/hello"), 401),
        (Ask::new("POST", "/agent/v1/claim").json("{}"), 403),
        (Ask::new("POST", "/agent/v1/register").json("{}"), 401),
    ] {
        let answer = ask.send(farm.address()).await;
        assert_eq!(answer.status, status, "{ask:?}: {}", answer.text());
        assert_eq!(answer.header(PROTOCOL_HEADER), Some(&*ours), "{ask:?}");
    }
    assert!(Ask::get("/healthz").send(farm.address()).await.header(PROTOCOL_HEADER).is_none());
    for (theirs, expected) in [
        ("1", Some("upgrade the agent to kiln")),
        ("2", None),
        (&*ours, None),
        (&*(PROTOCOL_VERSION + 1).to_string(), None),
        (&*(PROTOCOL_VERSION + 2).to_string(), Some("upgrade the server")),
    ] {
        // Any message of it, in the middle of a job, too.
        for target in ["hello", "jobs/01KB0Q6M3V8W2T5XJ4C9ZR7HND/attempts/1/source"] {
            let ask = Ask::get(format!("/agent/v1/{target}")).header(PROTOCOL_HEADER, theirs);
            let answer = ask.header("authorization", &*enrollment).send(farm.address()).await;
            let is_refused = answer.status == 409;
            assert_eq!(is_refused, expected.is_some(), "{theirs} {target}: {}", answer.text());
            if let Some(sentence) = expected {
                assert_eq!(answer.refusal(), "agent_protocol");
                assert!(answer.text().contains(sentence), "{}", answer.text());
            }
        }
    }
    farm.end().await;
}
