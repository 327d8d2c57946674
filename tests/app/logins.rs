//! Repositories that want to know who asks: each project has its own login, for its own repository.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kiln::{
    model::{Cause, Login, Outcome, ProjectName, SecretValue, TokenLogin, Verdict, WatchRules},
    protocol::{ClaimedSource, HeadView, NewProject, PutLogin},
    store::{LoginRow, ProjectRow},
};
use serde_json::{Value, json};

use crate::{
    farm::{Farm, Setup, eventually},
    git::Repos,
    git_server::HttpGit,
    program::{kiln, run},
    raw::Raw,
    script::hello,
    wire::Ask,
};

const TOKEN: &str = "hunter2-hunter2";

fn name() -> ProjectName {
    "mine".parse().unwrap()
}

/// `Basic` of a bot with the token.
const WANTED: &str = "Basic Ym90Omh1bnRlcjItaHVudGVyMg==";

fn token(text: &str, plain_http: bool) -> Login {
    let token = SecretValue::new(text.as_bytes().to_vec());
    Login::Token(TokenLogin { username: Some("bot".to_owned()), token, plain_http })
}

fn open() -> Setup {
    let mut setup = Setup::default();
    setup.settings.source.schemes = "https,http,ssh,file".parse().unwrap();
    setup.settings.watch.poll_seconds = 86_400;
    setup
}

fn sample(repos: &Repos, repository: &str, text: &str) -> String {
    let makefile = b"app: main.c\n\tcc -o app main.c\n";
    let files = [("100644", "Makefile", &makefile[..]), ("100644", "main.c", text.as_bytes())];
    repos.commit(repository, "main", &files)
}

async fn add(farm: &Farm, name: &str, url: &str) -> ProjectName {
    let name: ProjectName = name.parse().unwrap();
    let new = NewProject { name: Some(name.clone()), url: Some(url.to_owned()) };
    farm.rest.add_project(&new).await.unwrap();
    name
}

/// Looks now, and waits until `main` is seen at this commit.
async fn seen(farm: &Farm, commit: &str) -> HeadView {
    farm.rest.check_project(&name()).await.unwrap();
    let find = async || {
        let heads = farm.rest.project_refs(&name()).await.unwrap().items;
        heads.into_iter().find(|head| head.commit.as_ref().is_some_and(|at| at.as_str() == commit))
    };
    eventually("it is seen", async || find().await.is_some()).await;
    find().await.unwrap()
}

async fn problem(farm: &Farm) -> String {
    farm.rest.check_project(&name()).await.unwrap();
    let find = async || farm.rest.project_watch(&name()).await.unwrap().problem;
    eventually("it fails", async || find().await.is_some()).await;
    find().await.unwrap()
}

#[tokio::test]
async fn a_login_opens_the_repository_of_its_project_and_no_other() {
    assert_eq!(WANTED, format!("Basic {}", BASE64_STANDARD.encode(format!("bot:{TOKEN}"))));
    let farm = Farm::with(open(), |_| hello()).await;
    let repos = Repos::new();
    let first = sample(&repos, "mine", "int main(void) { return 0; }\n");
    sample(&repos, "other", "int main(void) { return 1; }\n");
    let git = HttpGit::start(repos.root(), Some(WANTED));
    let host = format!("127.0.0.1:{}", git.server.port);
    let mine = add(&farm, "mine", &git.url("mine")).await;
    let other = add(&farm, "other", &git.url("other")).await;
    farm.rest.watch_project(&mine, &WatchRules::default()).await.unwrap();
    // Without a login: said, and nothing is broken.
    let said = problem(&farm).await;
    assert!(said.contains("wants credentials") || said.contains("credentials"), "{said}");

    let set = ["credential", "set", "mine", "--host", &host, "--username", "bot", "--plain-http"];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let from = ["--from", file.to_str().unwrap()];
    let ran = run(kiln(&farm.url(), &[&set[..], &from].concat())).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let head = seen(&farm, &first).await;
    let build = farm.finished(head.build.expect("it is built")).await;
    assert_eq!((build.outcome, build.commit.as_str()), (Some(Outcome::Success), &*first));
    assert!(farm.rest.project_watch(&mine).await.unwrap().problem.is_none());
    // Who submits by hand is helped, too.
    let second = sample(&repos, "mine", "int main(void) { return 2; }\n");
    let submit = json!({"source": {"git": {"url": git.url("mine"), "ref": "main"}}});
    let answer =
        Ask::new("POST", "/api/v1/builds").json(submit.to_string()).send(farm.address()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["commit"], json!(second));
    let id = answer.json()["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(farm.finished(id).await.outcome, Some(Outcome::Success));

    // Another repository of that server is not what it was given for, whoever names which project.
    for body in [
        json!({"source": {"git": {"url": git.url("other")}}}),
        json!({"source": {"git": {"url": git.url("other")}}, "project": "other"}),
        json!({"source": {"git": {"url": git.url("other")}}, "project": "mine"}),
    ] {
        let answer =
            Ask::new("POST", "/api/v1/builds").json(body.to_string()).send(farm.address()).await;
        assert!((400..500).contains(&answer.status), "{}", answer.text());
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
    }
    assert!(farm.rest.login(&other).await.is_err());

    // Nobody sees it again.
    let shown = Ask::get("/api/v1/projects/mine/login").send(farm.address()).await;
    assert_eq!(shown.json()["kind"], "token");
    assert!(
        !shown.text().contains("hunter2") && !shown.text().contains(&BASE64_STANDARD.encode(TOKEN))
    );
    let ran = run(kiln(&farm.url(), &["credential", "show", "mine"])).await;
    assert!(ran.text().starts_with(&format!("a token for {host}, set")), "{}", ran.text());
    // It is taken away, or is none any more: said, and the project stays as it was.
    let wrong = PutLogin { host: host.clone(), login: token("wrong", true) };
    farm.rest.put_login(&mine, &wrong).await.unwrap();
    assert!(problem(&farm).await.contains("credentials"));
    let ran = run(kiln(&farm.url(), &["credential", "remove", "mine"])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(problem(&farm).await.contains("credentials"));
    let good = PutLogin { host, login: token(TOKEN, true) };
    farm.rest.put_login(&mine, &good).await.unwrap();
    let third = sample(&repos, "mine", "int main(void) { return 3; }\n");
    let head = seen(&farm, &third).await;
    farm.finished(head.build.unwrap()).await;
    assert!(git.seen.lock().unwrap().iter().any(|header| header.as_deref() == Some(WANTED)));
    farm.end().await;
}

#[tokio::test]
async fn logins_that_could_go_elsewhere_or_nowhere_are_refused() {
    let mut setup = open();
    (setup.agents, setup.manual) = (0, true);
    let farm = Farm::with(setup, crate::farm::nothing).await;
    add(&farm, "mine", "https://git.example.org/a/mine.git").await;
    add(&farm, "ssh", "ssh://git@git.example.org/a/mine.git").await;
    add(&farm, "folder", "file:///srv/git/mine").await;
    farm.rest
        .add_project(&NewProject { name: Some("bare".parse().unwrap()), url: None })
        .await
        .unwrap();
    let sealed = |text: &str| BASE64_STANDARD.encode(text);
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----\n";
    let good_token = json!({"token": {"token": sealed(TOKEN)}});
    let good_key = json!({"ssh_key": {"key": sealed(key), "host_key": "ssh-ed25519 AAAAC3"}});
    for (project, host, login, status, sentence) in [
        ("mine", "git.example.org", &good_token, 200, "git.example.org"),
        ("mine", "GIT.example.org", &good_token, 200, "git.example.org"),
        ("mine", "evil.example.org", &good_token, 422, "a login goes nowhere else"),
        ("mine", "git.example.org:8443", &good_token, 422, "a login goes nowhere else"),
        ("mine", "", &good_token, 422, "a login goes nowhere else"),
        ("mine", "git.example.org", &good_key, 422, "a key is of no use"),
        ("ssh", "git.example.org", &good_key, 200, "ssh_key"),
        ("ssh", "git.example.org", &good_token, 422, "a token is of no use"),
        (
            "ssh",
            "git.example.org",
            &json!({"ssh_key": {"key": sealed("hunter2"), "host_key": "ssh-ed25519 AAAA"}}),
            422,
            "no private key",
        ),
        (
            "ssh",
            "git.example.org",
            &json!({"ssh_key": {"key": sealed(key), "host_key": "hunter2"}}),
            422,
            "ssh-keyscan",
        ),
        ("mine", "git.example.org", &json!({"token": {"token": "hunter2!"}}), 422, "base 64"),
        (
            "mine",
            "git.example.org",
            &json!({"token": {"token": sealed("two\nhunter2")}}),
            422,
            "one line",
        ),
        ("bare", "git.example.org", &good_token, 409, "has no repository"),
        ("folder", "git.example.org", &good_token, 422, "no login is of use"),
        ("nobody", "git.example.org", &good_token, 404, "there is no project"),
    ] {
        let target = format!("/api/v1/projects/{project}/login");
        let body = json!({"host": host, "login": login});
        let answer =
            Ask::new("PUT", target).json(Value::to_string(&body)).send(farm.address()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.text().contains(sentence), "{body}: {}", answer.text());
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
    }
    farm.end().await;
}

#[tokio::test]
async fn agents_get_the_login_for_the_repository_itself_and_submodules_where_the_ref_is_trusted() {
    let mut setup = open();
    setup.agents = 0;
    let farm = Farm::with(setup, crate::farm::nothing).await;
    let repos = Repos::new();
    sample(&repos, "mine", "int a;\n");
    sample(&repos, "other", "int b;\n");
    let mine = HttpGit::start(repos.root(), Some(WANTED));
    let host = format!("127.0.0.1:{}", mine.server.port);
    let name = add(&farm, "mine", &mine.url("mine")).await;
    let put = PutLogin { host, login: token(TOKEN, true) };
    farm.rest.put_login(&name, &put).await.unwrap();
    let agent = Raw::new(&farm, "a").await;
    let commit = repos.git("mine", &["rev-parse", "main"]).trim().to_owned();
    for (git, expected) in [
        (json!({"url": mine.url("mine"), "ref": "main"}), Some(true)),
        // A commit by its id may be anybody's, and so may be what it names as its submodules.
        (json!({"url": mine.url("mine"), "commit": commit}), Some(false)),
        (json!({"url": mine.url("other"), "commit": commit}), None),
    ] {
        let body = json!({"source": {"git": git}}).to_string();
        let answer = Ask::new("POST", "/api/v1/builds").json(body).send(farm.address()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let claimed = agent.claim().await.expect("a plan waits");
        agent.end(&claimed, Verdict::Failed(Cause::SourceRefused)).await;
        let ClaimedSource::Git(claimed) = &claimed.source else { panic!("it is of git") };
        let given = claimed.login.as_ref().map(|claimed| claimed.submodules);
        assert_eq!(given, expected, "{git}");
        assert!(!format!("{claimed:?}").contains("hunter2"));
    }
    farm.end().await;
}

/// Who can write the database, and has no key, cannot have a login sent to themselves.
#[tokio::test]
async fn a_login_is_sealed_for_its_host() {
    let mut farm = Farm::with(open(), |_| hello()).await;
    let repos = Repos::new();
    let commit = sample(&repos, "mine", "int a;\n");
    let mine = HttpGit::start(repos.root(), Some(WANTED));
    let elsewhere = HttpGit::start(repos.root(), None);
    let [host, other] = [&mine, &elsewhere].map(|git| format!("127.0.0.1:{}", git.server.port));
    let project = add(&farm, "mine", &mine.url("mine")).await;
    farm.rest.watch_project(&project, &WatchRules::default()).await.unwrap();
    let put = PutLogin { host, login: token(TOKEN, true) };
    farm.rest.put_login(&project, &put).await.unwrap();
    farm.finished(seen(&farm, &commit).await.build.unwrap()).await;
    farm.stop_server().await;
    let store = farm.store().await;
    let row = store.project_named(&project).await.unwrap().unwrap();
    let mut tx = store.begin().await.unwrap();
    let login = store.login(&mut tx, row.id).await.unwrap().unwrap();
    let moved = LoginRow { host: other, ..login };
    store.put_login(&mut tx, row.id, &moved).await.unwrap();
    let row = ProjectRow { url: Some(elsewhere.url("mine")), ..row };
    store.set_project(&mut tx, &row).await.unwrap();
    tx.commit().await.unwrap();
    store.close().await;
    farm.restart_stopped().await;
    assert!(problem(&farm).await.contains("cannot be opened"));
    assert!(elsewhere.seen.lock().unwrap().is_empty(), "nobody asked there");
    farm.end().await;
}
