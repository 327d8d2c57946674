//! From a submission to a program that can be downloaded.

use kiln::{
    model::{Outcome, StateName},
    protocol::{BuildSource, BuildState},
    sandbox::{Produced, Scenario},
};
use serde_json::json;

use crate::{
    farm::{Farm, clang, gcc, project},
    script::{ELF, err, mark, out},
    wire::Ask,
};

/// Configures, compiles with a warning, and writes bytes that are not text.
fn eventful() -> Scenario {
    let mut acts = mark("s;0").to_vec();
    acts.extend([out(b"one\n"), err(b"main.c:1:2: warning: x\n"), out(b"\xff\0\xfe no newline")]);
    acts.extend(mark("e;0;0"));
    let files = vec![
        Produced::file("bin/app", 0o755, ELF),
        Produced::file("libx.a", 0o644, b"!<arch>\n"),
        Produced::file("main.o", 0o644, b"object"),
    ];
    Scenario { acts, files, ..Scenario::default() }
}

#[tokio::test]
async fn a_project_without_a_recipe_is_planned_built_and_kept() {
    let farm = Farm::new(|_| eventful()).await;
    let repo = project([]);
    let submitted = farm.submit_with(&repo, json!({"labels": {"why": "test"}})).await;
    assert_eq!(submitted.state, BuildState::Planning);
    assert!(submitted.jobs.is_empty());
    let BuildSource::Git(source) = &submitted.source else { panic!("{:?}", submitted.source) };
    assert_eq!(source.reference.as_ref().unwrap().as_str(), "refs/heads/main");
    assert_eq!(submitted.commit.as_str(), repo.resolve("main").unwrap());

    let build = farm.finished(submitted.id).await;
    assert_eq!((build.outcome, build.jobs.len()), (Some(Outcome::Success), 1));
    assert_eq!(build.commit_info.as_ref().unwrap().subject, "a commit");
    assert_eq!(build.labels["why"], "test");
    assert!(build.finished_at.is_some());
    assert_eq!(build.plan.outcome, Some(Outcome::Success));

    let job = farm.job(build.jobs[0].id).await;
    assert_eq!(job.summary.toolchain, Some(gcc()));
    assert_eq!(job.attempts.len(), 1);
    let attempt = &job.attempts[0];
    assert_eq!(attempt.sandbox.as_ref().unwrap().compiler, "gcc:14.2");
    assert_eq!(attempt.diagnostics.as_ref().unwrap().warnings, 1);
    let steps: Vec<_> = attempt.steps.iter().map(|s| (s.name.as_str(), s.exit_code)).collect();
    assert_eq!(steps, [("compile", Some(0))]);
    assert_eq!(attempt.artifacts.as_ref().unwrap().files, 2);

    let whole = log(&farm, &job.summary.id.to_string(), "").await;
    assert_eq!(whole.len() as u64, attempt.log_bytes);
    let text = String::from_utf8_lossy(&whole);
    assert!(text.contains("Toolchain: gcc:14") && text.contains("Success, "), "{text}");
    farm.until_sealed(job.summary.id).await;
    let id = job.summary.id.to_string();
    assert_eq!(log(&farm, &id, "").await, whole);
    assert_eq!(log(&farm, &id, "?stream=stdout").await, b"one\n\xff\0\xfe no newline");
    assert_eq!(log(&farm, &id, "?stream=stderr").await, b"main.c:1:2: warning: x\n");
    farm.end().await;
}

async fn log(farm: &Farm, job: &str, query: &str) -> Vec<u8> {
    let answer = Ask::get(format!("/api/v1/jobs/{job}/log{query}")).send(farm.address()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("kiln-log-missing"), Some("0"));
    answer.body
}

#[tokio::test]
async fn every_toolchain_that_was_asked_for_gets_a_job() {
    let farm = Farm::new(|_| eventful()).await;
    let repo = project([]);
    let build = farm.submit_with(&repo, json!({"toolchains": ["clang:19", "gcc:14"]})).await;
    let build = farm.finished(build.id).await;
    let toolchains: Vec<_> = build.jobs.iter().filter_map(|job| job.toolchain.clone()).collect();
    assert_eq!(toolchains, [clang(), gcc()], "in the order asked for");
    assert_eq!(build.outcome, Some(Outcome::Success));
    farm.end().await;
}

#[tokio::test]
async fn a_build_is_as_bad_as_its_worst_job() {
    let farm = Farm::new(|spec| {
        let failed = crate::script::one_step(vec![err(b"a.c:1:1: error: no\n")], 2);
        if spec.image == crate::script::image(&clang()) { failed } else { eventful() }
    })
    .await;
    let repo = project([]);
    let build = farm.submit_with(&repo, json!({"toolchains": ["clang:19", "gcc:14"]})).await;
    let build = farm.finished(build.id).await;
    assert_eq!(build.outcome, Some(Outcome::Failure));
    assert_eq!(build.cause().unwrap().as_str(), "compile");
    let outcomes: Vec<_> = build.jobs.iter().map(|job| job.outcome.unwrap()).collect();
    assert_eq!(outcomes, [Outcome::Failure, Outcome::Success]);
    assert!(build.jobs[0].message.contains("a.c:1:1"), "{}", build.jobs[0].message);
    farm.end().await;
}

#[tokio::test]
async fn a_job_waits_for_an_agent_with_its_toolchain_and_says_so() {
    let farm = Farm::new(|_| eventful()).await;
    let repo = project([]);
    let build = farm.submit_with(&repo, json!({"toolchains": ["gcc:12"]})).await;
    let build = farm.until_build(build.id, |build| !build.jobs.is_empty()).await;
    let job = &build.jobs[0];
    assert_eq!((job.state, build.state), (StateName::Queued, BuildState::Queued));
    assert!(job.message.contains("kiln images build gcc:12"), "{}", job.message);
    farm.rest.cancel_build(build.id).await.unwrap();
    farm.finished(build.id).await;
    farm.end().await;
}

#[tokio::test]
async fn sources_that_cannot_be_had_are_refused_at_once() {
    let farm = Farm::alone().await;
    let repo = project([]);
    let gone = "file:///nonexistent/repository";
    for (git, code) in [
        (json!({"url": repo.url(), "ref": "no-such-branch"}), "unknown_ref"),
        (json!({"url": gone}), "source_unreachable"),
        (json!({"url": "ssh://example.org/x"}), "source_refused"),
        (json!({"url": "https://user:secret@example.org/x"}), "source_refused"),
        (json!({"url": "not a url"}), "source_refused"),
        (json!({"url": repo.url(), "ref": "main", "commit": crate::farm::COMMIT}), "invalid"),
    ] {
        let body = json!({"source": {"git": git}}).to_string();
        let answer = Ask::new("POST", "/api/v1/builds").json(body).send(farm.address()).await;
        assert_eq!(answer.refusal(), code, "{git}");
        assert_eq!(answer.status, 422);
        assert!(!answer.text().contains("secret"), "{}", answer.text());
    }
    farm.end().await;
}

#[tokio::test]
async fn a_commit_that_is_not_there_ends_the_plan_with_a_sentence() {
    let farm = Farm::new(|_| eventful()).await;
    let repo = project([]);
    let source = json!({"git": {"url": repo.url(), "commit": crate::farm::COMMIT}});
    let body = json!({"source": source}).to_string();
    let answer = Ask::new("POST", "/api/v1/builds").json(body).send(farm.address()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let id = answer.json()["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(answer.header("location"), Some(&*format!("/api/v1/builds/{id}")));
    let build = farm.finished(id).await;
    assert_eq!(build.outcome, Some(Outcome::Failure), "{build:#?}");
    assert!(build.plan.message.contains(&crate::farm::COMMIT[..12]), "{}", build.plan.message);
    assert!(build.jobs.is_empty());
    farm.end().await;
}
