//! Traces: what the program sends to a collector, and what it says where it was built without them.

use std::net::SocketAddr;

use tokio::process::Command;

use crate::program::kiln;

/// The server as a program, whose traces go to this address.
fn serve(folder: &std::path::Path, collector: SocketAddr) -> Command {
    let config = folder.join("kiln.toml");
    let text = format!("[server]\ntraces = \"http://{collector}/v1/traces\"\n");
    std::fs::write(&config, text).unwrap();
    let data = folder.join("data");
    let mut command = kiln("http://127.0.0.1:1", &["serve", "--no-agent"]);
    command.args(["--listen", "127.0.0.1:0", "--config"]).arg(&config).arg("--data").arg(&data);
    command.env("HOME", folder);
    command
}

#[cfg(not(feature = "otel"))]
#[tokio::test]
async fn a_program_without_opentelemetry_says_so_instead_of_sending_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ran =
        crate::program::run(serve(folder.path(), SocketAddr::from(([127, 0, 0, 1], 1)))).await;
    assert!(ran.code != Some(0) && ran.err.contains("--features otel"), "{ran:?}");
    assert!(!folder.path().join("data").exists(), "and nothing is changed");
}

#[cfg(feature = "otel")]
mod collector {
    use tokio::{
        io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
        net::TcpListener,
        process::Child,
    };

    use super::*;
    use crate::{farm::PATIENCE, program::end, wire::Ask};

    #[tokio::test]
    async fn a_collector_gets_the_spans_of_requests_the_last_ones_when_the_server_ends() {
        let collector = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut command = serve(folder.path(), collector.local_addr().unwrap());
        // Longer than the test waits: what comes, comes because the server ends.
        let mut server = command.env("OTEL_BSP_SCHEDULE_DELAY", "600000").spawn().unwrap();
        let address = address_of(&mut server).await;
        let ask = Ask::get("/healthz").header("x-request-id", "traced-by-a-test");
        assert_eq!(ask.send(address).await.status, 200);
        let id = server.id().unwrap().to_string();
        #[expect(
            clippy::disallowed_methods,
            reason = "the rule is for the product; tests start programs"
        )]
        let killed = Command::new("kill").arg(id).status().await.unwrap();
        assert!(killed.success());
        let got =
            tokio::time::timeout(PATIENCE, one_request(&collector)).await.expect("it is told");
        let text = String::from_utf8_lossy(&got);
        assert!(text.starts_with("POST /v1/traces HTTP/1.1"), "{text}");
        for expected in [
            "application/x-protobuf",
            "service.name",
            "GET /healthz",
            "traced-by-a-test",
            "request.id",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in {text}");
        }
        let ran = end(server).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }

    /// Where the server says that it listens; the rest of what it says is read, so that it can go on.
    async fn address_of(server: &mut Child) -> SocketAddr {
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let address = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the server starts");
                if let Some((_, rest)) = line.split_once("kiln serves at http://") {
                    return rest.split(' ').next().unwrap().parse().unwrap();
                }
            }
        };
        let address = tokio::time::timeout(PATIENCE, address).await.unwrap();
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        address
    }

    /// Takes a request with its body, and says that it was understood.
    async fn one_request(listener: &TcpListener) -> Vec<u8> {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut got = Vec::new();
        loop {
            assert!(stream.read_buf(&mut got).await.unwrap() > 0, "it ends early");
            let Some(head) = got.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
            let text = String::from_utf8_lossy(&got[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.expect("a length").parse().unwrap();
            if got.len() >= head + 4 + length {
                break;
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        got
    }
}
