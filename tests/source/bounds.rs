//! Bounds: sizes, counts, time and memory, against sources and servers made to break them.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use kiln::{
    config::SourceSettings,
    model::Cause,
    source::{FetchSpec, SourceError, Submodules},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Kiln,
    git::{Hostile, Repos},
    server::{Daemon, HttpGit, Request, Server},
    settings,
};

const MIB: u64 = 1 << 20;

async fn too_large(settings: SourceSettings, make: impl FnOnce(&Hostile) -> git2::Oid) -> String {
    let repos = Repos::new();
    let commit = repos.with_tree("large", make);
    let result = Kiln::with(settings).fetch(&repos.file_url("large"), &commit).await;
    let Err(error) = result else { panic!("accepted") };
    assert_eq!(error.cause(), Some(Cause::SourceTooLarge), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn a_blob_that_grows_when_unpacked_is_refused_by_its_header() {
    let bound = SourceSettings { source_bytes: 8 * MIB, ..settings() };
    let bomb = |o: &Hostile| o.tree(&[("100644", b"bomb", o.blob(&vec![0; 256 * 1024 * 1024]))]);
    assert!(too_large(bound, bomb).await.contains("larger than 8 MiB"));
}

#[tokio::test]
async fn a_tree_that_refers_to_itself_many_times_ends_at_the_bound() {
    let started = Instant::now();
    let text = too_large(settings(), |objects| {
        let mut id = objects.blob(b"x");
        let mut mode = "100644";
        for _ in 0..10 {
            let names: Vec<String> = (0..10).map(|i| format!("f{i}")).collect();
            let entries: Vec<_> = names.iter().map(|name| (mode, name.as_bytes(), id)).collect();
            id = objects.tree(&entries);
            mode = "40000";
        }
        id
    });
    assert!(text.await.contains("more than 50000 entries"));
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn directories_are_bounded_in_depth() {
    let text = too_large(settings(), |objects| {
        let mut id = objects.tree(&[("100644", b"f", objects.blob(b"x"))]);
        for _ in 0..5_000 {
            id = objects.tree(&[("40000", b"d", id)]);
        }
        id
    });
    assert!(text.await.contains("deeper than 64"));
}

fn random(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[1]
    };
    (0..bytes).map(|_| next()).collect()
}

#[tokio::test]
async fn a_pack_beyond_the_bound_is_cut_off() {
    let repos = Repos::new();
    let commit = repos.commit("app", "main", &[("100644", "noise", &random(8 << 20))]);
    let (http, daemon) = (HttpGit::start(repos.root(), None), Daemon::start(repos.root()));
    for url in [http.url("app"), daemon.url("app"), repos.file_url("app")] {
        let kiln = Kiln::with(SourceSettings { pack_bytes: 2 * MIB, ..settings() });
        let error = kiln.fetch(&url, &commit).await.unwrap_err();
        assert!(matches!(error, SourceError::TooLarge(_)), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn refs_are_bounded_in_number() {
    let repos = Repos::new();
    repos.commit("app", "main", &[("100644", "a", b"a")]);
    for name in ["b", "c", "d"] {
        repos.git("app", &["branch", name, "main"]);
    }
    let kiln = Kiln::with(SourceSettings { refs: 3, ..settings() });
    let error = kiln.resolve(&repos.file_url("app"), None).await.unwrap_err();
    assert!(matches!(error, SourceError::TooLarge(_)), "{error:?}");
}

/// Begins as a git server and then advertises refs for ever.
fn endless(stream: &TcpStream) {
    let Some(_) = Request::read(stream) else { return };
    let mut out = std::io::BufWriter::new(stream);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n001e# service=git-upload-pack\n0000";
    if out.write_all(head.as_bytes()).is_err() {
        return;
    }
    for number in 0_u64.. {
        let mut line = format!("{} refs/heads/{number:0200}", "1".repeat(40));
        if number == 0 {
            line.push_str("\0multi_ack side-band-64k ofs-delta");
        }
        line.push('\n');
        if write!(out, "{:04x}{line}", line.len() + 4).is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn an_endless_advertisement_ends_at_the_bound() {
    let server = Server::start(|stream| endless(&stream));
    let kiln = Kiln::new();
    let url = format!("http://127.0.0.1:{}/app.git", server.port);
    let error = kiln.resolve(&url, None).await.unwrap_err();
    assert!(matches!(error, SourceError::TooLarge(_)), "{error:?}");
}

#[tokio::test]
async fn a_helper_that_swells_dies_of_its_own_memory_bound() {
    let server = Server::start(|stream| endless(&stream));
    let kiln = Kiln::with(SourceSettings { helper_memory_bytes: 96 * MIB, ..settings() });
    let url = format!("http://127.0.0.1:{}/app.git", server.port);
    let error = kiln.resolve(&url, None).await.unwrap_err();
    assert!(matches!(error, SourceError::TooLarge(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_or_a_byte_at_a_time_meets_the_deadline() {
    let silent = Server::start(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let slow = Server::start(|mut stream| {
        // A line of 255 bytes, of which one comes at a time.
        let pause = std::sync::mpsc::sync_channel::<()>(0);
        let (_keep, pause) = pause;
        let _ = stream.write_all(b"00ff");
        while stream.write_all(b"x").is_ok() {
            let _ = pause.recv_timeout(Duration::from_millis(100));
        }
    });
    let kiln = Kiln::with(SourceSettings { resolve_seconds: 1, fetch_seconds: 1, ..settings() });
    for port in [silent.port, slow.port] {
        for scheme in ["http", "git", "https"] {
            let url = format!("{scheme}://127.0.0.1:{port}/a");
            let started = Instant::now();
            let error = kiln.resolve(&url, None).await.unwrap_err();
            let cause = error.cause();
            assert_eq!(cause, Some(Cause::SourceUnreachable), "{url}: {error:?}");
            let error = kiln.fetch(&url, &"1".repeat(40)).await.unwrap_err();
            assert_eq!(error.cause(), Some(Cause::SourceUnreachable), "{url}: {error:?}");
            assert!(started.elapsed() < Duration::from_secs(15), "{url}");
        }
    }
    let url = format!("git://127.0.0.1:{}/a", silent.port);
    let error = kiln.resolve(&url, None).await.unwrap_err();
    assert!(matches!(error, SourceError::Timeout(_)), "{error:?}");
}

#[tokio::test]
async fn a_cancelled_fetch_ends_at_once() {
    let (asked, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |mut stream| {
        let _ = stream.read(&mut [0; 100]);
        let _ = asked.send(());
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let kiln = Kiln::new();
    let cancel = CancellationToken::new();
    let spec = FetchSpec {
        url: kiln.sources.parse_url(&format!("git://127.0.0.1:{}/a", server.port)).unwrap(),
        commit: "1".repeat(40).parse().unwrap(),
        refname: None,
        submodules: Submodules::LeftOut,
    };
    let fetch = kiln.sources.fetch(&spec, &cancel);
    let stop = async {
        seen.recv().await.unwrap();
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(fetch, stop);
    assert_eq!(result.unwrap_err(), SourceError::Stopped);
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn a_source_of_300_mib_streams_without_being_held_in_memory() {
    let repos = Repos::new();
    let blob = vec![b'x'; 100 << 20];
    let files = [("100644", "a", blob.as_slice()), ("100644", "b", &blob), ("100644", "c", &blob)];
    let commit = repos.commit("big", "main", &files);
    drop(blob);
    let kiln = Kiln::new();
    let fetched = kiln.fetch(&repos.file_url("big"), &commit).await.unwrap();
    let mut stream = kiln.sources.tar(&fetched.checkout, &CancellationToken::new()).await.unwrap();
    let (mut total, mut before, mut most) = (0_u64, None, 0);
    while let Some(bytes) = stream.next().await {
        total += bytes.unwrap().len() as u64;
        let now = resident();
        most = most.max(now.saturating_sub(*before.get_or_insert(now)));
    }
    assert!(total > 300 * MIB && total.is_multiple_of(10_240), "{total}");
    // Other tests run in this process too, so the bound is generous; the source is larger still.
    assert!(most < 200 * MIB, "grew by {} MiB", most / MIB);
}
