//! Secrets: written and never shown, given to builds of trusted refs, withheld from all others.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kiln::{
    client::{ClientError, Rest},
    forge::SharedSecret,
    model::{ProjectName, Role, SecretForm, SecretName, SecretValue, TargetKind, Verdict},
    protocol::{Build, LogQuery, NewProject, NewTarget, NewToken, PutHook, PutSecret, TrustedRefs},
    sandbox::Scenario,
};
use serde_json::{Value, json};

use crate::{
    farm::{Farm, project},
    program::{kiln, run},
    raw::Raw,
    script::{err, one_step, out},
    support::repo::Repo,
    wire::{Answer, Ask},
};

const VALUE: &str = "hunter2-and-more";

fn name() -> ProjectName {
    "mine".parse().unwrap()
}

fn secret(value: &str) -> PutSecret {
    PutSecret { value: SecretValue::new(value.into()), form: SecretForm::Env, steps: Vec::new() }
}

async fn put(farm: &Farm, secret_name: &str, value: &str) {
    let secret_name: SecretName = secret_name.parse().unwrap();
    farm.rest.put_secret(&name(), &secret_name, &secret(value)).await.unwrap();
}

async fn add_project(farm: &Farm, url: &str) {
    let url = Some(url.to_owned());
    farm.rest.add_project(&NewProject { name: Some(name()), url }).await.unwrap();
}

fn base64(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

async fn send(farm: &Farm, method: &str, target: &str, body: &Value) -> Answer {
    let ask = Ask { body: body.to_string().into_bytes(), ..Ask::new(method, target) };
    ask.header("content-type", "application/json").send(farm.address()).await
}

#[tokio::test]
async fn a_secret_is_written_listed_and_removed_and_its_value_is_in_no_answer() {
    let farm = Farm::alone().await;
    add_project(&farm, "https://example.org/mine").await;
    let at = "/api/v1/projects/mine/secrets";
    let body = json!({"value": base64(VALUE), "form": "file", "steps": ["deploy", "test"]});
    for _ in 0..2 {
        let answer = send(&farm, "PUT", &format!("{at}/TOKEN"), &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!answer.text().contains(VALUE) && !answer.text().contains(&base64(VALUE)));
        assert_eq!(answer.json()["steps"], json!(["deploy", "test"]));
    }
    put(&farm, "OTHER", VALUE).await;
    let answer = Ask::get(at).send(farm.address()).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains(VALUE) && !answer.text().contains(&base64(VALUE)[..8]));
    let names: Vec<_> =
        farm.rest.secrets(&name()).await.unwrap().items.into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["OTHER", "TOKEN"].map(|name| name.parse().unwrap()));
    farm.rest.remove_secret(&name(), &"OTHER".parse().unwrap()).await.unwrap();
    let again = farm.rest.remove_secret(&name(), &"OTHER".parse().unwrap()).await;
    assert!(matches!(again, Err(ClientError::Refused { status: 404, .. })), "{again:?}");
    // With its project everything goes, also for one of the same name later.
    farm.rest.remove_project(&name()).await.unwrap();
    add_project(&farm, "https://example.org/mine").await;
    assert!(farm.rest.secrets(&name()).await.unwrap().items.is_empty());
    farm.end().await;
}

#[tokio::test]
async fn what_cannot_be_a_secret_is_refused_in_a_sentence_without_it() {
    let farm = Farm::alone().await;
    add_project(&farm, "https://example.org/mine").await;
    let at = |name: &str| format!("/api/v1/projects/mine/secrets/{name}");
    let good = json!({"value": base64(VALUE)});
    let long = base64(&"x".repeat((64 << 10) + 1));
    let many: Vec<String> = (0..65).map(|number| format!("s{number}")).collect();
    for (target, body, status, sentence) in [
        (at("A"), json!({"value": base64("short")}), 422, "at least 6 bytes"),
        (at("A"), json!({"value": long}), 422, "at most 65536 bytes"),
        (at("A"), json!({"value": base64("1234567\0")}), 422, "give it as a file"),
        (at("A"), json!({"value": "hunter2-and-more!"}), 422, "base 64"),
        (at("A"), json!({"value": 31337}), 422, "base 64"),
        (at("A"), json!({}), 422, "missing field"),
        (at("A"), json!({"value": base64(VALUE), "form": "argv"}), 422, "unknown variant"),
        (at("A"), json!({"value": base64(VALUE), "steps": many}), 422, "at most 64 steps"),
        (at("PATH"), good.clone(), 400, "is not a secret's name"),
        (at("A-B"), good.clone(), 400, "is not a secret's name"),
        ("/api/v1/projects/none/secrets/A".to_owned(), good.clone(), 404, "there is no project"),
    ] {
        let answer = send(&farm, "PUT", &target, &body).await;
        assert_eq!(answer.status, status, "{target} {}", answer.text());
        let text = answer.text();
        assert!(text.contains(sentence), "{sentence}: {text}");
        assert!(!text.contains("hunter2") && !text.contains("31337"), "{text}");
    }
    for (refs, sentence) in [
        (json!(["refs/pull/*"]), "cannot be trusted"),
        (json!(["*"]), "cannot be trusted"),
        (json!(["main"]), "cannot be trusted"),
    ] {
        let body = json!({ "refs": refs });
        let answer = send(&farm, "PUT", "/api/v1/projects/mine/trusted-refs", &body).await;
        assert_eq!(answer.status, 422);
        assert!(answer.text().contains(sentence), "{}", answer.text());
    }
    assert!(farm.rest.secrets(&name()).await.unwrap().items.is_empty());
    // All secrets of a project together are bounded, too.
    let large = "y".repeat(60 << 10);
    let mut kept = 0;
    for number in 0..5 {
        let secret_name = format!("L{number}").parse().unwrap();
        match farm.rest.put_secret(&name(), &secret_name, &secret(&large)).await {
            Ok(_) => kept += 1,
            Err(ClientError::Refused { status: 422, body, .. }) => {
                assert!(body.message.contains("remove some"), "{body:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(kept, 2);
    farm.end().await;
}

/// Says its secrets in some ways, whether it got them or not.
fn talkative() -> Scenario {
    let encoded = base64(VALUE);
    one_step(
        vec![
            out(format!("token={VALUE}\n").as_bytes()),
            out(b"hunter2"),
            out(b"-and-"),
            err(format!("x.c:1:1: error: {encoded} is undeclared\n").as_bytes()),
            out(b"more.\n"),
        ],
        1,
    )
}

async fn built(farm: &Farm, source: Value, mut more: Value, rest: &Rest) -> (Build, String) {
    more["source"] = source;
    let key = format!("{:032x}", rand::random::<u128>());
    let build = rest.submit(&serde_json::from_value(more).unwrap(), &key).await.unwrap();
    let build = farm.finished(build.id).await;
    let mut log = Vec::new();
    farm.rest.log(build.jobs[0].id, &LogQuery::default(), &mut log).await.unwrap();
    (build, String::from_utf8(log).unwrap())
}

/// A project of a repository, with one secret.
async fn with_secret() -> (Farm, Repo) {
    let farm = Farm::new(|_| talkative()).await;
    let repo = project([]);
    add_project(&farm, &repo.url()).await;
    put(&farm, "TOKEN", VALUE).await;
    (farm, repo)
}

#[tokio::test]
async fn a_build_of_a_trusted_ref_gets_it_and_cannot_say_it() {
    let (farm, repo) = Box::pin(with_secret()).await;
    let (build, log) =
        built(&farm, json!({"git": {"url": repo.url()}}), json!({}), &farm.rest).await;
    let seen = &farm.sandbox.seen()[0];
    assert_eq!(seen.input, format!("{}\n", base64(VALUE)).into_bytes());
    assert!(!seen.script.contains("hunter2") && !seen.script.contains(&base64(VALUE)[..8]));
    assert!(log.contains("Secrets: TOKEN\n"), "{log}");
    assert!(log.contains("token=***\n") && log.contains("\n***.\n"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    let job = farm.job(build.jobs[0].id).await;
    let whole = serde_json::to_string(&job).unwrap();
    assert!(whole.contains("*** is undeclared"), "{whole}");
    let said = Ask::get(format!("/api/v1/jobs/{}/diagnostics", build.jobs[0].id));
    let said = said.send(farm.address()).await.text();
    for text in [&whole, &said, &log] {
        assert!(!text.contains("hunter2") && !text.contains(&base64(VALUE)), "{text}");
    }
    farm.end().await;
}

#[tokio::test]
async fn builds_that_could_be_anybodys_get_none_and_their_logs_say_why() {
    let (farm, repo) = Box::pin(with_secret()).await;
    let commit = repo.resolve("main").unwrap();
    repo.tag("v1", &commit);
    let new = NewToken {
        name: "ci".parse().unwrap(),
        owner: None,
        role: Role::Submit,
        projects: None,
        expires_in_seconds: None,
        never_expires: false,
    };
    let token = farm.rest.make_token(&new).await.unwrap().token;
    let user = Rest::new(&farm.url(), Some(token)).unwrap();
    let url = repo.url();
    let git = json!({"git": {"url": url}});
    let by_commit = json!({"git": {"url": url, "commit": commit}});
    let tag = json!({"git": {"url": url, "ref": "v1"}});
    let steps = json!({"steps": [{"name": "leak", "run": "env"}]});
    for (number, (source, more, rest, why)) in [
        (&by_commit, json!({}), &farm.rest, Some("which may be anybody's")),
        (&git, steps.clone(), &user, Some("which only an administrator's may")),
        (&git, json!({"env": {"CC": "x"}}), &user, Some("which only an administrator's may")),
        (&git, json!({"toolchains": ["gcc:14"]}), &user, None),
        (&git, steps, &farm.rest, None),
        (&tag, json!({}), &user, None),
    ]
    .into_iter()
    .enumerate()
    {
        let (_, log) = built(&farm, source.clone(), more, rest).await;
        let input = farm.sandbox.seen()[number].input.len();
        match why {
            Some(why) => {
                assert!(log.contains("Secrets: none for this build") && log.contains(why), "{log}");
                assert_eq!(input, 0);
            }
            None => assert!(input > 0 && log.contains("Secrets: TOKEN"), "{log}"),
        }
    }
    // What counts is what is trusted when the job runs.
    let only_tags = TrustedRefs { refs: vec!["refs/tags/*".parse().unwrap()] };
    farm.rest.set_trusted_refs(&name(), &only_tags).await.unwrap();
    let (_, log) = built(&farm, git, json!({}), &user).await;
    assert!(log.contains("does not trust refs/heads/main"), "{log}");
    let (_, log) = built(&farm, tag, json!({}), &user).await;
    assert!(log.contains("Secrets: TOKEN"), "{log}");
    farm.end().await;
}

#[tokio::test]
async fn an_agent_that_does_not_know_secrets_gets_no_job_that_has_some() {
    let farm = Farm::alone().await;
    let repo = project([]);
    add_project(&farm, &repo.url()).await;
    put(&farm, "TOKEN", VALUE).await;
    let (old, new) = (Raw::new(&farm, "old").await, Raw::new(&farm, "new").await);
    let claim = async |agent: &Raw, takes_secrets| {
        let mut request = agent.request(std::time::Duration::ZERO);
        request.takes_secrets = takes_secrets;
        agent.client.claim(&request).await.unwrap()
    };
    let submitted = farm.submit(&repo).await;
    old.plan().await;
    assert!(claim(&old, false).await.is_none());
    let other = farm.submit_raw(json!({})).await;
    old.plan().await;
    let leg = claim(&old, false).await.expect("it has no secrets");
    assert_eq!(leg.build, other.id);
    assert!(leg.secrets.is_empty());
    old.end(&leg, Verdict::Success).await;
    let leg = claim(&new, true).await.expect("it waits for one that knows them");
    assert_eq!(leg.build, submitted.id);
    assert_eq!(leg.secrets.given[0].value.reveal(), VALUE.as_bytes());
    new.end(&leg, Verdict::Success).await;
    farm.end().await;
}

#[tokio::test]
async fn another_key_opens_nothing_and_says_so_and_a_new_one_is_given_by_a_command() {
    let (mut farm, repo) = Box::pin(with_secret()).await;
    let keys = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = keys.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let new = write("new", "another key of thirty-two bytes!\n");
    // What else is sealed: a webhook's secret and the one before it, and a key to sign with.
    let hooks = ["a-webhook-of-the-first-day", "a-webhook-of-the-second-day"];
    for hook in hooks {
        let put = PutHook { secret: Some(SecretValue::new(hook.into())) };
        farm.rest.put_hook(&name(), &put).await.unwrap();
    }
    let target = NewTarget {
        kind: TargetKind::Webhook,
        url: Some("https://example.org/".to_owned()),
        secret: SecretValue::new(VALUE.into()),
    };
    farm.rest.add_target(&name(), &target).await.unwrap();
    farm.stop_server().await;
    let data = farm.server_data();
    let mut settings = farm.settings().clone();
    settings.server.secret_key_file = Some(new.clone());
    let clock = std::sync::Arc::new(kiln::model::SystemClock);
    let opened = kiln::server::Server::open(&settings, &data, clock, farm.sources(&data)).await;
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("sealed with the key") && error.contains("server.secret_key_file"));
    if crate::POSTGRES {
        farm.restart_stopped().await;
    } else {
        let (new, data) = (new.to_str().unwrap(), data.to_str().unwrap());
        let ran = run(kiln("", &["db", "rekey", new, "--data", data])).await;
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(ran.text().contains("4 values are sealed"), "{}", ran.text());
        let new = Some(std::path::PathBuf::from(new));
        farm.change_settings(|settings| settings.server.secret_key_file = new).await;
        let (_, log) =
            built(&farm, json!({"git": {"url": repo.url()}}), json!({}), &farm.rest).await;
        assert!(log.contains("Secrets: TOKEN\n"), "{log}");
        for hook in hooks {
            let signed = SharedSecret::new(hook.to_owned()).unwrap().sign(b"{}");
            let ask = Ask::new("POST", "/api/v1/projects/mine/hook").json("{}");
            let ask = ask.header("x-gitea-event", "ping").header("x-gitea-signature", signed);
            assert_eq!(ask.send(farm.address()).await.status, 202, "{hook}");
        }
    }
    farm.end().await;
}
