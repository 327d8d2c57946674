//! Ordinary and unfriendly servers: resolving, fetching, credentials, TLS, redirects.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use kiln::{
    config::SourceSettings,
    source::{RefSpec, SourceError, Submodules},
};

use crate::{
    Kiln,
    git::Repos,
    server::{Daemon, HttpGit, Request, Server, Tls},
    settings,
};

fn sample(repos: &Repos) -> (String, String) {
    let first = repos.commit("app", "main", &[("100644", "a.c", b"int a;\n")]);
    repos.git("app", &["tag", "-a", "v1.0", "-m", "one", &first]);
    repos.git("app", &["branch", "old", &first]);
    let second = repos.commit("app", "main", &[("100755", "run.sh", b"#!/bin/sh\n")]);
    (first, second)
}

#[tokio::test]
async fn refs_resolve_alike_over_every_scheme() {
    let repos = Repos::new();
    let (first, second) = sample(&repos);
    repos.empty("empty");
    let (http, daemon) = (HttpGit::start(repos.root(), None), Daemon::start(repos.root()));
    let kiln = Kiln::new();
    for url in [http.url("app"), daemon.url("app"), repos.file_url("app")] {
        for (name, expected) in [
            (None, format!("refs/heads/main {second}")),
            (Some("main"), format!("refs/heads/main {second}")),
            (Some("old"), format!("refs/heads/old {first}")),
            (Some("v1.0"), format!("refs/tags/v1.0 {first}")),
            (Some("refs/heads/old"), format!("refs/heads/old {first}")),
        ] {
            assert_eq!(kiln.resolve(&url, name).await, Ok(expected), "{url} {name:?}");
        }
        let error = kiln.resolve(&url, Some("mian")).await.unwrap_err();
        assert!(matches!(error, SourceError::UnknownRef(_)), "{error}");
        assert!(error.to_string().contains("near it: main"), "{error}");
        let empty = url.replace("app.git", "empty.git");
        let error = kiln.resolve(&empty, None).await.unwrap_err();
        assert!(matches!(error, SourceError::UnknownRef(_)), "{url}: {error:?}");
        let nowhere = url.replace("app.git", "nowhere.git");
        let error = kiln.resolve(&nowhere, None).await.unwrap_err();
        assert!(matches!(error, SourceError::Unreachable(_)), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn a_commit_is_fetched_once_and_shallow_where_the_remote_allows() {
    let repos = Repos::new();
    let noise: Vec<u8> =
        (0..300_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    repos.commit("app", "main", &[("100644", "history", &noise)]);
    let (_, second) = sample(&repos);
    let third = repos.commit("app", "main", &[("100644", "history", b"short")]);
    repos.git("app", &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let (http, daemon) = (HttpGit::start(repos.root(), None), Daemon::start(repos.root()));
    for url in [http.url("app"), daemon.url("app")] {
        let kiln = Kiln::new();
        let fetched = kiln.fetch(&url, &third).await.unwrap();
        assert!(fetched.fetched && fetched.bytes < 100_000, "{url}: {}", fetched.bytes);
        let older = kiln.fetch(&url, &second).await.unwrap();
        assert!(older.fetched && older.bytes > 100_000, "{url}: {}", older.bytes);
        let before = http.server.connections();
        let again = kiln.fetch(&url, &third).await.unwrap();
        assert_eq!((again.fetched, again.bytes, http.server.connections()), (false, 0, before));
        assert_eq!(kiln.tar(&again.checkout).await.len(), 4);
    }
    // Files have no shallow fetch: everything comes.
    let fetched = Kiln::new().fetch(&repos.file_url("app"), &second).await.unwrap();
    assert!(fetched.fetched);
}

#[tokio::test]
async fn a_commit_that_is_no_tip_is_found_also_where_ids_cannot_be_asked_for() {
    let repos = Repos::new();
    let (_, second) = sample(&repos);
    for _ in 0..3 {
        repos.commit("app", "main", &[("100644", "b.c", b"int b;\n")]);
    }
    let head = repos.commit("app", "main", &[("100644", "c.c", b"int c;\n")]);
    let http = HttpGit::start(repos.root(), None);
    let kiln = Kiln::new();
    // The mirror is shallow first, and has to be deepened then.
    let hint = Some("refs/heads/main");
    let fetch = |commit: String| {
        let (url, kiln) = (http.url("app"), &kiln);
        async move { kiln.fetch_with(&url, &commit, hint, Submodules::LeftOut).await }
    };
    assert!(fetch(head).await.unwrap().fetched);
    let fetched = fetch(second).await.unwrap();
    assert_eq!(kiln.tar(&fetched.checkout).await.len(), 3);
    let error = fetch("0123456789012345678901234567890123456789".to_owned()).await.unwrap_err();
    assert!(matches!(error, SourceError::UnknownRef(_)), "{error:?}");
}

#[tokio::test]
async fn a_commit_id_resolves_without_asking_anybody() {
    let kiln = Kiln::new();
    let url = kiln.sources.parse_url("https://kiln.invalid/a").unwrap();
    let commit: kiln::model::CommitId = "0123456789012345678901234567890123456789".parse().unwrap();
    let resolved = kiln.sources.resolve(&url, &RefSpec::Commit(commit.clone())).await.unwrap();
    assert_eq!((resolved.commit, resolved.refname), (commit, None));
}

#[tokio::test]
async fn what_cannot_be_reached_is_said_plainly() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let kiln = Kiln::new();
    for url in [
        "https://kiln.invalid/a".to_owned(),
        format!("http://127.0.0.1:{closed}/a"),
        format!("https://127.0.0.1:{closed}/a"),
        format!("git://127.0.0.1:{closed}/a"),
        "file:///nonexistent/a.git".to_owned(),
    ] {
        let error = kiln.resolve(&url, None).await.unwrap_err();
        assert!(matches!(error, SourceError::Unreachable(_)), "{url}: {error:?}");
        assert!(!error.to_string().contains("127.0.0.1:0"), "{error}");
    }
}

fn credentials(directory: &Path, text: &str) -> SourceSettings {
    let file = directory.join("credentials.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    SourceSettings { credentials_file: Some(file), ..settings() }
}

/// `bot:hunter2`
const LOGIN: &str = "Basic Ym90Omh1bnRlcjI=";

#[tokio::test]
async fn a_self_signed_certificate_is_refused_and_one_of_a_known_authority_is_not() {
    let repos = Repos::new();
    let (_, second) = sample(&repos);
    let tls = Tls::new();
    let https = HttpGit::start_tls(repos.root(), Some(LOGIN), &tls);
    let port = https.server.port;
    let url = format!("https://127.0.0.1:{port}/app.git");
    let token = format!("[host.\"127.0.0.1:{port}\"]\nusername = \"bot\"\ntoken = \"hunter2\"\n");
    let directory = tempfile::tempdir().unwrap();

    let strange = Kiln::with(credentials(directory.path(), &token));
    let error = strange.resolve(&url, None).await.unwrap_err();
    assert!(error.to_string().contains("TLS failed"), "{error}");
    assert!(https.seen.lock().unwrap().is_empty(), "no credentials for a stranger");

    let ca_file = Some(tls.certificate.clone());
    let known = SourceSettings { ca_file, ..credentials(directory.path(), &token) };
    let kiln = Kiln::with(known.clone());
    assert!(kiln.resolve(&url, None).await.unwrap().ends_with(&second));
    let fetched = kiln.fetch(&url, &second).await.unwrap();
    assert_eq!(kiln.tar(&fetched.checkout).await.len(), 3);

    let without = Kiln::with(SourceSettings { credentials_file: None, ..known });
    let error = without.resolve(&url, None).await.unwrap_err();
    assert!(matches!(error, SourceError::Credentials(_)), "{error:?}");
}

#[tokio::test]
async fn a_token_goes_to_its_host_only_and_never_over_http_unless_told_to() {
    let repos = Repos::new();
    let (_, second) = sample(&repos);
    let http = HttpGit::start(repos.root(), Some(LOGIN));
    let port = http.server.port;
    let directory = tempfile::tempdir().unwrap();
    for (host, extra, sent) in [
        (format!("127.0.0.1:{port}"), "plain_http = true", true),
        (format!("127.0.0.1:{port}"), "", false),
        ("127.0.0.1".to_owned(), "plain_http = true", false),
        (format!("localhost:{port}"), "plain_http = true", false),
    ] {
        http.seen.lock().unwrap().clear();
        let text = format!("[host.\"{host}\"]\nusername = \"bot\"\ntoken = \"hunter2\"\n{extra}\n");
        let kiln = Kiln::with(credentials(directory.path(), &text));
        let result = kiln.resolve(&http.url("app"), None).await;
        let seen = http.seen.lock().unwrap().clone();
        assert!(!seen.is_empty());
        assert!(seen.iter().all(|header| header.is_some() == sent), "{host} {extra}: {seen:?}");
        match result {
            Ok(resolved) => assert!(sent && resolved.ends_with(&second)),
            Err(error) => {
                assert!(!sent && matches!(error, SourceError::Credentials(_)), "{error:?}");
                assert!(!format!("{error} {error:?}").contains("hunter2"));
            }
        }
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_the_target_hears_nothing() {
    let target = Server::start(|_| {});
    let (port, connections) = (target.port, Arc::clone(&target.connections));
    for to in [
        format!("http://127.0.0.1:{port}/x/info/refs"),
        format!("http://localhost:{port}/x/info/refs"),
        "file:///etc/passwd".to_owned(),
        "/elsewhere/info/refs".to_owned(),
    ] {
        let server = Server::start(move |stream| {
            let request = Request::read(&stream).unwrap();
            assert!(request.first.starts_with("GET /app.git/info/refs"), "{}", request.first);
            let answer =
                format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
            (&stream).write_all(answer.as_bytes()).unwrap();
        });
        let kiln = Kiln::new();
        let url = format!("http://127.0.0.1:{}/app.git", server.port);
        let error = kiln.resolve(&url, None).await.unwrap_err();
        assert!(matches!(error, SourceError::Refused(_)), "{error:?}");
        let error = kiln.fetch(&url, &"1".repeat(40)).await.unwrap_err();
        assert!(matches!(error, SourceError::Refused(_)), "{error:?}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn ssh_without_a_pinned_host_key_is_refused() {
    let error = Kiln::new().resolve("git@127.0.0.1:a.git", None).await.unwrap_err();
    assert!(matches!(error, SourceError::Credentials(_)), "{error:?}");
}

#[tokio::test]
async fn by_default_a_private_address_is_refused_before_anything_is_sent() {
    let server = Server::start(|_| {});
    let kiln = Kiln::with(SourceSettings {
        schemes: "http,git".parse().unwrap(),
        ..SourceSettings::default()
    });
    for url in ["http://127.0.0.1:PORT/a", "git://127.1:PORT/a", "http://[::ffff:7f00:1]:PORT/a"] {
        let url = url.replace("PORT", &server.port.to_string());
        let error = kiln.resolve(&url, None).await.unwrap_err();
        assert!(matches!(error, SourceError::Refused(_)), "{url}: {error:?}");
    }
    assert_eq!(server.connections(), 0);
}
