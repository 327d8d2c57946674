//! A real server that is told to stop in the middle of streams: they end with a hint when to come
//! back, and whoever comes back misses nothing and gets nothing twice.

use std::{path::Path, process::Stdio, time::Duration};

use kiln::{
    client::{LogFollow, Rest, event_bytes},
    model::{Stream, Verdict},
    protocol::{LogEnd, SubmitBuild},
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::Child,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    farm::{COMMIT, PATIENCE},
    program::kiln,
    raw::{Raw, frames, report},
};

#[expect(clippy::disallowed_methods, reason = "the rule is for the product")]
fn signal() -> tokio::process::Command {
    tokio::process::Command::new("kill")
}

/// A server as a process of its own.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    async fn start(data: &Path, listen: &str) -> Self {
        let mut command = kiln("", &["serve", "--no-agent", "--listen", listen, "--data"]);
        command.arg(data).current_dir(data).env_remove("KILN_SERVER");
        command.env("KILN_SERVER_ANONYMOUS", "admin").env("XDG_RUNTIME_DIR", data);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let address = loop {
            let line = timeout(PATIENCE, lines.next_line()).await.expect("it starts").unwrap();
            let line = line.unwrap_or_else(|| panic!("the server ended:\n{said}"));
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
            said += &line;
        };
        // Read on, or it would wait for somebody who does.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, address }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Tells it to stop, as a service manager does.
    async fn terminate(&mut self) {
        let id = self.child.id().unwrap().to_string();
        let mut kill = signal();
        assert!(kill.args(["-TERM", &id]).status().await.unwrap().success());
    }

    async fn ended(mut self) {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it stops").unwrap();
        assert!(status.success(), "{status}");
    }
}

/// Opens a stream by hand: whatever comes until the server closes the connection.
async fn raw_stream(address: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    stream
}

/// Reads until the text is there.
async fn read_until(stream: &mut TcpStream, text: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(text) {
        let read = timeout(PATIENCE, stream.read_buf(&mut seen)).await.expect("it comes").unwrap();
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&seen));
    }
}

/// The hint at the end of a stream, in milliseconds.
async fn hint(mut stream: TcpStream) -> u64 {
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it ends").unwrap();
    let rest = String::from_utf8(rest).unwrap();
    // The end of a chunked answer: nobody cut it off.
    assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
    let wait = rest.lines().find_map(|line| line.strip_prefix("retry: "));
    wait.unwrap_or_else(|| panic!("there is a hint: {rest}")).trim().parse().unwrap()
}

#[tokio::test]
async fn a_server_that_stops_says_when_to_come_back_and_nothing_is_lost() {
    let data = tempfile::Builder::new().prefix("kiln-stop-").tempdir().unwrap();
    let mut server = Server::start(data.path(), "127.0.0.1:0").await;
    let enrollment = std::fs::read_to_string(data.path().join("enrollment-token")).unwrap();
    let agent = Raw::at(&server.url(), enrollment.trim(), "a").await;
    let rest = Rest::new(&server.url(), None).unwrap();
    let source = json!({"git": {"url": "https://example.org/x", "commit": COMMIT}});
    let build = json!({"source": source, "toolchains": ["gcc:14"]});
    let build: SubmitBuild = serde_json::from_value(build).unwrap();
    rest.submit(&build, "0123456789abcdef").await.unwrap();
    agent.plan().await;
    let leg = agent.claim().await.expect("a leg waits");

    let mut end = LogEnd::default();
    let mut say = |text: &str| frames(&mut end, &[(Stream::Stdout, text.as_bytes())]);
    agent.attempt(&leg).log(say("one\n")).await.unwrap();
    let follow = LogFollow::new(rest, leg.job, None, CancellationToken::new());
    let mut follow = follow.giving_up_after(PATIENCE);
    let (seen, mut sees) = tokio::sync::watch::channel(String::new());
    let following = tokio::spawn(async move {
        while let Some(event) = follow.next().await {
            let bytes = event_bytes(&event.unwrap()).unwrap_or_default();
            seen.send_modify(|text| *text += std::str::from_utf8(&bytes).unwrap());
        }
        seen.borrow().clone()
    });
    timeout(PATIENCE, sees.wait_for(|text| text == "one\n")).await.unwrap().unwrap();
    let mut log =
        raw_stream(&server.address, &format!("/api/v1/jobs/{}/log/stream", leg.job)).await;
    read_until(&mut log, "one").await;
    let mut events = raw_stream(&server.address, "/api/v1/events").await;
    read_until(&mut events, "event-stream").await;
    // A claim that waits is answered, too.
    let waiting = agent.request(Duration::from_secs(30));
    let claim = agent.client.claim(&waiting);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.terminate().await;
    };
    let (claimed, ()) = tokio::join!(claim, stop);
    assert!(claimed.unwrap().is_none());
    for stream in [log, events] {
        let wait = hint(stream).await;
        assert!((500..1_500).contains(&wait), "{wait}");
    }
    let listen = server.address.clone();
    server.ended().await;

    // The same address, as another server behind one would have.
    let mut server = Server::start(data.path(), &listen).await;
    agent.attempt(&leg).log(say("two\n")).await.unwrap();
    timeout(PATIENCE, sees.wait_for(|text| text == "one\ntwo\n")).await.unwrap().unwrap();
    agent.attempt(&leg).log(say("three\n")).await.unwrap();
    agent.attempt(&leg).finish(&report(Verdict::Success, end)).await.unwrap();
    let text = timeout(PATIENCE, following).await.expect("it ends").unwrap();
    assert_eq!(text, "one\ntwo\nthree\n");
    server.terminate().await;
    server.ended().await;
}
