//! Secrets in a real build: its step has them, and nothing else on this machine does.
//!
//! The values are canaries: they are looked for in every answer, log, file and process while the build
//! runs and afterwards.

use std::{fs, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kiln::{
    model::Outcome,
    protocol::{BuildFilter, LogQuery},
};
use serde_json::Value;

use super::{
    canary::Canaries,
    program::{command, run},
    support::repo::{Entry, Repo},
    world::{Plan, with_plan},
};

const TOKEN: &str = "canary-of-a-token-Zq7Xv";
const KEY: &str = "-----BEGIN CANARY-----\nq9WfUk2LmN8pRtYx\n-----END CANARY-----\n";

/// Steps that show what they have: the first gets nothing, the second everything.
const RECIPE: &str = r#"
[[step]]
name = "compile"
run = '''
cc -o app main.c
echo "compile has [${TOKEN-}] [${KEY-}]"; echo compile waits; sleep 3
'''
[[step]]
name = "deploy"
run = '''
printf '%s' "$TOKEN" | cksum; cksum <"$KEY"
echo "token: $TOKEN"; echo "$TOKEN" >&2
printf canary-of; sleep 0.3; printf -- -a-token; sleep 0.3; printf -- '-Zq7Xv\n'
printf %s "$TOKEN" | base64; printf "user:$TOKEN" | base64; printf %s "$TOKEN" | od -An -tx1 | tr -d ' \n'; echo
cat "$KEY"; base64 <"$KEY"; env
cp "$KEY" kept; cat /proc/1/cmdline /proc/self/cmdline | tr '\0' ' '
echo; echo deploy waits; sleep 3
'''
[artifacts]
include = ["app"]
"#;

/// What must be nowhere: the values, and what is left of them in base 64 and hexadecimal.
fn canaries() -> Canaries {
    let encoded = BASE64_STANDARD.encode(TOKEN);
    let line = KEY.lines().nth(1).unwrap();
    let shifted = &BASE64_STANDARD.encode(format!("user:{TOKEN}"))[8..32];
    Canaries::new([
        TOKEN.to_owned(),
        line.to_owned(),
        encoded[..24].to_owned(),
        shifted.to_owned(),
        hex::encode(TOKEN),
        BASE64_STANDARD.encode(KEY)[..40].to_owned(),
    ])
}

#[track_caller]
fn has_none(what: &str, bytes: &[u8]) {
    canaries().are_not_in(what, bytes);
}

#[test]
fn a_secret_is_in_its_step_and_nowhere_else() {
    let plan = Plan {
        env: &[("KILN_SERVER_LOG", "trace"), ("KILN_SERVER_LOG_FORMAT", "json")],
        ..Plan::default()
    };
    let repo = Repo::with([
        Entry::file(".kiln.toml", RECIPE),
        Entry::file("main.c", "int main(void) { return 0; }\n"),
    ]);
    with_plan(plan, |farm| {
        farm.kiln(["project", "add", "mine", &repo.url()]).exits(0);
        let line = ["secret", "set", "mine", "TOKEN", "--step", "deploy"];
        farm.kiln_with(&line, &format!("{TOKEN}\n")).exits(0);
        let line = ["secret", "set", "mine", "KEY", "--step", "deploy", "--as-file"];
        farm.kiln_with(&line, KEY).exits(0);
        let shown = farm.kiln(["secret", "list", "mine"]).exits(0).text();
        assert!(shown.contains("TOKEN") && shown.contains("deploy"), "{shown}");
        has_none("the list", shown.as_bytes());

        let build = farm.submit(&[&repo.url(), "-t", "gcc:14"]);
        let job = farm.wrote(build, "compile waits").summary.id;
        assert_eq!(canaries().processes_with("environ"), Vec::<String>::new());
        assert_eq!(canaries().processes_with("cmdline"), Vec::<String>::new());
        let containers = farm.running();
        assert_eq!(containers.len(), 2);
        for container in &containers {
            let inspect = run(
                command("docker").args(["inspect", container]),
                Vec::new(),
                Duration::from_secs(30),
            );
            has_none("what the engine knows", inspect.exits(0).text().as_bytes());
        }
        farm.wrote(build, "deploy waits");
        assert_eq!(canaries().processes_with("cmdline"), Vec::<String>::new());
        let own = canaries().processes_with("environ");
        assert!(!own.is_empty(), "the step has it");
        for process in &own {
            assert!(process.contains("docker") || process.contains("/kiln"), "{process}");
        }

        let ended = farm.ended(build);
        assert_eq!(ended.outcome, Some(Outcome::Success), "{ended:?}");
        let log = farm.log_of(job, 1);
        assert!(log.contains("compile has [] []"), "{log}");
        // What the steps got is exactly what was set.
        let sums = run(
            command("sh").args([
                "-c",
                "printf %s \"$1\" | cksum; printf %s \"$2\" | cksum",
                "sh",
                TOKEN,
                KEY,
            ]),
            Vec::new(),
            Duration::from_secs(30),
        );
        for sum in sums.exits(0).text().lines() {
            assert!(log.contains(sum), "{sum}: {log}");
        }
        assert!(
            log.contains("token: ***\n") && log.contains("KEY=/tmp/.kiln-secrets/KEY"),
            "{log}"
        );
        assert!(log.lines().any(|line| line == "***"), "{log}");
        has_none("the log", log.as_bytes());

        for (what, query) in [
            ("html", LogQuery::default()),
            (
                "stderr",
                LogQuery { stream: Some(kiln::model::Stream::Stderr), ..LogQuery::default() },
            ),
        ] {
            let bytes = farm.ask(|rest| async move {
                let mut bytes = Vec::new();
                rest.log(job, &query, &mut bytes).await.map(|_| bytes)
            });
            has_none(what, &bytes);
        }
        let paths = [
            format!("api/v1/builds/{build}"),
            format!("api/v1/jobs/{job}"),
            format!("api/v1/jobs/{job}/manifest"),
            format!("api/v1/jobs/{job}/diagnostics"),
            format!("api/v1/jobs/{job}/diagnostics?format=sarif"),
            "api/v1/projects/mine".to_owned(),
            "api/v1/projects/mine/secrets".to_owned(),
            "api/v1/audit".to_owned(),
            "api/v1/agents".to_owned(),
        ];
        for path in paths {
            let answer: Value = farm.ask(|rest| {
                let path = path.clone();
                async move { rest.get(&path).await }
            });
            has_none(&path, answer.to_string().as_bytes());
        }
        let builds = farm.ask(|rest| async move { rest.builds(&BuildFilter::default()).await });
        has_none("the list of builds", format!("{builds:?}").as_bytes());
        let followed = farm.kiln(["log", &job.to_string()]).exits(0);
        has_none("what the command line prints", &followed.stdout);

        // Everything that the server and its agent have written: the database, the log at its finest,
        // sealed logs, artifacts, mirrors.
        let data = farm.scratch("data");
        assert!(canaries().are_not_below(&data) > 10);
        let log = fs::read(farm.scratch("server.log")).unwrap();
        assert!(log.windows(7).any(|part| part == b"\"TRACE\""), "it is at its finest");
        has_none("the server's log", &log);
    });
}
