//! Forges: what they tell a project, and what they are told.

use std::sync::{Arc, Mutex};

use kiln::{
    forge::SharedSecret,
    model::{Outcome, ProjectName, PullRequests, SecretValue, TargetKind, Verdict, WatchRules},
    protocol::{BuildFilter, NewProject, NewTarget, NoticeView, PutHook},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use crate::{
    farm::{Farm, Setup, eventually, project},
    program::{kiln, run},
    raw::Raw,
    script::hello,
    support::repo::{self, Entry},
    wire::{Answer, Ask},
};

const SECRET: &str = "hunter2-hunter2-hunter2";
const HOOK: &str = "/api/v1/projects/mine/hook";
const NONE: &str = "0000000000000000000000000000000000000000";

fn name() -> ProjectName {
    "mine".parse().unwrap()
}

fn sealed(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec())
}

/// A watched project with a webhook.
async fn hooked(farm: &Farm, url: &str, rules: &WatchRules) {
    let new = NewProject { name: Some(name()), url: Some(url.to_owned()) };
    farm.rest.add_project(&new).await.unwrap();
    farm.rest.watch_project(&name(), rules).await.unwrap();
    let put = PutHook { secret: Some(sealed(SECRET)) };
    let hook = farm.rest.put_hook(&name(), &put).await.unwrap();
    assert_eq!((hook.secret, &*hook.path), (None, HOOK), "what is given is not said again");
}

fn signature(secret: &str, body: &[u8]) -> String {
    SharedSecret::new(secret.to_owned()).unwrap().sign(body)
}

/// A delivery as a forge sends it.
fn delivery<'a>(forge: &str, event: &str, id: &str, body: &Value) -> Ask<'a> {
    let bytes = body.to_string().into_bytes();
    let signed = signature(SECRET, &bytes);
    let ask = Ask { body: bytes, ..Ask::new("POST", HOOK) };
    let ask = ask.header("content-type", "application/json");
    match forge {
        "github" => ask
            .header("x-github-event", event)
            .header("x-github-delivery", id)
            .header("x-hub-signature-256", format!("sha256={signed}")),
        "gitlab" => ask
            .header("x-gitlab-event", event)
            .header("x-gitlab-event-uuid", id)
            .header("x-gitlab-token", SECRET),
        _ => ask
            .header("x-gitea-event", event)
            .header("x-gitea-delivery", id)
            .header("x-gitea-signature", signed),
    }
}

/// A push as each of them describes it.
fn push(forge: &str, reference: &str, after: &str) -> Value {
    let url = "https://git.example.org/a/mine.git";
    match forge {
        "gitlab" => json!({
            "object_kind": "push", "ref": reference, "before": NONE, "after": after,
            "checkout_sha": after, "project_id": 1, "total_commits_count": 1, "commits": [],
            "project": {"id": 1, "git_http_url": url, "git_ssh_url": "git@git.example.org:a/mine.git"},
        }),
        _ => json!({
            "ref": reference, "before": NONE, "after": after, "forced": false, "commits": [],
            "head_commit": null, "total_commits": 0,
            "repository": {"id": 1, "clone_url": url, "ssh_url": "git@git.example.org:a/mine.git"},
        }),
    }
}

async fn builds(farm: &Farm) -> usize {
    farm.rest.builds(&BuildFilter::default()).await.unwrap().items.len()
}

/// Waits until a ref was seen at this commit.
async fn seen(farm: &Farm, reference: &str, commit: &str) -> kiln::protocol::HeadView {
    let find = async || {
        let heads = farm.rest.project_refs(&name()).await.unwrap().items;
        let is_it = |head: &kiln::protocol::HeadView| {
            head.name == reference && head.commit.as_ref().is_some_and(|at| at.as_str() == commit)
        };
        heads.into_iter().find(is_it)
    };
    eventually("the ref is seen", async || find().await.is_some()).await;
    find().await.unwrap()
}

/// Rules that leave it to webhooks: nothing is asked for a day.
fn rare() -> WatchRules {
    WatchRules { poll_seconds: Some(86_400), ..WatchRules::default() }
}

fn source(text: &str) -> [Entry; 2] {
    [Entry::file("Makefile", "all:\n\tcc -o app main.c\n"), Entry::file("main.c", text)]
}

#[tokio::test]
async fn a_push_is_built_at_once_whichever_forge_tells_of_it() {
    let farm = Farm::new(|_| hello()).await;
    let repo = project([]);
    hooked(&farm, &repo.url(), &rare()).await;
    seen(&farm, "refs/heads/main", &repo.resolve("main").unwrap()).await;
    for (forge, event) in [("github", "push"), ("gitlab", "Push Hook"), ("gitea", "push")] {
        let commit = repo.commit(forge, source(&format!("int {forge};\n")));
        let body = push(forge, "refs/heads/main", &commit);
        let ask = delivery(forge, event, &format!("{forge}-1"), &body);
        let answer = ask.send(farm.address()).await;
        assert_eq!(answer.status, 202, "{forge}: {}", answer.text());
        assert_eq!(answer.json()["repeated"], json!(false));
        let head = seen(&farm, "refs/heads/main", &commit).await;
        let build = farm.finished(head.build.expect("it is built")).await;
        assert_eq!((build.outcome, build.commit.as_str()), (Some(Outcome::Success), &*commit));
        // The same again, twice at one time, is not done again.
        let (again, also) = tokio::join!(ask.send(farm.address()), ask.send(farm.address()));
        assert_eq!((again.status, also.status), (202, 202));
        let again = ask.send(farm.address()).await;
        assert_eq!((again.status, &again.json()["repeated"]), (202, &json!(true)));
        assert_eq!(again.json()["delivery"], answer.json()["delivery"]);
    }
    assert_eq!(builds(&farm).await, 4);
    let came = farm.rest.deliveries(&name()).await.unwrap().items;
    let forges: Vec<&str> = came.iter().map(|one| one.forge.as_str()).collect();
    assert_eq!(forges, ["gitea", "gitlab", "github"]);
    // A deletion is noted, and builds nothing.
    repo.branch("gone", &repo.resolve("main").unwrap());
    let body = push("github", "refs/heads/gone", &repo.resolve("main").unwrap());
    delivery("github", "push", "2", &body).send(farm.address()).await;
    seen(&farm, "refs/heads/gone", &repo.resolve("main").unwrap()).await;
    repo.remove_branch("gone");
    let answer = delivery("github", "push", "3", &push("github", "refs/heads/gone", NONE));
    assert_eq!(answer.send(farm.address()).await.status, 202);
    eventually("the branch is seen to be gone", async || {
        let heads = farm.rest.project_refs(&name()).await.unwrap().items;
        heads.iter().any(|head| head.name == "refs/heads/gone" && head.commit.is_none())
    })
    .await;
    // Doing it once more is harmless.
    let first = farm.rest.deliveries(&name()).await.unwrap().items.pop().unwrap();
    let ran = run(kiln(&farm.url(), &["hook", "replay", "mine", &first.id.to_string()])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    eventually("it is done once more", async || {
        let items = farm.rest.deliveries(&name()).await.unwrap().items;
        items.iter().any(|one| one.id == first.id && one.outcome.is_some() && one.due_at.is_none())
    })
    .await;
    let ran = run(kiln(&farm.url(), &["hook", "list", "mine"])).await;
    assert!(ran.text().contains("the repository is looked at"), "{}", ran.text());
    assert_eq!(builds(&farm).await, 4);
    farm.end().await;
}

#[tokio::test]
async fn what_is_not_signed_or_makes_no_sense_is_refused_in_a_sentence() {
    let farm = Farm::alone().await;
    let rules = WatchRules { branches: vec!["main".to_owned()], ..rare() };
    hooked(&farm, "https://example.org/mine", &rules).await;
    let new = NewProject { name: Some("bare".parse().unwrap()), url: None };
    farm.rest.add_project(&new).await.unwrap();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let good = push("github", "refs/heads/main", commit);
    let usual = || delivery("github", "push", "1", &good);
    let without = |drop: &'static str| {
        let mut ask = usual();
        ask.headers.retain(|(name, _)| *name != drop);
        ask
    };
    let with = |name: &'static str, value: String| without(name).header(name, value);
    let bytes = good.to_string().into_bytes();
    let other = signature("another-secret-of-some-length", &bytes);
    let to = |target: &str| Ask { target: target.to_owned(), ..usual() };
    let raw = |event: &str, body: &[u8]| {
        let signed = format!("sha256={}", signature(SECRET, body));
        let id = format!("{event}-{}-{}", body[0], body.len());
        let mut ask = delivery("github", event, &id, &json!({}));
        ask.body = body.to_vec();
        ask.headers.retain(|(name, _)| *name != "x-hub-signature-256");
        ask.header("x-hub-signature-256", signed)
    };
    let mut longer = usual();
    longer.body.push(b' ');
    let mut huge = usual();
    huge.body = vec![b' '; 6 << 20];
    let pull = |sha: &str| {
        json!({"action": "opened", "number": 1,
            "pull_request": {"head": {"ref": "a", "sha": sha, "repo": {"id": 1}},
                "base": {"ref": "main", "sha": NONE, "repo": {"id": 1}}},
            "repository": {"clone_url": "https://git.example.org/a"}})
        .to_string()
    };
    for (what, ask, status, sentence) in [
        ("unsigned", without("x-hub-signature-256"), 401, "is not signed"),
        (
            "another secret",
            with("x-hub-signature-256", format!("sha256={other}")),
            401,
            "signature is not",
        ),
        (
            "old signature",
            with("x-hub-signature-256", "sha1=00".to_owned()),
            401,
            "signature is not",
        ),
        ("one byte more", longer, 401, "signature is not"),
        ("no forge", without("x-github-event"), 400, "no delivery of a forge"),
        ("unknown project", to("/api/v1/projects/nobody/hook"), 404, "there is no project nobody"),
        ("no webhook", to("/api/v1/projects/bare/hook"), 404, "there is no webhook"),
        ("too large", huge, 413, "larger than"),
        ("not JSON", raw("push", b"\xff\x00"), 400, "cannot be read"),
        ("no push", raw("push", b"{}"), 400, "cannot be read"),
        ("no commit", raw("pull_request", pull("main").as_bytes()), 400, "is no commit"),
        ("a zero commit", raw("pull_request", pull(NONE).as_bytes()), 400, "names no commit"),
    ] {
        let answer = ask.send(farm.address()).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert!(answer.text().contains(sentence), "{what}: {}", answer.text());
        assert!(!answer.text().contains("hunter2"), "{what}");
    }
    // What is signed and of no use is kept with the reason.
    for (id, (event, body, outcome)) in [
        ("ping", json!({"zen": "x"}), "understand each other"),
        ("star", json!({}), "star events are not built"),
        ("push", push("github", "refs/heads/other", commit), "refs/heads/other is not watched"),
        ("push", push("github", "refs/tags/v1", commit), "refs/tags/v1 is not watched"),
    ]
    .into_iter()
    .enumerate()
    {
        let ask = delivery("github", event, &format!("ignored-{id}"), &body);
        let answer: Answer = ask.send(farm.address()).await;
        assert_eq!(answer.status, 202, "{event}: {}", answer.text());
        assert!(answer.text().contains(outcome), "{event}: {}", answer.text());
    }
    farm.rest.unwatch_project(&name()).await.unwrap();
    let answer = usual().send(farm.address()).await;
    assert!(answer.text().contains("the project is not watched"), "{}", answer.text());
    let kept = farm.rest.deliveries(&name()).await.unwrap().items;
    assert_eq!(kept.len(), 8 + 1, "{kept:?}");
    assert!(kept.iter().all(|one| one.outcome.is_some()));
    farm.end().await;
}

#[tokio::test]
async fn one_delivery_that_comes_to_two_places_at_one_time_is_one() {
    let farm = Farm::with(Setup { agents: 0, ..Setup::default() }, crate::farm::nothing).await;
    hooked(&farm, "https://example.org/mine", &rare()).await;
    for round in 0..20 {
        let ask = delivery("gitea", "ping", &format!("{round}"), &json!({}));
        let sent = [(); 4].map(|()| ask.send(farm.address()));
        let answers = futures_util::future::join_all(sent).await;
        assert!(answers.iter().all(|answer| answer.status == 202), "{answers:?}");
        let new = answers.iter().filter(|answer| answer.json()["repeated"] == json!(false));
        assert_eq!(new.count(), 1, "{answers:?}");
    }
    assert_eq!(farm.rest.deliveries(&name()).await.unwrap().items.len(), 20);
    farm.end().await;
}

#[tokio::test]
async fn deliveries_are_kept_up_to_a_number_and_a_size() {
    // Time goes on: that is what they are ordered by.
    let farm = Farm::with(Setup { agents: 0, ..Setup::default() }, crate::farm::nothing).await;
    hooked(&farm, "https://example.org/mine", &rare()).await;
    let send = async |id: String, size: usize| {
        let body = json!({"zen": "x".repeat(size)});
        let answer = delivery("github", "ping", &id, &body).send(farm.address()).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
    };
    for number in 0..105 {
        send(format!("small-{number}"), 10).await;
    }
    let ids = async || {
        let items = farm.rest.deliveries(&name()).await.unwrap().items;
        items.into_iter().filter_map(|one| one.forge_id).collect::<Vec<_>>()
    };
    assert_eq!(ids().await.len(), 100);
    for number in 0..6 {
        send(format!("large-{number}"), 4 << 20).await;
    }
    assert_eq!(ids().await, ["large-5", "large-4", "large-3"]);
    farm.end().await;
}

#[tokio::test]
async fn a_secret_is_changed_without_a_gap_and_shown_once() {
    let farm = Farm::alone().await;
    hooked(&farm, "https://example.org/mine", &rare()).await;
    let ran = run(kiln(&farm.url(), &["hook", "set", "mine"])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.text().contains(&format!("address: {}{HOOK}", farm.url())), "{}", ran.text());
    // Where the server knows what it is called elsewhere, forges are told that.
    assert!(farm.rest.hook(&name()).await.unwrap().url.is_none());
    let made = ran.text();
    let made = made.lines().find_map(|line| line.strip_prefix("secret: ")).unwrap().to_owned();
    let tell = async |secret: &str, id: usize| {
        let body = json!({}).to_string().into_bytes();
        let signed = format!("sha256={}", signature(secret, &body));
        let ask = Ask { body, ..Ask::new("POST", HOOK) }.header("x-github-event", "ping");
        let ask = ask.header("x-github-delivery", format!("{secret}{id}"));
        ask.header("x-hub-signature-256", signed).send(farm.address()).await.status
    };
    assert_eq!(
        (tell(SECRET, 1).await, tell(&made, 1).await),
        (202, 202),
        "both are good for a day"
    );
    farm.time.advance(std::time::Duration::from_hours(25));
    assert_eq!((tell(SECRET, 2).await, tell(&made, 2).await), (401, 202));
    let shown = Ask::get(HOOK).send(farm.address()).await;
    assert_eq!(shown.status, 200);
    assert!(!shown.text().contains(&made), "{}", shown.text());
    for (given, is_taken) in [("short", false), ("with a space in it", false), (SECRET, true)] {
        let put = PutHook { secret: Some(sealed(given)) };
        assert_eq!(farm.rest.put_hook(&name(), &put).await.is_ok(), is_taken, "{given}");
    }
    farm.rest.remove_hook(&name()).await.unwrap();
    assert_eq!(tell(SECRET, 3).await, 404);
    farm.end().await;
}

#[tokio::test]
async fn pull_requests_are_built_as_far_as_the_project_says() {
    let farm = Farm::new(|_| hello()).await;
    let repo = project([]);
    hooked(&farm, &repo.url(), &rare()).await;
    let main = repo.resolve("main").unwrap();
    let first = seen(&farm, "refs/heads/main", &main).await;
    farm.finished(first.build.unwrap()).await;
    let propose = |number: u64, text: &str| {
        let commit = repo.commit_on("topic", text, source(&format!("int p{number};\n")));
        let reference = format!("refs/pull/{number}/head");
        assert!(
            repo::git(&repo.path(), &["update-ref", &reference, &commit])
                .status()
                .unwrap()
                .success()
        );
        repo.remove_branch("topic");
        commit
    };
    let tell = async |number: u64, commit: &str, head_repository: u64| {
        let body = json!({
            "action": "synchronize", "number": number,
            "pull_request": {"title": "more",
                "head": {"ref": "topic", "sha": commit, "repo": {"id": head_repository}},
                "base": {"ref": "main", "sha": main, "repo": {"id": 1}}},
            "repository": {"id": 1, "clone_url": "https://git.example.org/a/mine.git"},
        });
        let id = format!("{number}-{commit}-{head_repository}");
        let answer = delivery("github", "pull_request", &id, &body).send(farm.address()).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        let delivery = answer.json()["delivery"].as_str().unwrap().to_owned();
        let done = async || {
            let items = farm.rest.deliveries(&name()).await.unwrap().items;
            items.into_iter().find(|one| one.id.to_string() == delivery && one.due_at.is_none())
        };
        eventually("it is done", async || done().await.is_some()).await;
        done().await.unwrap()
    };
    let own = propose(1, "one");
    let done = tell(1, &own, 1).await;
    assert_eq!(done.outcome.as_deref(), Some("it is built"));
    let build = farm.finished(done.build.unwrap()).await;
    assert_eq!(serde_json::to_value(build.trigger).unwrap(), json!("pull_request"));
    assert_eq!((build.outcome, build.commit.as_str()), (Some(Outcome::Success), &*own));
    let fork = propose(2, "two");
    let refused = tell(2, &fork, 2).await;
    assert!(refused.outcome.unwrap().contains("from forks are not built"));
    let quiet = propose(3, "three [skip ci]");
    assert!(tell(3, &quiet, 1).await.outcome.unwrap().contains("its message says [skip ci]"));
    // The operator lets them; looking at the branches does not take the requests for gone.
    let rules = WatchRules { pull_requests: PullRequests::Forks, ..rare() };
    farm.rest.watch_project(&name(), &rules).await.unwrap();
    farm.rest.check_project(&name()).await.unwrap();
    let other = propose(4, "four");
    let done = tell(4, &other, 2).await;
    farm.finished(done.build.expect("forks are built now")).await;
    let heads = farm.rest.project_refs(&name()).await.unwrap().items;
    let requests: Vec<_> = heads.iter().filter(|one| one.name.starts_with("refs/pull/")).collect();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|head| head.commit.is_some()), "{requests:?}");
    farm.end().await;
}

#[tokio::test]
async fn what_a_commit_says_and_changes_decides_whether_it_is_built() {
    let farm = Farm::new(|_| hello()).await;
    let repo = project([]);
    let rules = WatchRules { ignore_paths: vec!["doc/**".to_owned()], ..rare() };
    hooked(&farm, &repo.url(), &rules).await;
    let main = repo.resolve("main").unwrap();
    let first = seen(&farm, "refs/heads/main", &main).await;
    farm.finished(first.build.unwrap()).await;
    let with = |text: &str, doc: &str| {
        let [makefile, main] = source(text);
        [makefile, main, Entry::file("doc/a.md", doc)]
    };
    for (message, files, why) in [
        ("code", with("int a;\n", "one"), None),
        ("words", with("int a;\n", "two"), Some("it changes no path that counts")),
        (
            "code again\n\n[skip ci] for now",
            with("int b;\n", "two"),
            Some("its message says [skip ci]"),
        ),
        ("words after what was skipped", with("int b;\n", "three"), Some("no path that counts")),
        ("both", with("int c;\n", "four"), None),
    ] {
        let commit = repo.commit(message, files);
        farm.rest.check_project(&name()).await.unwrap();
        let head = seen(&farm, "refs/heads/main", &commit).await;
        match (why, head.build) {
            (None, Some(build)) => drop(farm.finished(build).await),
            (Some(why), None) => assert!(head.skipped.unwrap().contains(why), "{message}"),
            (_, build) => panic!("{message}: {build:?} {:?}", head.skipped),
        }
    }
    farm.end().await;
}

#[tokio::test]
async fn a_project_has_a_say_where_the_commit_has_none() {
    let farm = Farm::new(|_| hello()).await;
    let repo = project([]);
    let rules = json!({
        "toolchains": ["clang:19"], "steps": [{"name": "compile", "run": "make special"}],
        "artifacts": {"include": ["special"]}, "poll_seconds": 86_400,
    });
    hooked(&farm, &repo.url(), &serde_json::from_value(rules).unwrap()).await;
    let head = seen(&farm, "refs/heads/main", &repo.resolve("main").unwrap()).await;
    let build = farm.finished(head.build.unwrap()).await;
    let jobs: Vec<_> = build.jobs.iter().filter_map(|job| job.toolchain.clone()).collect();
    assert_eq!(jobs, ["clang:19".parse().unwrap()]);
    let job = farm.job(build.jobs[0].id).await;
    let shown = serde_json::to_string(&job).unwrap();
    assert!(shown.contains("make special"), "{shown}");
    // The commit's own recipe goes before it.
    let [makefile, main] = source("int a;\n");
    let recipe = "toolchains = [\"gcc:14\"]\n[[step]]\nname = \"compile\"\nrun = \"make own\"\n";
    let commit = repo.commit("own", [makefile, main, Entry::file(".kiln.toml", recipe)]);
    farm.rest.check_project(&name()).await.unwrap();
    let head = seen(&farm, "refs/heads/main", &commit).await;
    let build = farm.finished(head.build.unwrap()).await;
    let job = farm.job(build.jobs[0].id).await;
    let shown = serde_json::to_string(&job).unwrap();
    assert!(shown.contains("make own") && shown.contains("gcc:14"), "{shown}");
    farm.end().await;
}

/// A forge's API: it keeps what it is told, and answers what a test wants.
struct FakeForge {
    address: String,
    told: Arc<Mutex<Vec<Told>>>,
    answers: Arc<Mutex<Vec<u16>>>,
    task: JoinHandle<()>,
}

#[derive(Clone, Debug)]
struct Told {
    head: String,
    body: Vec<u8>,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let line = |line: &str| line.to_ascii_lowercase().starts_with(&format!("{name}:"));
        self.head
            .lines()
            .find(|one| line(one))
            .and_then(|line| line.split_once(": "))
            .map(|(_, value)| value)
    }
}

impl FakeForge {
    /// One that answers these statuses first, and 201 from then on.
    async fn start(answers: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let told = Arc::<Mutex<Vec<Told>>>::default();
        let answers = Arc::new(Mutex::new(answers.iter().rev().copied().collect::<Vec<_>>()));
        let (log, next) = (Arc::clone(&told), Arc::clone(&answers));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = Vec::new();
                let (head, mut body, length) = loop {
                    let mut part = [0; 4096];
                    let read = stream.read(&mut part).await.unwrap_or(0);
                    if read == 0 {
                        break (String::new(), Vec::new(), 0);
                    }
                    bytes.extend_from_slice(&part[..read]);
                    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                        continue;
                    };
                    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                    let length = head.lines().find_map(|line| {
                        line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()
                    });
                    break (head, bytes[end + 4..].to_vec(), length.unwrap_or(0));
                };
                while body.len() < length {
                    let mut part = [0; 4096];
                    let read = stream.read(&mut part).await.unwrap_or(0);
                    if read == 0 {
                        break;
                    }
                    body.extend_from_slice(&part[..read]);
                }
                log.lock().unwrap().push(Told { head, body });
                let status = next.lock().unwrap().pop().unwrap_or(201);
                let answer = format!(
                    "HTTP/1.1 {status} x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, told, answers, task }
    }

    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }
}

impl Drop for FakeForge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A farm that may reach what is on this machine over http, with a project that is built by hand.
async fn telling() -> (Farm, Raw) {
    let mut setup = Setup { agents: 0, ..Setup::default() };
    setup.settings.source.schemes = "https,http,file".parse().unwrap();
    setup.settings.server.public_url = Some("https://kiln.example.org/".parse().unwrap());
    let farm = Farm::with(setup, crate::farm::nothing).await;
    // What raw agents say they fetch.
    let url = Some("https://example.org/x".to_owned());
    farm.rest.add_project(&NewProject { name: Some(name()), url }).await.unwrap();
    let agent = Raw::new(&farm, "a").await;
    (farm, agent)
}

async fn target(farm: &Farm, kind: TargetKind, url: String) {
    let new = NewTarget { kind, url: Some(url), secret: sealed(SECRET) };
    farm.rest.add_target(&name(), &new).await.unwrap();
}

async fn notices(farm: &Farm) -> Vec<NoticeView> {
    farm.rest.notices(&name()).await.unwrap().items
}

#[tokio::test]
async fn forges_and_others_are_told_how_builds_go() {
    let (farm, agent) = telling().await;
    let mut forges = Vec::new();
    for kind in TargetKind::ALL {
        let forge = FakeForge::start(&[]).await;
        target(&farm, kind, format!("{}/api/repos/a/mine", forge.address)).await;
        forges.push((kind, forge));
    }
    let (build, leg) = agent.leg(&farm, json!({})).await;
    let commit = build.commit.as_str().to_owned();
    let states = |forge: &FakeForge| -> Vec<String> {
        let told = forge.told();
        told.iter().map(|one| one.json()["state"].as_str().unwrap_or("").to_owned()).collect()
    };
    for (kind, forge) in forges.iter().filter(|(kind, _)| *kind != TargetKind::Webhook) {
        eventually("it is pending", async || states(forge).iter().any(|state| state == "pending"))
            .await;
        let told = forge.told().remove(0);
        assert!(
            told.head.starts_with(&format!("POST /api/repos/a/mine/statuses/{commit} ")),
            "{kind:?}"
        );
        let body = told.json();
        let context = if *kind == TargetKind::Gitlab { &body["name"] } else { &body["context"] };
        assert_eq!(context, "kiln/gcc:14");
        let link = body["target_url"].as_str().unwrap();
        assert_eq!(link, format!("https://kiln.example.org/jobs/{}", leg.job));
    }
    agent.end(&leg, Verdict::Success).await;
    for (kind, forge) in &forges {
        if *kind == TargetKind::Webhook {
            eventually("it is told", async || forge.told().len() == 1).await;
            let told = forge.told().remove(0);
            assert_eq!(told.header("x-kiln-event"), Some("build.finished"));
            let signed = format!("sha256={}", signature(SECRET, &told.body));
            assert_eq!(told.header("x-kiln-signature-256"), Some(&*signed));
            assert_eq!(told.json()["build"]["outcome"], "success");
            assert_eq!(told.json()["build"]["id"], json!(build.id));
        } else {
            eventually("it is told", async || states(forge).last().unwrap() == "success").await;
        }
    }
    let hook = farm.rest.put_hook(&name(), &PutHook::default()).await.unwrap();
    assert_eq!(hook.url.as_deref(), Some("https://kiln.example.org/api/v1/projects/mine/hook"));
    let shown = run(kiln(&farm.url(), &["notify", "log", "mine"])).await;
    assert!(shown.text().contains("build.finished: success"), "{}", shown.text());
    let listed = Ask::get("/api/v1/projects/mine/targets").send(farm.address()).await;
    assert!(!listed.text().contains("hunter2") && !shown.text().contains("hunter2"));
    farm.end().await;
}

#[tokio::test]
async fn what_cannot_be_told_is_told_later_and_what_is_refused_is_said() {
    let (mut farm, agent) = telling().await;
    // Broken twice, then a restart of the server, then fine.
    let forge = FakeForge::start(&[500, 503]).await;
    target(&farm, TargetKind::Github, format!("{}/a", forge.address)).await;
    let stubborn = FakeForge::start(&[401]).await;
    target(&farm, TargetKind::Gitea, format!("{}/a", stubborn.address)).await;
    let away = FakeForge::start(&[302]).await;
    target(&farm, TargetKind::Gitlab, format!("{}/a", away.address)).await;
    let (_, leg) = agent.leg(&farm, json!({})).await;
    eventually("they were tried", async || {
        !forge.told().is_empty() && !stubborn.told().is_empty() && !away.told().is_empty()
    })
    .await;
    eventually("it is refused", async || {
        let refused =
            |one: &NoticeView| one.problem.as_deref() == Some("it is refused: it answers 401");
        notices(&farm).await.iter().any(|one| refused(one) && one.due_at.is_none())
    })
    .await;
    eventually("a redirect is not followed", async || {
        notices(&farm)
            .await
            .iter()
            .any(|one| one.problem.as_deref() == Some("it is refused: it answers 302"))
    })
    .await;
    farm.restart_server().await;
    agent.end(&leg, Verdict::Success).await;
    for one in notices(&farm).await {
        let ran = run(kiln(&farm.url(), &["notify", "resend", "mine", &one.id.to_string()])).await;
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    for forge in [&forge, &stubborn, &away] {
        eventually("it is told in the end", async || {
            let told = forge.told();
            told.last().is_some_and(|one| one.json()["state"] == "success")
                && forge.answers.lock().unwrap().is_empty()
        })
        .await;
    }
    eventually("nothing is wrong any more", async || {
        notices(&farm)
            .await
            .iter()
            .all(|one| one.problem.is_none() && one.said.as_deref() == Some("success"))
    })
    .await;
    farm.end().await;
}

#[tokio::test]
async fn what_was_built_by_branch_is_watched_with_one_command_or_by_itself() {
    let mut setup = Setup::default();
    setup.settings.watch.poll_seconds = 86_400;
    let mut farm = Farm::with(setup, |_| hello()).await;
    let repo = project([]);
    let url = repo.url();
    let ran = run(kiln(&farm.url(), &["watch", &url])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let known = farm.rest.projects().await.unwrap().items.remove(0);
    assert_eq!(known.url, Some(url.clone()));
    let made = known.name.clone();
    let watched = async |farm: &Farm, name: &ProjectName, commit: &str| {
        let find = async || {
            let heads = farm.rest.project_refs(name).await.unwrap().items;
            heads
                .into_iter()
                .find(|head| head.commit.as_ref().is_some_and(|at| at.as_str() == commit))
        };
        eventually("it is seen", async || find().await.is_some()).await;
        find().await.unwrap()
    };
    let first = watched(&farm, &made, &repo.resolve("main").unwrap()).await;
    farm.finished(first.build.unwrap()).await;
    // The same once more changes nothing; another repository of the same name gets another one.
    let ran = run(kiln(&farm.url(), &["watch", &url, "--branch", "main"])).await;
    assert!(ran.text().contains(&format!("branches main of {made}")), "{} {}", ran.text(), ran.err);
    assert_eq!(farm.rest.projects().await.unwrap().items.len(), 1);
    let ran = run(kiln(&farm.url(), &["watch", "No/Name"])).await;
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    // By itself, once the operator wants that.
    farm.change_settings(|settings| settings.watch.all = true).await;
    let other = project([]);
    other.commit_on("next", "next", source("int next;\n"));
    let build = farm.submit_with(&other, json!({})).await;
    farm.finished(build.id).await;
    let projects = farm.rest.projects().await.unwrap().items;
    let mine = projects.into_iter().find(|one| one.url == Some(other.url()));
    let mine = mine.expect("it became a project");
    let rules = farm.rest.project_watch(&mine.name).await.unwrap().rules;
    assert_eq!(rules.branches, ["main"]);
    // The build that had it watched is its own, and its commit is not built once more.
    let main = other.resolve("main").unwrap();
    farm.rest.check_project(&mine.name).await.unwrap();
    let head = watched(&farm, &mine.name, &main).await;
    assert_eq!(
        (head.build, farm.build(build.id).await.project),
        (Some(build.id), Some(mine.name.clone()))
    );
    let commit = other.commit("more", source("int more;\n"));
    farm.rest.check_project(&mine.name).await.unwrap();
    let head = watched(&farm, &mine.name, &commit).await;
    farm.finished(head.build.unwrap()).await;
    assert!(
        farm.rest
            .project_refs(&mine.name)
            .await
            .unwrap()
            .items
            .iter()
            .all(|head| head.name == "refs/heads/main")
    );
    farm.end().await;
}

#[tokio::test]
async fn repositories_of_one_name_become_projects_of_two() {
    let farm = Farm::alone().await;
    for (url, name) in [
        ("https://example.org/a/Zlib.git", "zlib"),
        ("https://example.org/b/zlib.git", "zlib-2"),
        ("https://EXAMPLE.org/a/Zlib.git", "zlib"),
        ("https://example.org/a/-.git", "project"),
    ] {
        let ran = run(kiln(&farm.url(), &["watch", url])).await;
        assert!(
            ran.text().contains(&format!(" of {name} are built")),
            "{url}: {} {}",
            ran.text(),
            ran.err
        );
    }
    assert_eq!(farm.rest.projects().await.unwrap().items.len(), 3);
    let neither = Ask::new("POST", "/api/v1/projects").json("{}").send(farm.address()).await;
    assert!(neither.status == 422 && neither.text().contains("needs one"), "{}", neither.text());
    let ran = run(kiln(&farm.url(), &["watch", "ftp://example.org/a"])).await;
    assert!(ran.code == Some(2) && ran.err.contains("ftp"), "{:?} {}", ran.code, ran.err);
    farm.end().await;
}

#[tokio::test]
async fn badges_and_the_newest_artifacts_are_found_by_branch_and_toolchain() {
    let mut setup = Setup::default();
    setup.settings.watch.poll_seconds = 86_400;
    setup.settings.toolchains.default = vec![crate::farm::gcc(), crate::farm::clang()];
    let mut farm = Farm::with(setup, |_| hello()).await;
    let repo = project([]);
    hooked(&farm, &repo.url(), &WatchRules::default()).await;
    let badge = async |farm: &Farm, query: &str| {
        let answer =
            Ask::get(format!("/api/v1/projects/mine/badge.svg{query}")).send(farm.address()).await;
        assert_eq!(answer.header("content-type"), Some("image/svg+xml; charset=utf-8"));
        answer.text().split("<title>").nth(1).unwrap().split("</title>").next().unwrap().to_owned()
    };
    let head = seen(&farm, "refs/heads/main", &repo.resolve("main").unwrap()).await;
    let build = farm.finished(head.build.unwrap()).await;
    assert_eq!(badge(&farm, "").await, "kiln: builds");
    assert_eq!(badge(&farm, "?toolchain=clang:19").await, "clang:19: builds");
    assert_eq!(badge(&farm, "?branch=main&toolchain=gcc:14").await, "gcc:14: builds");
    assert_eq!(badge(&farm, "?branch=other").await, "kiln: unknown");
    assert_eq!(badge(&farm, "?toolchain=gcc:13").await, "gcc:13: unknown");
    let job = build.jobs.iter().find(|job| job.toolchain == Some(crate::farm::clang())).unwrap();
    for (path, leads) in [
        ("artifacts.tar.gz", format!("/api/v1/jobs/{}/artifacts.tar.gz", job.id)),
        ("artifacts/a%20b/app?branch=main", format!("/api/v1/jobs/{}/artifacts/a%20b/app", job.id)),
    ] {
        let target = format!("/api/v1/projects/mine/latest/clang:19/{path}");
        let answer = Ask::get(target).send(farm.address()).await;
        assert_eq!((answer.status, answer.header("location")), (307, Some(&*leads)));
    }
    for path in ["clang:19/artifacts.tar.gz?branch=other", "gcc:13/artifacts/app"] {
        let answer =
            Ask::get(format!("/api/v1/projects/mine/latest/{path}")).send(farm.address()).await;
        assert_eq!((answer.status, &*answer.refusal()), (404, "not_found"), "{path}");
    }
    // Everything once more: all of it, one toolchain of it, and what was never built with that.
    let ran = run(kiln(&farm.url(), &["rebuild", "--json"])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let page: Value = serde_json::from_str(&ran.text()).unwrap();
    let again = farm.finished(page["items"][0]["build"].as_str().unwrap().parse().unwrap()).await;
    assert_eq!((again.jobs.len(), again.priority), (2, -100));
    assert_eq!(serde_json::to_value(again.trigger).unwrap(), json!("rebuild"));
    // A newest commit that was not built is not built now either: the one before it is.
    let [makefile, main] = source("int quiet;\n");
    let quiet = repo.commit("[skip ci]", [makefile, main]);
    farm.rest.check_project(&name()).await.unwrap();
    seen(&farm, "refs/heads/main", &quiet).await;
    let ran = run(kiln(&farm.url(), &["rebuild", "mine", "-t", "gcc:14", "--json"])).await;
    let page: Value = serde_json::from_str(&ran.text()).unwrap();
    let again = farm.finished(page["items"][0]["build"].as_str().unwrap().parse().unwrap()).await;
    assert_eq!((again.jobs.len(), again.commit), (1, build.commit.clone()));
    for (words, code, text) in [
        (&["rebuild", "nobody"][..], 2, "there is no project nobody"),
        (&["rebuild", "mine", "nobody"], 2, "there is no project nobody"),
        (&["rebuild", "-t", "gcc:99"], 2, "there is no toolchain gcc:99"),
    ] {
        let ran = run(kiln(&farm.url(), words)).await;
        assert!(ran.code == Some(code) && ran.err.contains(text), "{:?} {}", ran.code, ran.err);
    }
    assert_eq!(builds(&farm).await, 3, "what is refused builds nothing");
    // Everything of one build once more, also what succeeded.
    let before = farm.build(build.id).await.jobs.len();
    let ran = run(kiln(&farm.url(), &["retry", &build.id.to_string(), "--all"])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let retried = farm.finished(build.id).await;
    assert_eq!(retried.jobs.iter().filter(|job| !job.retried).count(), before);
    // Who has no token sees badges only where the operator says so, and never whether there is a project.
    let open = async |farm: &Farm, name: &str| {
        let target = format!("/api/v1/projects/{name}/badge.svg");
        Ask::get(target).send(farm.address()).await
    };
    farm.change_settings(|settings| settings.server.anonymous = kiln::config::Anonymous::Nothing)
        .await;
    assert_eq!(open(&farm, "mine").await.status, 401);
    farm.change_settings(|settings| settings.server.public_badges = true).await;
    assert!(open(&farm, "mine").await.text().contains("kiln: builds"));
    let none = open(&farm, "nobody").await;
    assert!(none.status == 200 && none.text().contains("kiln: unknown"), "{}", none.text());
    farm.change_settings(|settings| settings.server.anonymous = kiln::config::Anonymous::Admin)
        .await;
    farm.end().await;
}

#[tokio::test]
async fn whom_a_project_tells_is_checked() {
    let farm = Farm::alone().await;
    let add = async |body: Value| {
        let target = "/api/v1/projects/mine/targets";
        let ask = Ask { body: body.to_string().into_bytes(), ..Ask::new("POST", target) };
        ask.header("content-type", "application/json").send(farm.address()).await
    };
    let url = Some("https://git.example.org/a/mine.git".to_owned());
    farm.rest.add_project(&NewProject { name: Some(name()), url }).await.unwrap();
    let key = serde_json::to_value(sealed(SECRET)).unwrap();
    let short = serde_json::to_value(sealed("short")).unwrap();
    for (body, status, sentence) in [
        (
            json!({"kind": "gitea", "secret": key}),
            201,
            "https://git.example.org/api/v1/repos/a/mine",
        ),
        (json!({"kind": "gitea", "secret": "?"}), 422, "base 64"),
        (json!({"kind": "gitea"}), 422, "missing field"),
        (json!({"kind": "webhook", "secret": key}), 422, "say where the webhook goes"),
        (
            json!({"kind": "webhook", "secret": short, "url": "https://example.org/"}),
            422,
            "secret: 16 to",
        ),
        (json!({"kind": "webhook", "secret": key, "url": "http://example.org/"}), 422, "https://"),
        (
            json!({"kind": "webhook", "secret": key, "url": "https://a:hunter2@example.org/"}),
            422,
            "password",
        ),
        (json!({"kind": "pigeon", "secret": key}), 422, "unknown variant"),
    ] {
        let answer = add(body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.text().contains(sentence), "{body}: {}", answer.text());
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
    }
    let known = farm.rest.targets(&name()).await.unwrap().items;
    assert_eq!(known.len(), 1);
    let ran = run(kiln(&farm.url(), &["notify", "remove", "mine", &known[0].id.to_string()])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let shown = run(kiln(&farm.url(), &["notify", "list", "mine"])).await;
    assert!(shown.text().contains("nobody is told"), "{}", shown.text());
    farm.end().await;
}
