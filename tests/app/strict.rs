//! Every route refuses what it should, in the one envelope, and never fails.
//!
//! The table is the API's own description: a route that is added is tested.

use kiln::{
    model::{Role, SecretForm, SecretValue, TargetKind, Verdict},
    protocol::{NewEnrollment, NewProject, NewTarget, NewToken, PutHook, PutSecret, QueueRules},
};
use serde_json::{Value, json};

use crate::{
    docs::{description, operations},
    farm::{COMMIT, Farm},
    raw::Raw,
    uploads,
    wire::{Answer, Ask},
};

/// A request of an operation that could be answered.
pub(crate) struct Route {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) target: String,
    pub(crate) operation: Value,
}

/// A farm with one finished build, and every operation on it.
pub(crate) async fn routes() -> (Farm, Raw, Vec<Route>) {
    let (farm, agent, known) = Box::pin(things()).await;
    let mut routes = Vec::new();
    for (method, path, operation) in operations(&description(&farm).await) {
        let mut target = path.clone();
        for (name, value) in &known {
            target = target.replace(name, value);
        }
        assert!(!target.contains('{'), "{path} has a parameter that this test does not know");
        routes.push(Route { method, path, target, operation });
    }
    assert!(routes.len() >= 20);
    (farm, agent, routes)
}

/// A farm with one of each thing, and what parameters of paths can be.
pub(crate) async fn things() -> (Farm, Raw, Vec<(&'static str, String)>) {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (build, leg) = agent.leg(&farm, json!({})).await;
    agent.end(&leg, Verdict::Success).await;
    let (build, job) = (build.id.to_string(), leg.job.to_string());
    let upload = uploads::upload(&farm, uploads::tar(&[("a.c", b"int a;\n")])).await;
    let digest = upload.digest.to_string();
    let other = Raw::new(&farm, "b").await.id.to_string();
    let enrollment = farm.rest.enroll(&NewEnrollment::default()).await.unwrap();
    let enrollment = enrollment.enrollment.id.to_string();
    let project = NewProject { name: Some("known".parse().unwrap()), url: None };
    farm.rest.add_project(&project).await.unwrap();
    let secret = PutSecret {
        value: SecretValue::new(b"known to nobody".to_vec()),
        form: SecretForm::Env,
        steps: Vec::new(),
    };
    let (name, secret_name) = ("known".parse().unwrap(), "KNOWN".parse().unwrap());
    farm.rest.put_secret(&name, &secret_name, &secret).await.unwrap();
    farm.rest.put_queue(&"known".parse().unwrap(), &QueueRules::default()).await.unwrap();
    let token = NewToken {
        name: "t".parse().unwrap(),
        owner: None,
        role: Role::Read,
        projects: None,
        expires_in_seconds: None,
        never_expires: false,
    };
    let token = farm.rest.make_token(&token).await.unwrap().made.id.to_string();
    let hook = PutHook { secret: None };
    farm.rest.put_hook(&name, &hook).await.unwrap();
    let target = NewTarget {
        kind: TargetKind::Webhook,
        url: Some("https://example.org/".to_owned()),
        secret: SecretValue::new(b"known-to-nobody-else".to_vec()),
    };
    let target = farm.rest.add_target(&name, &target).await.unwrap().id.to_string();
    let known = vec![
        ("{delivery}", "01KB0Q6M3V8W2T5XJ4C9ZR7HNM".to_owned()),
        ("{target}", target),
        ("{notice}", "01KB0Q6M3V8W2T5XJ4C9ZR7HNP".to_owned()),
        ("{project}", "known".to_owned()),
        ("{secret}", "KNOWN".to_owned()),
        ("{queue}", "known".to_owned()),
        ("{token}", token),
        ("{digest}", digest),
        ("{build}", build),
        ("{job}", job),
        ("{commit}", COMMIT.to_owned()),
        ("{toolchain}", "gcc:14".to_owned()),
        ("{agent}", other),
        ("{enrollment}", enrollment),
        ("{path}", "app".to_owned()),
    ];
    (farm, agent, known)
}

impl Route {
    pub(crate) fn ask(&self) -> Ask<'_> {
        let ask = Ask::new(&self.method, self.target.clone());
        if self.has_body() { ask.json(good_body(&self.path)) } else { ask }
    }

    /// Whether it takes JSON of ours; a forge's is read once its signature was found good.
    fn has_body(&self) -> bool {
        !self.path.ends_with("/hook")
            && !self.operation["requestBody"]["content"]["application/json"].is_null()
    }

    pub(crate) fn is_open(&self) -> bool {
        let signed = "/api/v1/projects/{project}/hook";
        ["/healthz", "/readyz", "/api/v1/session"].contains(&&*self.path)
            || (&*self.method, &*self.path) == ("POST", signed)
    }
}

fn good_body(path: &str) -> String {
    match path {
        "/api/v1/builds" => good_submission().to_string(),
        "/api/v1/projects" => json!({"name": "another"}).to_string(),
        "/api/v1/session" => json!({"token": "bm9uZQ=="}).to_string(),
        "/api/v1/tokens" => json!({"name": "another", "role": "read"}).to_string(),
        "/api/v1/projects/{project}/secrets/{secret}" => {
            json!({"value": "a25vd24gdG8gbm9ib2R5"}).to_string()
        }
        "/api/v1/projects/{project}/login" => {
            json!({"host": "example.org", "login": {"token": {"token": "a25vd24gdG8gbm9ib2R5"}}})
                .to_string()
        }
        "/api/v1/projects/{project}/targets" => {
            json!({"kind": "webhook", "url": "https://example.org/", "secret": "a25vd24tdG8tbm9ib2R5LWVsc2U="})
                .to_string()
        }
        "/api/v1/projects/{project}/trusted-refs" => json!({"refs": []}).to_string(),
        _ => "{}".to_owned(),
    }
}

fn good_submission() -> Value {
    json!({"source": {"git": {"url": "https://example.org/x", "commit": COMMIT}}})
}

async fn check(farm: &Farm, ask: &Ask<'_>, status: u16, code: &str) -> Answer {
    let answer = ask.send(farm.address()).await;
    assert_eq!(answer.refusal(), code, "{ask:?}: {}", answer.text());
    assert_eq!(answer.status, status, "{ask:?}");
    answer
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_everywhere() {
    let (farm, _, mut routes) = Box::pin(routes()).await;
    for (path, method) in [("/docs/", "GET"), ("/nothing", "GET"), ("/agent/v1/claim", "POST")] {
        let (method, path, target) = (method.into(), path.into(), path.into());
        routes.push(Route { method, path, target, operation: Value::Null });
    }
    for route in &routes {
        for host in
            ["evil.example", "127.0.0.1.evil.example", "192.0.2.1:80", "localhost.", "[::2]"]
        {
            let ask = Ask { host: host.into(), ..route.ask() };
            check(&farm, &ask, 403, "forbidden").await;
        }
        for host in ["", "a b", "127.0.0.1\r\nhost: evil.example", "user@"] {
            let ask = Ask { host: host.into(), ..route.ask() };
            let answer = ask.send(farm.address()).await;
            assert!([400, 403].contains(&answer.status), "{ask:?}: {}", answer.text());
        }
        for origin in ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", ""]
        {
            let ask = route.ask().header("origin", origin);
            check(&farm, &ask, 403, "forbidden").await;
        }
    }
    for host in ["127.0.0.1", "localhost", "LOCALHOST:8000", "[::1]:1"] {
        let ask = Ask { host: host.into(), ..Ask::get("/api/v1/builds") };
        assert_eq!(ask.send(farm.address()).await.status, 200, "{host}");
        let ask = ask.header("origin", format!("http://{host}"));
        assert_eq!(ask.send(farm.address()).await.status, 200, "{host}");
    }
    farm.end().await;
}

#[tokio::test]
async fn tokens_open_only_what_they_are_for() {
    let (farm, agent, routes) = Box::pin(routes()).await;
    for route in routes.iter().filter(|route| !route.is_open()) {
        let ask = route.ask().header("authorization", format!("Bearer {}", agent.token));
        check(&farm, &ask, 403, "forbidden").await;
        for wrong in
            ["Bearer nobody", "Bearer ", "Bearer", "Basic YTpi", "", "bearer x y", "\u{fc}"]
        {
            let ask = route.ask().header("authorization", wrong);
            check(&farm, &ask, 401, "unauthorized").await;
        }
        let ask = route.ask().header("authorization", format!("Bearer {}", farm.enrollment));
        check(&farm, &ask, 401, "unauthorized").await;
    }
    let (build, leg) = agent.leg(&farm, json!({})).await;
    let attempt = format!("/agent/v1/jobs/{}/attempts/1", leg.job);
    for (method, target) in [
        ("POST", "/agent/v1/claim".to_owned()),
        ("POST", format!("{attempt}/renew")),
        ("POST", format!("{attempt}/start")),
        ("POST", format!("{attempt}/log")),
        ("GET", format!("{attempt}/source")),
        ("PUT", format!("{attempt}/artifacts/archive")),
        ("PUT", format!("{attempt}/artifacts/manifest")),
        ("PUT", format!("{attempt}/artifacts/diagnostics")),
        ("POST", format!("{attempt}/finish")),
    ] {
        check(&farm, &Ask::new(method, &*target), 403, "forbidden").await;
        for wrong in ["nobody", &*farm.enrollment] {
            let ask = Ask::new(method, &*target).header("authorization", format!("Bearer {wrong}"));
            check(&farm, &ask, 401, "unauthorized").await;
        }
    }
    let register = json!({"name": "x", "protocol": 2, "version": "1"}).to_string();
    let register = Ask::new("POST", "/agent/v1/register").json(register);
    check(&farm, &register, 401, "unauthorized").await;
    for wrong in ["nobody", &*agent.token] {
        let ask = register.clone().header("authorization", format!("Bearer {wrong}"));
        check(&farm, &ask, 401, "unauthorized").await;
    }
    agent.end(&leg, Verdict::Success).await;
    farm.finished(build.id).await;
    farm.end().await;
}

#[tokio::test]
async fn ids_that_are_none_are_refused() {
    let (farm, _, routes) = Box::pin(routes()).await;
    let unknown = "01KB0Q6M3V8W2T5XJ4C9ZR7HND";
    let no_digest = &*"0".repeat(64);
    let mut checked = 0;
    for route in &routes {
        for (name, missing) in [
            ("{build}", Some(unknown)),
            ("{job}", Some(unknown)),
            ("{digest}", Some(no_digest)),
            ("{agent}", Some(unknown)),
            ("{enrollment}", Some(unknown)),
            ("{token}", Some(unknown)),
            ("{delivery}", Some(unknown)),
            ("{target}", Some(unknown)),
            ("{notice}", Some(unknown)),
            ("{project}", Some("nothing-of-this-name")),
            ("{queue}", Some("nothing-of-this-name")),
            ("{secret}", Some("NOTHING_OF_THIS_NAME")),
            ("{commit}", None),
            ("{toolchain}", None),
        ] {
            // A queue, or a secret, of any name is made by writing it.
            let is_made = ["{queue}", "{secret}"].contains(&name) && route.method == "PUT";
            if !route.path.contains(name) || is_made || route.is_open() {
                continue;
            }
            checked += 1;
            let target = |value: &str| {
                let with_it = route.path.replace(name, value);
                let rest = with_it.replace("{commit}", COMMIT).replace("{path}", "app");
                let rest = rest.replace("{project}", "known").replace("{secret}", "KNOWN");
                let rest = rest.replace("{toolchain}", "gcc:14");
                ["{delivery}", "{target}", "{notice}"]
                    .iter()
                    .fold(rest, |rest, name| rest.replace(name, unknown))
            };
            for bad in [
                "x",
                "0",
                "-1",
                "%00",
                "%ff",
                "%20",
                "..",
                "01kb0q6m3v8w2t5xj4c9zr7hnd",
                "01KB0Q6M3V8W2T5XJ4C9ZR7HN",
                "81ZZZZZZZZZZZZZZZZZZZZZZZZ",
                "'%20OR%201=1",
                "main",
                "\u{1f600}",
                &"a".repeat(5000),
            ] {
                let bad: String = url::form_urlencoded::byte_serialize(bad.as_bytes())
                    .collect::<String>()
                    .replace("%25", "%")
                    .replace('+', "%20");
                let ask = Ask { target: target(&bad), ..route.ask() };
                let answer = ask.send(farm.address()).await;
                let code = answer.refusal();
                let expected = ["bad_request", "not_found", "method_not_allowed"];
                assert!(expected.contains(&&*code), "{ask:?}: {}", answer.text());
            }
            if let Some(missing) = missing {
                let ask = Ask { target: target(missing), ..route.ask() };
                check(&farm, &ask, 404, "not_found").await;
            }
        }
    }
    assert!(checked >= 14, "{checked}");
    farm.end().await;
}

#[tokio::test]
async fn bodies_that_are_wrong_are_refused() {
    let (farm, _, routes) = Box::pin(routes()).await;
    let deep = |open: &str, close: &str| {
        format!("{{\"source\":{}1{}}}", open.repeat(10_000), close.repeat(10_000)).into_bytes()
    };
    let nul = good_submission().to_string().replace("example", "exam\\u0000ple");
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("no JSON", b"{".to_vec()),
        ("text", b"source".to_vec()),
        ("array", b"[]".to_vec()),
        ("null", b"null".to_vec()),
        ("two", b"{}{}".to_vec()),
        ("unknown field", b"{\"unknown\":1}".to_vec()),
        ("not UTF-8", b"{\"toolchains\":[\"\xff\"]}".to_vec()),
        ("lone surrogate", b"{\"toolchains\":[\"\\ud800\"]}".to_vec()),
        ("deep arrays", deep("[", "]")),
        ("deep objects", deep("{\"a\":", "}")),
        ("NUL", b"{\"toolchains\":[\"a\\u0000b\"]}".to_vec()),
        ("NUL in the URL", nul.into_bytes()),
        ("wrong type", b"{\"toolchains\":7}".to_vec()),
        ("key twice", b"{\"toolchains\":[],\"toolchains\":[]}".to_vec()),
    ];
    let mut checked = 0;
    for route in routes.iter().filter(|route| route.has_body()) {
        checked += 1;
        let bare = || Ask::new(&route.method, route.target.clone());
        for (what, body) in &bodies {
            let answer = bare().json(body.clone()).send(farm.address()).await;
            let code = answer.refusal();
            let expected = ["bad_request", "invalid", "source_refused"];
            assert!(expected.contains(&&*code), "{} {what}: {}", route.path, answer.text());
        }
        let huge = format!("{{\"toolchains\":[\"{}\"]}}", "a".repeat((1 << 20) - 17));
        check(&farm, &bare().json(huge), 413, "too_large").await;
        for kind in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"] {
            let ask = Ask { body: good_body(&route.path).into(), ..bare() };
            let ask = ask.header("content-type", kind);
            check(&farm, &ask, 400, "bad_request").await;
        }
        let ask = Ask { body: good_body(&route.path).into(), ..bare() };
        check(&farm, &ask, 400, "bad_request").await;
    }
    assert!(checked >= 5, "{checked}");
    farm.end().await;
}

#[tokio::test]
async fn unknown_fields_are_refused_at_every_level() {
    let farm = Farm::alone().await;
    for (pointer, field) in [
        ("", "unknown"),
        ("/source", "unknown"),
        ("/source/git", "branch"),
        ("/steps/0", "shell"),
        ("/artifacts", "paths"),
        ("/limits", "wall"),
    ] {
        let mut body = good_submission();
        body["steps"] = json!([{"name": "a", "run": "b"}]);
        body["artifacts"] = json!({});
        body["limits"] = json!({});
        body.pointer_mut(pointer).unwrap()[field] = json!(1);
        let ask = Ask::new("POST", "/api/v1/builds").json(body.to_string());
        let answer = ask.send(farm.address()).await;
        let code = answer.refusal();
        assert!(["invalid", "bad_request"].contains(&&*code), "{pointer}: {}", answer.text());
        // The source is one of several kinds: two of them are one too many.
        assert!(answer.text().contains(field) || pointer == "/source", "{}", answer.text());
    }
    farm.end().await;
}

#[tokio::test]
async fn unknown_query_fields_are_refused_where_there_is_a_query() {
    let (farm, _, routes) = Box::pin(routes()).await;
    let mut checked = 0;
    for route in &routes {
        let parameters = route.operation["parameters"].as_array().cloned().unwrap_or_default();
        if parameters.iter().any(|parameter| parameter["in"] == "query") {
            checked += 1;
            for query in ["unknown=1", "a", "%ff=1", "=", "limit=%ff&stream=%ff"] {
                let ask = Ask { target: format!("{}?{query}", route.target), ..route.ask() };
                check(&farm, &ask, 400, "bad_request").await;
            }
        }
    }
    assert!(checked >= 5, "{checked}");
    farm.end().await;
}

#[tokio::test]
async fn methods_and_paths_that_there_are_not_are_refused() {
    let (farm, agent, routes) = Box::pin(routes()).await;
    for route in &routes {
        let known: Vec<_> = routes
            .iter()
            .filter(|other| other.path == route.path)
            .map(|other| &*other.method)
            .collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
            if !known.contains(&method) {
                let ask = Ask::new(method, route.target.clone());
                let answer = check(&farm, &ask, 405, "method_not_allowed").await;
                assert!(
                    answer.header("allow").is_some_and(|allow| allow.contains(known[0])),
                    "{ask:?}"
                );
            }
        }
        let below = Ask::new(&route.method, format!("{}/nothing", route.target));
        // Below a list are its things by id or by name.
        let is_list = routes.iter().any(|other| {
            let below = other.path.strip_prefix(&*route.path);
            below.is_some_and(|rest| rest.starts_with("/{") && !rest[1..].contains('/'))
        });
        if !route.path.contains("{path}") && !is_list {
            check(&farm, &below, 404, "not_found").await;
        }
    }
    for path in [
        "/api",
        "/api/v1",
        "/api/v2/builds",
        "/api/v1/builds/",
        "//api/v1/builds",
        "/docs/nothing.js",
        "/docs/../api",
        "/agent/v1",
        "/agent/v1/nothing",
        "/%ff",
        "/%00",
        "/.env",
        "/api/v1/openapi.jso",
    ] {
        check(&farm, &Ask::get(path), 404, "not_found").await;
    }
    let token = format!("Bearer {}", agent.token);
    let ask = Ask::get("/agent/v1/claim").header("authorization", &*token);
    check(&farm, &ask, 405, "method_not_allowed").await;
    for path in [
        "jobs/x/attempts/1/renew",
        "jobs/01KB0Q6M3V8W2T5XJ4C9ZR7HND/attempts/x/renew",
        "jobs/01KB0Q6M3V8W2T5XJ4C9ZR7HND/attempts/-1/renew",
    ] {
        let ask = Ask::new("POST", format!("/agent/v1/{path}")).json("{\"wait_ms\":0}");
        check(&farm, &ask.header("authorization", &*token), 400, "bad_request").await;
    }
    let ask = Ask::new("POST", "/agent/v1/jobs/01KB0Q6M3V8W2T5XJ4C9ZR7HND/attempts/1/renew");
    let ask = ask.json("{\"wait_ms\":0}").header("authorization", &*token);
    check(&farm, &ask, 404, "not_found").await;
    let ask =
        Ask::new("PUT", "/agent/v1/jobs/01KB0Q6M3V8W2T5XJ4C9ZR7HND/attempts/1/artifacts/other");
    check(&farm, &ask.header("authorization", &*token), 400, "bad_request").await;
    farm.end().await;
}

#[tokio::test]
async fn the_agent_api_is_as_strict() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let token = format!("Bearer {}", agent.token);
    let status = json!({
        "workers": 1, "busy": 0, "arch": "", "cpus": 1, "memory_bytes": 1, "engine": "",
        "toolchains": [], "version": "1",
    });
    for (body, code) in [
        (json!({}), "invalid"),
        (json!({"claim": "x", "wait_ms": 0, "status": status}), "invalid"),
        (
            json!({"claim": "01KB0Q6M3V8W2T5XJ4C9ZR7HND", "wait_ms": -1, "status": status}),
            "invalid",
        ),
        (json!({"claim": "01KB0Q6M3V8W2T5XJ4C9ZR7HND", "wait_ms": 0, "status": {}}), "invalid"),
    ] {
        let ask = Ask::new("POST", "/agent/v1/claim").json(body.to_string());
        check(&farm, &ask.header("authorization", &*token), 422, code).await;
    }
    let enrollment = format!("Bearer {}", farm.enrollment);
    for (name, protocol, status, code) in [
        (String::new(), 2, 422, "invalid"),
        ("a\0b".to_owned(), 2, 422, "invalid"),
        ("n".repeat(129), 2, 422, "invalid"),
        ("new".to_owned(), 1, 409, "agent_protocol"),
        ("new".to_owned(), 5, 409, "agent_protocol"),
    ] {
        let body = json!({"name": name, "protocol": protocol, "version": "1"}).to_string();
        let ask = Ask::new("POST", "/agent/v1/register").json(body);
        check(&farm, &ask.header("authorization", &*enrollment), status, code).await;
    }
    assert_eq!(farm.rest.agents().await.unwrap().items.len(), 1);
    farm.end().await;
}
