//! A server keeps to itself: its address, its data directory, its secrets, and who may ask it.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use kiln::{
    client::Rest,
    config::Anonymous,
    model::SystemClock,
    server::{ListenError, ServeError, Server, listen},
};

use crate::{
    farm::{Farm, Setup, nothing},
    program::{kiln, run},
    raw::Raw,
    wire::Ask,
};

#[tokio::test]
async fn an_address_that_is_taken_is_refused_with_what_to_do() {
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let taken = listen(listener.local_addr().unwrap()).await.unwrap_err();
    assert!(matches!(taken, ListenError::Bind { .. }) && taken.to_string().contains("--listen"));
}

#[tokio::test]
async fn a_data_directory_has_one_server_and_one_reader() {
    let farm = Farm::alone().await;
    let data = farm.server_data();
    let open = || async {
        let sources = farm.sources(&data);
        Server::open(farm.settings(), &data, Arc::new(SystemClock), sources).await
    };
    let error = open().await.unwrap_err();
    assert!(matches!(error, ServeError::Data { .. }), "{error}");
    assert!(error.to_string().contains("another kiln server"), "{error}");
    let mode = |name: &str| std::fs::metadata(data.join(name)).unwrap().permissions().mode();
    assert_eq!(mode("") & 0o777, 0o700);
    assert_eq!(mode("enrollment-token") & 0o777, 0o600);
    farm.end().await;
}

/// With the settings of a server that others can reach: who has no token gets nothing.
#[tokio::test]
async fn where_tokens_are_asked_for_nobody_gets_in_without() {
    const ADMIN: &str = "the administrator's token";
    const ENROLLMENT: &str = "the agents' enrollment token";
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        Some(path)
    };
    let mut setup = Setup { agents: 0, manual: true, ..Setup::default() };
    setup.settings.server.anonymous = Anonymous::Nothing;
    setup.settings.server.admin_token_file = secret("admin", ADMIN);
    setup.settings.server.enrollment_token_file = secret("enrollment", ENROLLMENT);
    let mut farm = Farm::with(setup, nothing).await;
    assert_eq!(farm.enrollment, ENROLLMENT);
    let agent = Raw::new(&farm, "one").await;

    // Any name will do: a proxy in front of it has names that it does not know.
    let address = farm.address();
    let ask = |target: &str, token: Option<&str>| {
        let ask = Ask { host: "kiln.example.org".into(), ..Ask::get(target) };
        let ask = match token {
            Some(token) => ask.header("authorization", format!("Bearer {token}")),
            None => ask,
        };
        async move { ask.send(address).await.status }
    };
    for (token, status) in
        [(None, 401), (Some(ENROLLMENT), 401), (Some(&*agent.token), 403), (Some(ADMIN), 200)]
    {
        assert_eq!(ask("/api/v1/builds", token).await, status, "{token:?}");
    }
    for open in ["/healthz", "/readyz"] {
        assert_eq!(ask(open, None).await, 200, "{open}");
    }

    // As a person does it.
    let file = folder.path().join("admin");
    let with = ["agents", "--access-token-file", file.to_str().unwrap()];
    let ran = run(kiln(&farm.url(), &with)).await;
    assert!(ran.code == Some(0) && ran.text().contains("one"), "{ran:?}");
    let ran = run(kiln(&farm.url(), &["agents"])).await;
    assert!(ran.code == Some(2) && ran.err.contains("KILN_TOKEN_FILE"), "{ran:?}");
    farm.rest = Rest::new(&farm.url(), Some(ADMIN.to_owned())).unwrap();
    farm.end().await;
}

/// The first start makes the administrator's token.
#[tokio::test]
async fn a_server_makes_a_token_and_never_opens_itself_to_others() {
    let farm = Farm::alone().await;
    // Of its own, because a server that does not run does not tidy up either.
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut settings = kiln::config::Settings::default();
    settings.server.listen = "0.0.0.0:0".parse().unwrap();
    settings.server.anonymous = Anonymous::Admin;
    let open = async |settings: &kiln::config::Settings| {
        Server::open(settings, data, Arc::new(SystemClock), farm.sources(data)).await
    };
    let refused = open(&settings).await.unwrap_err();
    assert!(matches!(refused, ServeError::Open(_)), "{refused}");
    settings.server.anonymous = Anonymous::Nothing;
    drop(open(&settings).await.unwrap());
    let mode = std::fs::metadata(data.join("admin-token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(farm.server_data().join("admin-token").exists(), "on loopback, too");
    farm.end().await;
}
