//! Connections that behave badly, and those that are encrypted.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use kiln::config::Anonymous;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::{
    farm::{Farm, PATIENCE, Setup, nothing},
    program::{Ran, kiln, run},
    wire::{Ask, Heard},
};

/// Reads what comes until the server closes the connection.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let read = timeout(Duration::from_mins(1), stream.read_to_end(&mut seen)).await;
    // That it was cut off is one way to close it.
    let _ = read.expect("the server gives up");
    String::from_utf8_lossy(&seen).into_owned()
}

#[tokio::test]
async fn who_stops_in_the_middle_of_a_request_is_not_waited_for() {
    let farm = Farm::alone().await;
    let began = Instant::now();
    let half = async |text: String| {
        let mut stream = TcpStream::connect(farm.address()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        until_closed(&mut stream).await
    };
    let head = "POST /api/v1/builds HTTP/1.1\r\nhost: 127.0.0.1\r\n";
    let kind = "content-type: application/json\r\n";
    let (in_head, in_body, in_chunk, silent) = tokio::join!(
        half(head.to_owned()),
        half(format!("{head}{kind}content-length: 100\r\n\r\n{{\"source\"")),
        half(format!("{head}{kind}transfer-encoding: chunked\r\n\r\n9\r\n{{\"source\"\r\n")),
        half(String::new()),
    );
    assert!(in_head.is_empty() || in_head.starts_with("HTTP/1.1 408"), "{in_head}");
    assert!(silent.is_empty() || silent.starts_with("HTTP/1.1 408"), "{silent}");
    for answer in [in_body, in_chunk] {
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    // Not at once either: a slow network is not an attack.
    assert!(began.elapsed() > Duration::from_secs(5));
    assert_eq!(Ask::get("/api/v1/builds").send(farm.address()).await.status, 200);
    farm.end().await;
}

#[tokio::test]
async fn a_body_that_never_ends_is_refused_at_its_bound() {
    let farm = Farm::alone().await;
    let mut stream = TcpStream::connect(farm.address()).await.unwrap();
    let head = "POST /api/v1/builds HTTP/1.1\r\nhost: 127.0.0.1\r\n\
                content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
    let mut sent = 0;
    // As much as it takes: the server stops reading soon after its bound.
    while sent < 64 && stream.write_all(chunk.as_bytes()).await.is_ok() {
        sent += 1;
        if timeout(Duration::from_millis(5), stream.readable()).await.is_ok() {
            break;
        }
    }
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 413");
    assert!(sent < 64, "it read all of it");
    farm.end().await;
}

/// A server that speaks TLS as a process of its own, with its agent's door.
struct Encrypted {
    _child: tokio::process::Child,
    url: String,
}

impl Encrypted {
    async fn start(data: &Path, certificate: &Path, key: &Path) -> Result<Self, Ran> {
        let words = ["serve", "--no-agent", "--listen", "127.0.0.1:0", "--data"];
        let mut command = kiln("", &words);
        command.arg(data).current_dir(data).env_remove("KILN_SERVER");
        command.env("XDG_RUNTIME_DIR", data);
        command.env("KILN_SERVER_CERTIFICATE_FILE", certificate).env("KILN_SERVER_KEY_FILE", key);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        while let Some(line) = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap() {
            if let Some((_, rest)) = line.split_once("https://") {
                let url = format!("https://{}", rest.split_whitespace().next().unwrap());
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok(Self { _child: child, url });
            }
            said += &line;
            said.push('\n');
        }
        let code = child.wait().await.unwrap().code();
        Err(Ran { code, out: Vec::new(), err: said })
    }
}

/// A certificate for this machine, signed by nobody else, and its key, as PEM files.
fn certificate(folder: &Path, name: &str) {
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), made.cert.pem()).unwrap();
    let key = made.signing_key.serialize_pem();
    std::fs::write(folder.join(format!("{name}.key")), key).unwrap();
}

#[tokio::test]
async fn a_server_speaks_tls_with_a_certificate_and_its_key_and_with_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["one", "two"] {
        certificate(folder.path(), name);
    }
    let data = at("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(at("empty"), "").unwrap();
    for (certificate, key, sentence) in [
        ("one.pem", "two.key", "cannot be used together"),
        ("one.key", "one.key", "no certificate"),
        ("empty", "one.key", "no certificate"),
        ("missing", "one.key", "missing"),
        ("one.pem", "one.pem", "one.pem"),
    ] {
        let refused = Encrypted::start(&data, &at(certificate), &at(key)).await;
        let Err(ran) = refused else { panic!("{certificate} and {key}") };
        let lines: Vec<&str> = ran.err.trim().lines().collect();
        assert!(ran.code == Some(3) && lines.len() == 1, "{ran:?}");
        assert!(ran.err.contains(sentence), "{certificate} {key}: {ran:?}");
    }
    let server = Encrypted::start(&data, &at("one.pem"), &at("one.key")).await;
    let server = server.unwrap_or_else(|ran| panic!("{ran:?}"));
    let asked = async |trusted: &str| {
        let mut command = kiln(&server.url, &["whoami"]);
        command.env("KILN_DATA", &data).env("SSL_CERT_FILE", at(trusted));
        run(command).await
    };
    let ran = asked("one.pem").await;
    assert_eq!((ran.code, &*ran.text()), (Some(0), "local: admin everywhere\n"), "{ran:?}");
    let ran = asked("two.pem").await;
    assert_eq!(ran.code, Some(3), "a certificate that nobody vouches for: {ran:?}");
}

#[tokio::test]
async fn names_are_answered_as_the_settings_say() {
    let mut setup = Setup { agents: 0, ..Setup::default() };
    setup.settings.server.anonymous = Anonymous::Read;
    setup.settings.server.hosts = vec!["kiln.example.org".to_owned()];
    let farm = Farm::with(setup, nothing).await;
    for (host, status) in [
        ("kiln.example.org", 200),
        ("KILN.example.org:8000", 200),
        ("127.0.0.1", 200),
        ("evil", 403),
    ] {
        let ask = Ask { host: host.into(), ..Ask::get("/api/v1/builds") };
        assert_eq!(ask.send(farm.address()).await.status, status, "{host}");
    }
    // Whoever may only read changes nothing.
    let body = json!({"name": "x"}).to_string();
    let ask = Ask::new("POST", "/api/v1/projects").json(body);
    assert_eq!(ask.send(farm.address()).await.status, 403);
    farm.end().await;
}

#[tokio::test]
async fn who_asks_and_does_not_read_is_not_waited_for() {
    let farm = Farm::alone().await;
    let target = "/docs/swagger-ui-bundle.js";
    let size = Ask::get(target).send(farm.address()).await.body.len();
    let mut stream = TcpStream::connect(farm.address()).await.unwrap();
    let asked = 100;
    let ask = format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").repeat(asked);
    stream.write_all(ask.as_bytes()).await.unwrap();
    // Longer than the server's patience with a socket that takes nothing.
    tokio::time::sleep(Duration::from_secs(35)).await;
    let mut seen = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut seen)).await.expect("it has ended");
    assert!(seen.len() < asked * size / 2, "all of it came: {} bytes", seen.len());
    assert_eq!(Ask::get("/api/v1/builds").send(farm.address()).await.status, 200);
    farm.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_open_streams_hold_nobody_up() {
    const MANY: u32 = 5_000;
    // Both ends are in this process.
    let most = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    assert!(most > u64::from(MANY) * 2 + 200, "{most} descriptors are too few for this test");
    let mut setup = Setup { agents: 0, ..Setup::default() };
    setup.settings.server.streams_per_account = MANY.try_into().unwrap();
    let farm = Farm::with(setup, nothing).await;
    let mut streams = Vec::new();
    for _ in 0..MANY {
        streams.push(Heard::open(farm.address(), "/api/v1/events", &admin(&farm)).await);
    }
    let ask = Ask::get("/api/v1/events");
    assert_eq!(ask.send(farm.address()).await.status, 429, "that is the bound");
    assert_eq!(Ask::get("/api/v1/builds").send(farm.address()).await.status, 200);
    let build = farm.submit_raw(json!({})).await;
    farm.rest.cancel_build(build.id).await.unwrap();
    let ended = format!("\"build\":\"{}\",\"state\":\"finished\"", build.id);
    let heard = streams.iter_mut().map(|stream| stream.until(&ended));
    assert_eq!(futures_util::future::join_all(heard).await.len(), MANY as usize);
    drop(streams);
    farm.end().await;
}

fn admin(farm: &Farm) -> String {
    std::fs::read_to_string(farm.server_data().join("admin-token")).unwrap()
}

#[tokio::test]
async fn a_client_of_the_same_user_finds_the_token_of_a_server_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (data, runtime) = (folder.path().join("data"), folder.path().join("run"));
    std::fs::create_dir_all(&runtime).unwrap();
    let words = ["serve", "--no-agent", "--listen", "127.0.0.1:0", "--data"];
    let mut command = kiln("", &words);
    command.arg(&data).current_dir(folder.path()).env_remove("KILN_SERVER");
    command.env("XDG_RUNTIME_DIR", &runtime);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let url = loop {
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        let line = line.expect("the server runs");
        if let Some((_, rest)) = line.split_once("http://") {
            break format!("http://{}", rest.split_whitespace().next().unwrap());
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    // The note may be written a moment after the line.
    let began = Instant::now();
    let found = loop {
        let mut command = kiln(&url, &["whoami"]);
        command.env("XDG_RUNTIME_DIR", &runtime);
        let ran = run(command).await;
        if ran.code == Some(0) || began.elapsed() > PATIENCE {
            break ran;
        }
    };
    assert_eq!(found.text(), "local: admin everywhere\n", "{found:?}");
    let ran = run(kiln(&url, &["whoami"])).await;
    assert!(ran.code == Some(2) && ran.err.contains("admin-token"), "another user: {ran:?}");
    let id = child.id().unwrap().to_string();
    terminate(&id);
    assert!(timeout(PATIENCE, child.wait()).await.unwrap().unwrap().success());
    assert_eq!(std::fs::read_dir(runtime.join("kiln")).unwrap().count(), 0, "the note is gone");
}

#[expect(clippy::disallowed_methods, reason = "the rule is for the product")]
fn terminate(id: &str) {
    let status = std::process::Command::new("kill").args(["-TERM", id]).status();
    assert!(status.unwrap().success());
}
