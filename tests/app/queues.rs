//! Queues over the API: what is refused and changes nothing, and what a job says of its queue.

use std::time::Duration;

use kiln::{
    model::{QueueName, Verdict},
    protocol::{NewProject, QueueRules},
};
use serde_json::{Value, json};

use crate::{
    farm::{COMMIT, Farm},
    program::{kiln, run},
    raw::{Raw, code},
    wire::Ask,
};

fn name(text: &str) -> QueueName {
    text.parse().unwrap()
}

fn rules(value: Value) -> QueueRules {
    serde_json::from_value(value).unwrap()
}

async fn put(farm: &Farm, queue: &str, value: Value) {
    farm.rest.put_queue(&name(queue), &rules(value)).await.unwrap();
}

async fn listed(farm: &Farm) -> String {
    let answer = Ask::get("/api/v1/queues").send(farm.address()).await;
    assert_eq!(answer.status, 200);
    answer.text()
}

#[tokio::test]
async fn a_queue_is_made_changed_and_removed() {
    let farm = Farm::alone().await;
    let all = json!({
        "priority": -3, "concurrency": 2, "per_project": 1, "per_user": 1_000_000,
        "max_waiting": 7, "requires": ["gpu", "arch=x86_64"]
    });
    let ask = Ask::new("PUT", "/api/v1/queues/nightly").json(all.to_string());
    assert_eq!(ask.send(farm.address()).await.status, 201);
    let answer = ask.send(farm.address()).await;
    assert_eq!((answer.status, answer.header("location")), (200, Some("/api/v1/queues/nightly")));
    let view = farm.rest.queue(&name("nightly")).await.unwrap();
    assert_eq!(view.rules, rules(all));
    farm.rest.pause_queue(&name("nightly"), "new\u{7} disk").await.unwrap();
    // As a whole: what is not given is as in a new one. That it is paused is not part of it.
    put(&farm, "nightly", json!({"concurrency": 1})).await;
    let view = farm.rest.queue(&name("nightly")).await.unwrap();
    assert_eq!(view.rules, rules(json!({"concurrency": 1})));
    let pause = view.paused.unwrap();
    assert_eq!((&*pause.reason, &*pause.by), ("new disk", "local"));
    assert!(farm.rest.resume_queue(&name("nightly")).await.unwrap().paused.is_none());
    farm.rest.remove_queue(&name("nightly")).await.unwrap();
    let names: Vec<_> =
        farm.rest.queues().await.unwrap().items.into_iter().map(|view| view.name).collect();
    assert_eq!(names, [name("default")]);
    farm.end().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let farm = Farm::alone().await;
    put(&farm, "nightly", json!({"concurrency": 2, "requires": ["gpu"]})).await;
    let before = listed(&farm).await;
    let labels: Vec<String> = (0..33).map(|number| format!("l{number}")).collect();
    for (body, sentence) in [
        (json!({"concurrency": 0}), "concurrency must be at least 1: to run nothing, pause"),
        (json!({"per_project": 0}), "per_project must be at least 1"),
        (json!({"per_user": 0}), "per_user must be at least 1"),
        (json!({"max_waiting": 0}), "max_waiting must be at least 1"),
        (json!({"concurrency": 1_000_001}), "at most 1000000"),
        (json!({"concurrency": -1}), "invalid value"),
        (json!({"concurrency": 4_294_967_296_u64}), "invalid value"),
        (json!({"concurrency": 1.5}), "invalid type"),
        (json!({"concurrency": "2"}), "invalid type"),
        (json!({"priority": 101}), "between -100 and 100"),
        (json!({"priority": -101}), "between -100 and 100"),
        (json!({"requires": ["a b"]}), "is not a label"),
        (json!({"requires": labels}), "at most 32 labels"),
        (json!({"paused": true}), "unknown field"),
        (json!({"concurrency": 3, "limit": 1}), "unknown field"),
    ] {
        for queue in ["nightly", "new"] {
            let ask = Ask::new("PUT", format!("/api/v1/queues/{queue}")).json(body.to_string());
            let answer = ask.send(farm.address()).await;
            assert_eq!(answer.refusal(), "invalid", "{body}");
            assert!(answer.text().contains(sentence), "{body}: {}", answer.text());
        }
    }
    for bad in ["UPPER", "a%20b", "-a", "a%2Fb", &"a".repeat(65)] {
        for method in ["GET", "PUT", "DELETE"] {
            let ask = Ask::new(method, format!("/api/v1/queues/{bad}"));
            let ask = if method == "PUT" { ask.json("{}") } else { ask };
            let answer = ask.send(farm.address()).await;
            assert_eq!(answer.status, 400, "{method} {bad}: {}", answer.text());
        }
    }
    let rest = &farm.rest;
    assert_eq!(code(rest.queue(&name("none")).await), (404, "not_found".into()));
    assert_eq!(code(rest.pause_queue(&name("none"), "").await), (404, "not_found".into()));
    assert_eq!(code(rest.resume_queue(&name("none")).await), (404, "not_found".into()));
    assert_eq!(code(rest.remove_queue(&name("none")).await), (404, "not_found".into()));
    assert_eq!(code(rest.remove_queue(&name("default")).await), (409, "conflict".into()));
    assert_eq!(listed(&farm).await, before);
    farm.end().await;
}

#[tokio::test]
async fn a_submission_names_a_queue_that_is_there_and_has_room() {
    let farm = Farm::alone().await;
    put(&farm, "nightly", json!({"max_waiting": 2})).await;
    let submit = async |queue: &str| {
        let source = json!({"git": {"url": "https://example.org/x", "commit": COMMIT}});
        let body = json!({"source": source, "queue": queue}).to_string();
        Ask::new("POST", "/api/v1/builds").json(body).send(farm.address()).await
    };
    let answer = submit("nightl").await;
    assert_eq!((answer.status, &*answer.refusal()), (422, "invalid"));
    let sentence = "there is no queue nightl (did you mean nightly?); there are: default, nightly";
    assert!(answer.text().contains(sentence), "{}", answer.text());
    // One that is paused takes builds.
    farm.rest.pause_queue(&name("nightly"), "").await.unwrap();
    assert_eq!(submit("nightly").await.status, 201);
    assert_eq!(submit("nightly").await.status, 201);
    let answer = submit("nightly").await;
    assert_eq!((answer.status, &*answer.refusal()), (429, "queue_full"));
    assert!(answer.text().contains("nightly is full: 2 jobs wait in it"), "{}", answer.text());
    assert_eq!(submit("default").await.status, 201);
    let view = farm.rest.queue(&name("nightly")).await.unwrap();
    assert_eq!((view.waiting, view.running), (2, 0));
    assert!(view.oldest_waiting_since.is_some());
    assert_eq!(code(farm.rest.remove_queue(&name("nightly")).await), (409, "conflict".into()));
    farm.cancel_all().await;
    farm.rest.remove_queue(&name("nightly")).await.unwrap();
    farm.end().await;
}

#[tokio::test]
async fn a_job_says_which_limit_it_waits_for_and_how_many_are_before_it() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let url = Some("https://example.org/x".to_owned());
    farm.rest.add_project(&NewProject { name: Some("zlib".parse().unwrap()), url }).await.unwrap();
    put(&farm, "q", json!({})).await;
    let two = json!({"queue": "q", "toolchains": ["gcc:14", "clang:19"]});
    let (build, leg) = agent.leg(&farm, two.clone()).await;
    let waits = build.jobs.iter().find(|job| job.id != leg.job).unwrap().id;
    let says = async |value: Value| {
        put(&farm, "q", value).await;
        let message = farm.job(waits).await.summary.message;
        let listed = farm.build(build.id).await.jobs.into_iter().find(|job| job.id == waits);
        assert_eq!(listed.unwrap().message, message);
        let may = agent.claim().await;
        if let Some(claimed) = &may {
            agent.end(claimed, Verdict::Success).await;
        }
        (message, may.is_some())
    };
    for (limits, sentence) in [
        (json!({"concurrency": 1}), "1 of 1 running in queue q"),
        (json!({"per_project": 1}), "project zlib has 1 of 1 running in queue q"),
        (json!({"per_user": 1}), "the administrator has 1 of 1 running in queue q"),
        (
            json!({"requires": ["gpu"]}),
            "no agent that could take it has the labels it requires: gpu",
        ),
    ] {
        assert_eq!(says(limits.clone()).await, (sentence.to_owned(), false), "{limits}");
    }
    farm.rest.pause_queue(&name("q"), "").await.unwrap();
    assert_eq!(says(json!({})).await, ("queue q is paused".to_owned(), false));
    farm.rest.pause_queue(&name("q"), "new disk").await.unwrap();
    assert_eq!(says(json!({})).await, ("queue q is paused: new disk".to_owned(), false));
    farm.rest.resume_queue(&name("q")).await.unwrap();
    farm.time.advance(Duration::from_secs(1));
    // What comes behind it counts it.
    let behind = farm.submit_raw(two).await;
    agent.plan().await;
    let last = farm.build(behind.id).await.jobs.last().unwrap().id;
    let message = farm.job(last).await.summary.message;
    assert_eq!(message, "waits for a free worker; 2 jobs of the same project are before it");
    assert_eq!(says(json!({})).await, ("waits for a free worker".to_owned(), true));
    agent.end(&leg, Verdict::Success).await;
    farm.cancel_all().await;
    farm.end().await;
}

#[tokio::test]
async fn the_command_line_steers_queues() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let ask = async |words: &[&str]| {
        let ran = run(kiln(&farm.url(), words)).await;
        (ran.code, if ran.out.is_empty() { ran.err.clone() } else { ran.text() })
    };
    let set = ["queue", "set", "nightly", "--concurrency", "1", "--requires", "gpu"];
    let made = "nightly is made: 1 at one time; on agents with gpu\n";
    assert_eq!(ask(&set).await, (Some(0), made.to_owned()));
    // What is not given stays.
    let set = ["queue", "set", "nightly", "--priority", "-5", "--requires-nothing"];
    let changed = "nightly is changed: priority -5; 1 at one time\n";
    assert_eq!(ask(&set).await, (Some(0), changed.to_owned()));
    let (build, leg) = agent.leg(&farm, json!({"queue": "nightly"})).await;
    let (_, said) = ask(&["queue", "pause", "nightly", "--reason", "new disk"]).await;
    assert_eq!(said, "nightly gives out no jobs until it is resumed\n");
    let (_, said) = ask(&["queue", "list"]).await;
    let lines: Vec<Vec<&str>> = said
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(lines[0], ["QUEUE", "WAITING", "RUNNING", "RULES", "STATE"]);
    assert_eq!(lines[1], ["default", "0", "0", "no limits", "open"]);
    let rules = "priority -5; 1 at one time";
    assert_eq!(lines[2], ["nightly", "0", "1 of 1", rules, "paused: new disk"], "{said}");
    let (_, said) = ask(&["queue", "show", "nightly"]).await;
    assert!(said.contains("paused: new disk") && said.contains("by local"), "{said}");
    let (code, said) = ask(&["queue", "remove", "nightly"]).await;
    assert!(code != Some(0) && said.contains("jobs wait or run in the queue nightly"), "{said}");
    assert_eq!(ask(&["queue", "resume", "nightly"]).await.0, Some(0));
    agent.end(&leg, Verdict::Success).await;
    assert_eq!(farm.build(build.id).await.queue, name("nightly"));
    let (_, said) = ask(&["queue", "remove", "nightly"]).await;
    assert_eq!(said, "nightly is removed\n");
    let (code, said) = ask(&["queue", "set", "nightly", "--concurrency", "0"]).await;
    assert!(code == Some(2) && said.contains("to run nothing, pause the queue"), "{said}");
    assert_eq!(farm.rest.queues().await.unwrap().items.len(), 1);
    farm.end().await;
}
