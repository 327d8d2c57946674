//! Credentials of projects and forges, on a real farm: they do what they are for, and are nowhere else.

use std::fs;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kiln::{model::Outcome, protocol::BuildFilter};
use serde_json::Value;

use super::{
    canary::Canaries,
    git::Repos,
    git_server::HttpGit,
    world::{Plan, with_plan},
};

const TOKEN: &str = "canary-of-a-login-Xw3Pq8";
const HOOK: &str = "canary-of-a-webhook-Kb7Tz2";
const FORGE: &str = "canary-of-a-forge-Hn5Vd9";
/// `Basic` of `git` with the token.
const WANTED: &str = "Basic Z2l0OmNhbmFyeS1vZi1hLWxvZ2luLVh3M1BxOA==";

fn canaries() -> Canaries {
    let texts = [TOKEN, HOOK, FORGE];
    let encoded = texts.map(|text| BASE64_STANDARD.encode(text)[..24].to_owned());
    let shifted = WANTED["Basic ".len() + 8..WANTED.len() - 4].to_owned();
    Canaries::new(texts.map(str::to_owned).into_iter().chain(encoded).chain([shifted]))
}

#[test]
fn credentials_open_what_they_are_for_and_are_nowhere_else() {
    assert_eq!(WANTED, format!("Basic {}", BASE64_STANDARD.encode(format!("git:{TOKEN}"))));
    let plan = Plan {
        env: &[
            ("KILN_SERVER_LOG", "trace"),
            ("KILN_SERVER_LOG_FORMAT", "json"),
            ("KILN_SOURCE_SCHEMES", "https,http"),
        ],
        ..Plan::default()
    };
    let repos = Repos::new();
    let main = b"#include <stdio.h>\nint main(void) { return puts(\"hello\") < 0; }\n";
    let makefile = b"app: main.c\n\tenv; cat /proc/self/cmdline; cc -o app main.c; sleep 2\n";
    let files = [("100644", "Makefile", &makefile[..]), ("100644", "main.c", &main[..])];
    let commit = repos.commit("mine", "main", &files);
    let git = HttpGit::start(repos.root(), Some(WANTED));
    with_plan(plan, |farm| {
        let canaries = canaries();
        let host = format!("127.0.0.1:{}", git.server.port);
        farm.kiln(["project", "add", "mine", &git.url("mine")]).exits(0);
        let line = ["credential", "set", "mine", "--host", &host, "--plain-http"];
        farm.kiln_with(&line, &format!("{TOKEN}\n")).exits(0);
        let secret = farm.scratch("hook");
        fs::write(&secret, HOOK).unwrap();
        let set = farm.kiln(["hook", "set", "mine", "--from", secret.to_str().unwrap()]).exits(0);
        canaries.are_not_in("what is said of the webhook", &set.stdout);
        // Nobody is there: it is tried, and why it failed is written down.
        let url = format!("http://{host}/nobody");
        farm.kiln_with(&["notify", "add", "mine", "gitea", "--url", &url], FORGE).exits(0);
        farm.kiln(["watch", "mine", "-t", "gcc:14"]).exits(0);
        let mut build = None;
        for _ in 0..600 {
            let page = farm.ask(|rest| async move { rest.builds(&BuildFilter::default()).await });
            build = page.items.first().map(|build| build.id);
            assert_eq!(canaries.processes_with("cmdline"), Vec::<String>::new());
            if build.is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let build = build.expect("the watched repository is built");
        let ended = farm.ended(build);
        assert_eq!((ended.outcome, ended.commit.as_str()), (Some(Outcome::Success), &*commit));
        assert_eq!(canaries.processes_with("cmdline"), Vec::<String>::new());
        assert_eq!(canaries.processes_with("environ"), Vec::<String>::new());
        for path in [
            format!("api/v1/builds/{build}"),
            "api/v1/projects/mine".to_owned(),
            "api/v1/projects/mine/watch".to_owned(),
            "api/v1/projects/mine/refs".to_owned(),
            "api/v1/projects/mine/login".to_owned(),
            "api/v1/projects/mine/hook".to_owned(),
            "api/v1/projects/mine/deliveries".to_owned(),
            "api/v1/projects/mine/targets".to_owned(),
            "api/v1/projects/mine/notices".to_owned(),
            "api/v1/audit".to_owned(),
        ] {
            let answer: Value = farm.ask(|rest| {
                let path = path.clone();
                async move { rest.get(&path).await }
            });
            canaries.are_not_in(&path, answer.to_string().as_bytes());
        }
        let job = farm.only_job(build).summary.id;
        canaries.are_not_in("the log", farm.log_of(job, 1).as_bytes());
        fs::remove_file(&secret).unwrap();
        assert!(canaries.are_not_below(&farm.scratch("data")) > 10);
        let log = fs::read(farm.scratch("server.log")).unwrap();
        assert!(log.windows(7).any(|part| part == b"\"TRACE\""), "it is at its finest");
        canaries.are_not_in("the server's log", &log);
        assert!(git.seen.lock().unwrap().iter().any(|header| header.as_deref() == Some(WANTED)));
    });
}
