//! Who may what: every route with every kind of token, and what a token for some projects shows.
//!
//! The table of routes is the API's own description, which says of each what it needs.

use std::time::Duration;

use kiln::{
    client::{ClientError, Rest},
    config::Anonymous,
    model::{ProjectName, Role, Verdict},
    protocol::{
        AuditFilter, BuildFilter, ChangeProject, MadeToken, NewProject, NewToken, SubmitBuild,
    },
};
use serde_json::{Value, json};

use crate::{
    farm::{COMMIT, Farm, Setup, nothing},
    program::{kiln, run},
    raw::Raw,
    strict::{Route, routes},
    wire::{Answer, Ask, Heard},
};

fn new(name: &str, role: Role, projects: Option<&[&str]>) -> NewToken {
    NewToken {
        name: name.parse().unwrap(),
        owner: None,
        role,
        projects: projects.map(|names| names.iter().map(|name| name.parse().unwrap()).collect()),
        expires_in_seconds: None,
        never_expires: false,
    }
}

async fn make(farm: &Farm, name: &str, role: Role, projects: Option<&[&str]>) -> MadeToken {
    farm.rest.make_token(&new(name, role, projects)).await.unwrap()
}

async fn with(farm: &Farm, route: &Route, token: &str) -> Answer {
    route.ask().header("authorization", format!("Bearer {token}")).send(farm.address()).await
}

/// What a route says that it needs.
fn need(route: &Route) -> &str {
    let needs = &route.operation["security"][0]["token"][0];
    needs.as_str().unwrap_or_else(|| panic!("{} {} says nothing", route.method, route.path))
}

fn client(farm: &Farm, token: &str) -> Rest {
    Rest::new(&farm.url(), Some(token.to_owned())).unwrap()
}

#[tokio::test]
async fn every_route_takes_the_tokens_it_says_and_no_other() {
    let (farm, agent, routes) = Box::pin(routes()).await;
    let rank = |need: &str| match need {
        "read" => 0,
        "submit" => 1,
        "admin" => 2,
        other => panic!("there is no role {other}"),
    };
    let mut short = new("short", Role::Admin, None);
    short.expires_in_seconds = Some(1);
    let expired = farm.rest.make_token(&short).await.unwrap().token;
    farm.time.advance(Duration::from_secs(2));
    let revoked = make(&farm, "revoked", Role::Admin, None).await;
    farm.rest.revoke_token(revoked.made.id).await.unwrap();
    let good = make(&farm, "good", Role::Admin, None).await.token;
    let cut = &good[..good.len() - 1];
    let foreign = format!("{}{}", &good[..good.len() - 4], "AAAA");
    let unknown = good.replacen(&good[5..31], "01KB0Q6M3V8W2T5XJ4C9ZR7HND", 1);
    let bad = [
        (&*expired, "has expired"),
        (&*revoked.token, "was revoked"),
        (cut, "is cut off"),
        (&*foreign, "is not valid here"),
        (&*unknown, "is not valid here"),
        (&*farm.enrollment, "is not valid here"),
        ("nobody", "is not valid here"),
    ];
    let roles = [
        (make(&farm, "r", Role::Read, None).await.token, 0),
        (make(&farm, "s", Role::Submit, None).await.token, 1),
        (good.clone(), 2),
    ];
    let admin = std::fs::read_to_string(farm.server_data().join("admin-token")).unwrap();
    let mut checked = 0;
    // What removes things comes last, so that the others have something to ask for.
    let mut ordered: Vec<&Route> = routes.iter().filter(|route| !route.is_open()).collect();
    ordered.sort_by_key(|route| route.method == "DELETE");
    for route in ordered {
        let needed = rank(need(route));
        for (token, sentence) in bad {
            let answer = with(&farm, route, token).await;
            assert_eq!(
                (answer.status, &*answer.refusal()),
                (401, "unauthorized"),
                "{}",
                route.path
            );
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert!(answer.text().contains(sentence), "{sentence}: {}", answer.text());
        }
        let answer = with(&farm, route, &agent.token).await;
        assert_eq!((answer.status, &*answer.refusal()), (403, "forbidden"), "{}", route.path);
        for (token, rank) in &roles {
            let answer = with(&farm, route, token).await;
            let is_let_in = ![401, 403].contains(&answer.status);
            assert_eq!(
                is_let_in,
                *rank >= needed,
                "{} {}: {}",
                route.method,
                route.path,
                answer.status
            );
            checked += 1;
        }
        let answer = with(&farm, route, &admin).await;
        assert!(![401, 403].contains(&answer.status), "{} {}", route.method, route.path);
    }
    assert!(checked >= 90, "{checked}");
    for build in farm.rest.builds(&BuildFilter::default()).await.unwrap().items {
        let _ = farm.rest.cancel_build(build.id).await;
    }
    farm.end().await;
}

/// A farm with two projects, each with one finished build of the same commit.
struct Two {
    farm: Farm,
    builds: [String; 2],
    jobs: [String; 2],
}

async fn two() -> Two {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (mut builds, mut jobs) = (Vec::new(), Vec::new());
    for name in ["mine", "other"] {
        let url = Some(format!("https://example.org/{name}"));
        farm.rest
            .add_project(&NewProject { name: Some(name.parse().unwrap()), url })
            .await
            .unwrap();
        let build = submit(&farm.rest, &format!("https://example.org/{name}"), json!({})).await;
        let build = build.unwrap();
        assert_eq!(build.project, Some(name.parse().unwrap()));
        agent.plan().await;
        let leg = agent.claim().await.expect("a leg waits");
        agent.end(&leg, Verdict::Success).await;
        builds.push(build.id.to_string());
        jobs.push(leg.job.to_string());
    }
    let both = |list: Vec<String>| <[String; 2]>::try_from(list).unwrap();
    Two { farm, builds: both(builds), jobs: both(jobs) }
}

async fn submit(
    rest: &Rest,
    url: &str,
    mut more: Value,
) -> Result<kiln::protocol::Build, ClientError> {
    more["source"] = json!({"git": {"url": url, "commit": COMMIT}});
    let request: SubmitBuild = serde_json::from_value(more).unwrap();
    rest.submit(&request, &format!("{:032x}", rand::random::<u128>())).await
}

#[tokio::test]
async fn a_token_for_a_project_shows_nothing_of_another() {
    let Two { farm, builds, jobs } = Box::pin(two()).await;
    let token = make(&farm, "m", Role::Submit, Some(&["mine"])).await.token;
    let rest = client(&farm, &token);
    let list = rest.builds(&BuildFilter::default()).await.unwrap().items;
    assert_eq!(list.iter().map(|build| build.id.to_string()).collect::<Vec<_>>(), [&*builds[0]]);
    let named =
        |name: &str| BuildFilter { project: Some(name.parse().unwrap()), ..BuildFilter::default() };
    assert_eq!(rest.builds(&named("mine")).await.unwrap().items.len(), 1);
    assert_eq!(rest.builds(&named("other")).await.unwrap_err().code(), Some("not_found"));
    let projects = rest.projects().await.unwrap().items;
    assert_eq!(projects.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["mine"]);

    // Every route that names a build, a job or a project: there, but not for this token.
    let [_, build] = &builds;
    let [_, job] = &jobs;
    let mut checked = 0;
    for (method, path, _) in crate::docs::operations(&crate::docs::description(&farm).await) {
        let names = ["{build}", "{job}", "{project}"];
        let is_signed = method == "POST" && path.ends_with("/hook");
        if is_signed || !names.iter().any(|name| path.contains(name)) {
            continue;
        }
        let target = path.replace("{build}", build).replace("{job}", job);
        let target = target.replace("{project}", "other").replace("{path}", "app");
        // Other parameters do not matter: what is above them is not there.
        let target = target.replace(['{', '}'], "");
        let ask = Ask::new(&method, target).header("authorization", format!("Bearer {token}"));
        let answer = ask.json("{}").send(farm.address()).await;
        assert!([403, 404].contains(&answer.status), "{method} {path}: {}", answer.text());
        checked += 1;
    }
    assert!(checked >= 12, "{checked}");

    // The same commit has something for each of them.
    let all = farm.rest.get::<Value>(&format!("api/v1/artifacts/{COMMIT}")).await.unwrap();
    let mine = rest.get::<Value>(&format!("api/v1/artifacts/{COMMIT}")).await.unwrap();
    assert_eq!(all["jobs"].as_array().unwrap().len(), 0, "they kept nothing");
    assert_eq!(mine["jobs"].as_array().unwrap().len(), 0);

    // What it may build.
    let refused = submit(&rest, "https://example.org/third", json!({})).await.unwrap_err();
    assert_eq!(refused.code(), Some("forbidden"));
    let refused = submit(&rest, "https://example.org/other", json!({})).await.unwrap_err();
    assert_eq!(refused.code(), Some("forbidden"));
    let named = json!({"project": "mine"});
    let refused = submit(&rest, "https://example.org/third", named.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Some("invalid"), "{refused}");
    let build = submit(&rest, "https://example.org/mine", named).await.unwrap();
    assert_eq!(build.created_by, "user:m");
    rest.cancel_build(build.id).await.unwrap();
    farm.end().await;
}

#[tokio::test]
async fn events_of_other_projects_are_not_heard() {
    let Two { farm, .. } = Box::pin(two()).await;
    let token = make(&farm, "m", Role::Read, Some(&["mine"])).await.token;
    let mut heard = Heard::open(farm.address(), "/api/v1/events", &token).await;
    let other = submit(&farm.rest, "https://example.org/other", json!({})).await.unwrap();
    let mine = submit(&farm.rest, "https://example.org/mine", json!({})).await.unwrap();
    for name in ["other", "mine"] {
        let change = ChangeProject { name: Some(format!("{name}2").parse().unwrap()), url: None };
        farm.rest.change_project(&name.parse().unwrap(), &change).await.unwrap();
    }
    for build in [&other, &mine] {
        farm.rest.cancel_build(build.id).await.unwrap();
    }
    let text = heard.until(&format!("\"build\":\"{}\",\"state\":\"finished\"", mine.id)).await;
    assert!(!text.contains(&other.id.to_string()), "{text}");
    let named = async |name: &str| farm.rest.project(&name.parse().unwrap()).await.unwrap().id;
    assert!(text.contains(&format!("\"project\":\"{}\"", named("mine2").await)), "{text}");
    assert!(!text.contains(&named("other2").await.to_string()), "{text}");
    farm.end().await;
}

#[tokio::test]
async fn an_administrator_of_a_project_administers_that_and_nothing_else() {
    let (farm, _, routes) = Box::pin(routes()).await;
    let other = NewProject { name: Some("theirs".parse().unwrap()), url: None };
    farm.rest.add_project(&other).await.unwrap();
    let token = make(&farm, "m", Role::Admin, Some(&["known"])).await.token;
    for route in routes.iter().filter(|route| !route.is_open() && need(route) == "admin") {
        let names_project = route.path.contains("{project}");
        let answer = with(&farm, route, &token).await;
        if !names_project && !route.path.contains("{build}") && !route.path.contains("{job}") {
            assert_eq!(answer.status, 403, "{} {}", route.method, route.path);
        }
        if names_project {
            let target = route.path.replace("{project}", "theirs").replace(['{', '}'], "");
            let ask = Ask::new(&route.method, target).json("{}");
            let ask = ask.header("authorization", format!("Bearer {token}"));
            let answer = ask.send(farm.address()).await;
            assert_eq!(answer.status, 404, "{} {}", route.method, route.path);
        }
    }
    farm.end().await;
}

#[tokio::test]
async fn what_is_changed_and_what_is_refused_stands_in_the_audit_log() {
    let mut setup = Setup { agents: 0, manual: true, ..Setup::default() };
    setup.settings.server.anonymous = Anonymous::Read;
    let mut farm = Farm::with(setup, nothing).await;
    let admin = std::fs::read_to_string(farm.server_data().join("admin-token")).unwrap();
    farm.rest = client(&farm, &admin);
    let made = make(&farm, "laptop", Role::Submit, None).await;
    let alice = client(&farm, &made.token);
    let build = submit(&alice, "https://example.org/x", json!({})).await.unwrap();
    alice.cancel_build(build.id).await.unwrap();
    let refused = alice.make_token(&new("more", Role::Admin, None)).await.unwrap_err();
    assert_eq!(refused.code(), Some("forbidden"));
    // Reading is not written down, nor is who cannot say who they are.
    alice.builds(&BuildFilter::default()).await.unwrap();
    let nobody = client(&farm, "nobody").make_token(&new("more", Role::Admin, None)).await;
    assert_eq!(nobody.unwrap_err().code(), Some("unauthorized"));
    let anonymous = Rest::new(&farm.url(), None).unwrap();
    anonymous.builds(&BuildFilter::default()).await.unwrap();
    let refused = anonymous.cancel_build(build.id).await.unwrap_err();
    assert_eq!(refused.code(), Some("forbidden"));

    let lines = farm.rest.audit(&AuditFilter::default()).await.unwrap().items;
    let mut lines: Vec<_> = lines
        .iter()
        .map(|line| (&*line.actor, &*line.action, &*line.object, line.status))
        .collect();
    // Those of one millisecond come in any order.
    lines.sort_unstable();
    let at = format!("/api/v1/builds/{}", build.id);
    let cancel = "POST /api/v1/builds/{build}/cancel";
    assert_eq!(
        lines,
        [
            ("anonymous", cancel, &*format!("{at}/cancel"), 403),
            ("local", "POST /api/v1/tokens", "/api/v1/tokens", 201),
            ("user:laptop", "POST /api/v1/builds", &*at, 201),
            ("user:laptop", cancel, &*format!("{at}/cancel"), 200),
            ("user:laptop", "POST /api/v1/tokens", "/api/v1/tokens", 403),
        ]
    );
    let mut filter =
        AuditFilter { actor: Some("user:laptop".into()), limit: Some(2), ..AuditFilter::default() };
    let page = farm.rest.audit(&filter).await.unwrap();
    filter.cursor = Some(page.next.unwrap().parse().unwrap());
    let rest = farm.rest.audit(&filter).await.unwrap();
    assert_eq!((page.items.len(), rest.items.len(), rest.next), (2, 1, None));
    assert!(page.items.iter().all(|line| line.token == Some(made.made.id)));
    assert!(page.items.iter().all(|line| line.address == "127.0.0.1" && !line.request.is_empty()));
    farm.end().await;
}

#[tokio::test]
async fn who_sends_too_much_waits_and_nobody_else() {
    let mut setup = Setup { agents: 0, ..Setup::default() };
    setup.settings.server.failures_per_minute = 5.try_into().unwrap();
    setup.settings.server.requests_per_second = 1.try_into().unwrap();
    setup.settings.server.streams_per_account = 2.try_into().unwrap();
    let farm = Farm::with(setup, nothing).await;
    let token = make(&farm, "busy", Role::Read, None).await.token;
    let other = make(&farm, "calm", Role::Read, None).await.token;
    let ask = |target: &'static str, token: &str| {
        let ask = Ask::get(target).header("authorization", format!("Bearer {token}"));
        let address = farm.address();
        async move { ask.send(address).await }
    };
    let mut seen = Vec::new();
    for _ in 0..8 {
        seen.push(ask("/api/v1/builds", "nobody").await.status);
    }
    assert_eq!(seen, [401, 401, 401, 401, 401, 429, 429, 429]);
    assert_eq!(ask("/api/v1/builds", &token).await.status, 200, "a token that is one still is");
    let mut refused = None;
    for _ in 0..40 {
        let answer = ask("/api/v1/builds", &token).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("ten at once are a burst, forty are too many");
    assert_eq!(refused.refusal(), "too_many");
    assert!(refused.header("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok()));
    assert_eq!(ask("/api/v1/builds", &other).await.status, 200);
    let first = Heard::open(farm.address(), "/api/v1/events", &other).await;
    let second = Heard::open(farm.address(), "/api/v1/events", &other).await;
    assert_eq!(ask("/api/v1/events", &other).await.status, 429);
    drop((first, second));
    farm.end().await;
}

#[tokio::test]
async fn tokens_are_handled_on_the_command_line_and_the_administrators_is_found() {
    let mut setup = Setup { agents: 0, manual: false, ..Setup::default() };
    setup.settings.server.anonymous = Anonymous::Nothing;
    let mut farm = Farm::with(setup, nothing).await;
    let admin = std::fs::read_to_string(farm.server_data().join("admin-token")).unwrap();
    farm.rest = client(&farm, &admin);
    let here = |words: &[&str]| {
        let mut command = kiln(&farm.url(), words);
        command.env("KILN_DATA", farm.server_data());
        command
    };
    let ran = run(kiln(&farm.url(), &["builds"])).await;
    assert!(ran.code == Some(2) && ran.err.contains("admin-token"), "{ran:?}");
    let ran = run(here(&["whoami"])).await;
    assert_eq!((ran.code, &*ran.text()), (Some(0), "local: admin everywhere\n"), "{ran:?}");
    let ran = run(here(&["project", "add", "zlib", "https://example.org/zlib.git"])).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let words = ["token", "create", "laptop", "--owner", "alice", "--role", "read"];
    let ran = run(here(&[&words[..], &["--project", "zlib", "--expires", "30d"]].concat())).await;
    assert!(ran.code == Some(0) && ran.err.contains("It ends "), "{ran:?}");
    let token = ran.text().trim().to_owned();
    let ran = run(here(&words)).await;
    assert!(ran.code == Some(2) && ran.err.contains("alice has a token laptop"), "{ran:?}");
    let with_token = |words: &[&str]| {
        let mut command = kiln(&farm.url(), words);
        command.env("KILN_TOKEN", &token);
        command
    };
    let ran = run(with_token(&["whoami"])).await;
    assert_eq!((ran.code, &*ran.text()), (Some(0), "user:alice: read in zlib\n"), "{ran:?}");
    let ran = run(with_token(&["token", "list"])).await;
    assert!(ran.code == Some(2) && ran.err.contains("lets its owner read"), "{ran:?}");
    let ran = run(here(&["token", "list"])).await;
    assert!(ran.text().contains("alice/laptop") && !ran.text().contains(&token), "{ran:?}");
    let ran = run(here(&["token", "revoke", "alice/laptop"])).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = run(with_token(&["whoami"])).await;
    assert!(ran.code == Some(2) && ran.err.contains("was revoked"), "{ran:?}");
    let ran = run(here(&["audit"])).await;
    assert!(ran.text().contains("POST /api/v1/projects/zlib"), "{ran:?}");
    for (words, sentence) in [
        (&["token", "create", "x", "--role", "owner"][..], "roles are read, submit, admin"),
        (&["token", "create", "x", "--role", "agent"], "kiln agents enroll"),
        (&["token", "create", "x", "--role", "read", "--project", "gone"], "there is no project"),
        (&["token", "revoke", "bob/x"], "there is no token"),
    ] {
        let ran = run(here(words)).await;
        assert!(ran.code == Some(2) && ran.err.contains(sentence), "{words:?}: {ran:?}");
    }
    let name: ProjectName = "zlib".parse().unwrap();
    farm.rest.remove_project(&name).await.unwrap();
    farm.end().await;
}
