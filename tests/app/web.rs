//! The web page as it is served: by which names, with which rights, and what it may be told. What it does in a
//! browser is tested in `web/e2e`.

use kiln::{
    config::Anonymous,
    model::Verdict,
    protocol::{HistoryView, ProjectView, Retry},
};
use serde_json::{Value, json};

use crate::{
    docs::{description, operations},
    farm::{Farm, Setup, gcc, project},
    raw::{COMPILE_FAILED, Raw},
    script::hello,
    wire::{Answer, Ask},
};

/// As a browser asks for a page.
fn page(path: &str) -> Ask<'static> {
    Ask::get(path).header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
}

#[tokio::test]
async fn every_place_is_the_page_and_every_file_has_its_name_for_ever() {
    let farm = Farm::alone().await;
    let at = farm.address();
    let shown = page("/").send(at).await;
    assert_eq!(shown.status, 200);
    assert_eq!(shown.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(shown.header("cache-control"), Some("no-cache"));
    let policy = shown.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    for part in ["unsafe", "http", "*", "blob:"] {
        assert!(!policy.contains(part), "{policy}");
    }
    for path in ["/builds/x", "/projects/zlib", "/new?url=https://example.org/x", "/there/is/none"]
    {
        assert_eq!(page(path).send(at).await.body, shown.body, "{path}");
    }

    let text = shown.text();
    assert!(!text.contains("compiled without"), "run `./dev web`, then compile this again");
    let loads: Vec<_> = text
        .split(['"'])
        .filter(|part| part.starts_with("/assets/") || ["/theme.js", "/kiln.svg"].contains(part))
        .collect();
    assert!(loads.len() >= 4, "{loads:?}");
    assert!(!text.contains("<style") && !text.contains("http"), "{text}");
    for path in loads {
        let answer = Ask::get(path).send(at).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let kept = answer.header("cache-control").unwrap();
        assert_eq!(kept.contains("immutable"), path.starts_with("/assets/"), "{path}: {kept}");
        let kind = answer.header("content-type").unwrap();
        let end = path.rsplit('.').next().unwrap();
        assert!(kind.contains(match end {
            "js" => "javascript",
            "svg" => "svg",
            _ => "css",
        }));
    }
    farm.end().await;
}

#[tokio::test]
async fn programs_that_have_a_path_wrong_are_told_so() {
    let farm = Farm::alone().await;
    let at = farm.address();
    for ask in [
        Ask::get("/builds/x"),
        page("/api/v1/nothing"),
        page("/api"),
        page("/agent/v1/nothing"),
        page("/assets/gone-0123.js"),
        page("/docs/nothing"),
        page("/metrics/x"),
        Ask::new("POST", "/").header("accept", "text/html"),
        Ask::new("DELETE", "/builds/x").header("accept", "text/html"),
    ] {
        let answer = ask.send(at).await;
        assert_eq!((answer.status, &*answer.refusal()), (404, "not_found"), "{ask:?}");
    }
    farm.end().await;
}

#[tokio::test]
async fn the_page_is_made_for_this_api() {
    let farm = Farm::alone().await;
    let description = description(&farm).await;
    let mut names: Vec<_> = operations(&description)
        .into_iter()
        .map(|(method, path, operation)| {
            let name = operation["operationId"].as_str().map(str::to_owned);
            name.unwrap_or_else(|| panic!("{method} {path} has no name"))
        })
        .collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "each operation has a name of its own");

    let file = format!("{}/web/src/openapi.json", env!("CARGO_MANIFEST_DIR"));
    let now = serde_json::to_string_pretty(&description).unwrap() + "\n";
    if std::env::var_os("KILN_WRITE_TEXTS").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert!(
        kept == description,
        "web/src/openapi.json is old: KILN_WRITE_TEXTS=1 cargo nextest run --test app web::, then \
         `npm run schema` in web"
    );
    farm.end().await;
}

/// Whether a browser would let a page of this origin have the answer, with its cookie.
fn is_let_in(answer: &Answer, origin: &str) -> bool {
    answer.header("access-control-allow-origin") == Some(origin)
        && answer.header("access-control-allow-credentials") == Some("true")
}

#[tokio::test]
async fn the_page_may_be_served_from_other_origins_that_are_listed_and_from_no_others() {
    const OURS: &str = "https://ci.example.org";
    let mut setup = Setup { agents: 0, ..Setup::default() };
    setup.settings.web.origins = vec![OURS.to_owned().try_into().unwrap()];
    let farm = Farm::with(setup, crate::farm::nothing).await;
    let at = farm.address();
    let token = farm
        .rest
        .make_token(&serde_json::from_value(json!({"name": "page", "role": "admin"})).unwrap())
        .await
        .unwrap()
        .token;
    let mut farm = farm;
    farm.change_settings(|settings| settings.server.anonymous = Anonymous::Nothing).await;
    let from = |ask: Ask<'static>, origin: &str, site: &str| {
        ask.header("origin", origin.to_owned()).header("sec-fetch-site", site.to_owned())
    };
    let asks_before = |origin| {
        Ask::new("OPTIONS", "/api/v1/projects")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-kiln-page")
    };
    assert!(is_let_in(&asks_before(OURS).send(at).await, OURS));
    for other in
        ["https://evil.example", "http://ci.example.org", "https://ci.example.org:444", "null"]
    {
        let answer = asks_before(other).send(at).await;
        assert!(answer.header("access-control-allow-origin").is_none(), "{other}");
    }
    let sign_in = |origin| {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        let body = json!({"token": BASE64_STANDARD.encode(&token)}).to_string();
        from(Ask::new("POST", "/api/v1/session").json(body), origin, "same-site")
    };
    assert_eq!(sign_in("https://evil.example").send(at).await.status, 403);
    let answer = sign_in(OURS).send(at).await;
    assert!(answer.status == 200 && is_let_in(&answer, OURS), "{answer:?}");
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let add = |name: &str, origin, site| {
        let ask = Ask::new("POST", "/api/v1/projects").json(json!({"name": name}).to_string());
        from(ask.header("cookie", cookie.clone()).header("x-kiln-page", "1"), origin, site)
    };
    assert_eq!(add("one", OURS, "same-site").send(at).await.status, 201);
    assert_eq!(add("two", "https://evil.example", "same-site").send(at).await.status, 403);
    // Reading, too: without the origin's name no browser gives the answer to the page.
    let read =
        from(Ask::get("/api/v1/projects").header("cookie", cookie.clone()), OURS, "same-site");
    assert!(is_let_in(&read.send(at).await, OURS));
    farm.change_settings(|settings| {
        settings.web.origins.clear();
        settings.server.anonymous = Anonymous::Admin;
    })
    .await;
    let answer = asks_before(OURS).send(farm.address()).await;
    assert!(answer.header("access-control-allow-origin").is_none());
    farm.end().await;
}

#[tokio::test]
async fn a_history_has_the_newest_job_of_each_leg_in_figures() {
    let farm = Farm::alone().await;
    let add = json!({"name": "zlib", "url": "https://example.org/x"}).to_string();
    let add = Ask::new("POST", "/api/v1/projects").json(add).send(farm.address()).await;
    let project: ProjectView = serde_json::from_slice(&add.body).unwrap();
    let agent = Raw::new(&farm, "a").await;
    let of = |more: Value| {
        let mut all = json!({"project": project.name});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let (first, leg) = agent.leg(&farm, of(json!({}))).await;
    agent.end(&leg, Verdict::Success).await;
    let (second, leg) = agent.leg(&farm, of(json!({"toolchains": ["clang:19"]}))).await;
    agent.end(&leg, COMPILE_FAILED).await;
    farm.rest.retry_build(second.id, &Retry::default()).await.unwrap();
    let again = agent.claim().await.unwrap();
    agent.end(&again, Verdict::Success).await;
    let running = farm.submit_raw(of(json!({}))).await;
    let history = async |query: &str| -> HistoryView {
        let path = format!("/api/v1/projects/zlib/history{query}");
        serde_json::from_slice(&Ask::get(path).send(farm.address()).await.body).unwrap()
    };
    let seen = history("").await;
    let ids: Vec<_> = seen.builds.iter().map(|build| build.build).collect();
    // The clock stands still here: two builds of one moment have no order.
    assert_eq!(ids.len(), 2, "what runs is not in it");
    assert!(ids.contains(&first.id) && ids.contains(&second.id));
    let past = seen.builds.iter().find(|build| build.build == second.id).unwrap();
    assert_eq!(past.jobs.len(), 1, "what was tried again is not in it: {past:?}");
    assert_eq!(past.jobs[0].job, again.job);
    assert_eq!(past.jobs[0].outcome, kiln::model::Outcome::Success);
    assert_eq!(history("?limit=1").await.builds.len(), 1);
    assert_eq!(history("?branch=nothing").await.builds.len(), 0);
    for query in ["?limit=0", "?limit=201", "?what=1"] {
        let path = format!("/api/v1/projects/zlib/history{query}");
        Ask::get(path).send(farm.address()).await.refusal();
    }
    assert_eq!(Ask::get("/api/v1/projects/none/history").send(farm.address()).await.status, 404);
    farm.rest.cancel_build(running.id).await.unwrap();
    farm.end().await;
}

#[tokio::test]
async fn builds_are_found_by_their_branch() {
    let farm = Farm::new(|_| hello()).await;
    let repo = project([]);
    let on_main = farm.submit_with(&repo, json!({"toolchains": [gcc()]})).await;
    farm.finished(on_main.id).await;
    let of = async |query: &str| {
        let path = format!("/api/v1/builds?branch={query}");
        let answer = Ask::get(path).send(farm.address()).await.json();
        answer["items"].as_array().unwrap().len()
    };
    assert_eq!(of("main").await, 1);
    assert_eq!(of("refs/heads/main").await, 1);
    assert_eq!(of("mai").await, 0);
    assert_eq!(of("refs/tags/main").await, 0);
    assert_eq!(of("%25").await, 0);
    farm.end().await;
}
