//! Servers for the tests, on loopback: smart HTTP over `git http-backend` (also with TLS and with
//! credentials), the git daemon, and ones that misbehave.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;

use crate::git::{program, run};

/// A listener whose connections are each handled on a thread.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) connections: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (counter, ended) = (Arc::clone(&connections), Arc::clone(&stop));
        let handle = Arc::new(handle);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                counter.fetch_add(1, Ordering::SeqCst);
                let handle = Arc::clone(&handle);
                thread::spawn(move || handle(stream.unwrap()));
            }
        });
        Self { port, connections, stop }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Smart HTTP for the repositories in a directory.
pub(crate) struct HttpGit {
    pub(crate) server: Server,
    /// The `Authorization` headers that came.
    pub(crate) seen: Arc<Mutex<Vec<Option<String>>>>,
}

impl HttpGit {
    pub(crate) fn start(root: &Path, wants: Option<&'static str>) -> Self {
        let seen = Arc::<Mutex<_>>::default();
        let (root, log) = (root.to_owned(), Arc::clone(&seen));
        let server = Server::start(move |stream| serve(stream, &root, wants, &log));
        Self { server, seen }
    }

    pub(crate) fn start_tls(root: &Path, wants: Option<&'static str>, tls: &Tls) -> Self {
        let seen = Arc::<Mutex<_>>::default();
        let (root, log, config) = (root.to_owned(), Arc::clone(&seen), Arc::clone(&tls.config));
        let server = Server::start(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            serve(StreamOwned::new(connection, stream), &root, wants, &log);
        });
        Self { server, seen }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}.git", self.server.port)
    }
}

/// A certificate for 127.0.0.1 that nobody but itself vouches for.
pub(crate) struct Tls {
    _directory: TempDir,
    pub(crate) certificate: PathBuf,
    config: Arc<ServerConfig>,
}

impl Tls {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        let text = "[req]\ndistinguished_name=dn\nx509_extensions=v3\nprompt=no\n[dn]\nCN=test\n\
            [v3]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n";
        std::fs::write(file("config"), text).unwrap();
        let mut openssl = program("openssl");
        openssl.args(["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"]);
        openssl.args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-config"]).arg(file("config"));
        run(openssl.arg("-keyout").arg(file("key")).arg("-out").arg(file("certificate")), b"");
        let certificate = CertificateDer::from_pem_file(file("certificate")).unwrap();
        let key = PrivateKeyDer::from_pem_file(file("key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Self { certificate: file("certificate"), _directory: directory, config: Arc::new(config) }
    }
}

/// The head of a request, and the connection to read on from.
pub(crate) struct Request<S: Read> {
    pub(crate) first: String,
    headers: Vec<(String, String)>,
    rest: BufReader<S>,
}

impl<S: Read> Request<S> {
    pub(crate) fn read(stream: S) -> Option<Self> {
        let mut rest = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if rest.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Some(Self { first: lines[0].clone(), headers: headers.collect(), rest })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    fn body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        if self.header("transfer-encoding") == Some("chunked") {
            loop {
                let mut line = String::new();
                self.rest.read_line(&mut line).unwrap();
                let size = usize::from_str_radix(line.trim(), 16).unwrap();
                let mut chunk = vec![0; size + 2];
                self.rest.read_exact(&mut chunk).unwrap();
                body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    return body;
                }
            }
        }
        let length = self.header("content-length").map_or(0, |length| length.parse().unwrap());
        body.resize(length, 0);
        self.rest.read_exact(&mut body).unwrap();
        body
    }
}

fn serve<S: Read + Write>(
    stream: S,
    root: &Path,
    wants: Option<&str>,
    seen: &Mutex<Vec<Option<String>>>,
) {
    let Some(mut request) = Request::read(stream) else { return };
    let authorization = request.header("authorization").map(str::to_owned);
    seen.lock().unwrap().push(authorization.clone());
    if wants.is_some() && wants != authorization.as_deref() {
        let answer = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
        let _ = request.rest.get_mut().write_all(answer);
        return;
    }
    let body = request.body();
    let words: Vec<&str> = request.first.split(' ').collect();
    let (path, query) = words[1].split_once('?').unwrap_or((words[1], ""));
    let mut cgi = program("git");
    cgi.arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", words[0])
        .env("CONTENT_TYPE", request.header("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = cgi.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = thread::spawn(move || stdin.write_all(&body).is_ok());
    let mut answer = Request::read(FirstLine(child.stdout.take().unwrap(), false)).unwrap();
    let status = answer.header("status").unwrap_or("200 OK").to_owned();
    let stream = request.rest.get_mut();
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in answer.headers.iter().filter(|(name, _)| name != "status") {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("Connection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    let _ = std::io::copy(&mut answer.rest, stream);
    let _ = stream.flush();
    feeder.join().unwrap();
    let _ = child.kill();
    child.wait().unwrap();
}

/// A CGI answer has no status line: one is put before it, so that it reads as a request does.
struct FirstLine<R>(R, bool);

impl<R: Read> Read for FirstLine<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if std::mem::replace(&mut self.1, true) {
            return self.0.read(buffer);
        }
        buffer[..5].copy_from_slice(b"CGI\r\n");
        Ok(5)
    }
}

/// The git daemon for the repositories in a directory; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    pub(crate) fn start(root: &Path) -> Self {
        let directory = run(program("git").arg("--exec-path"), b"");
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut child = program(&format!("{}/git-daemon", directory.trim()))
                .args(["--export-all", "--reuseaddr", "--listen=127.0.0.1"])
                .arg(format!("--port={port}"))
                .arg(format!("--base-path={}", root.display()))
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // Another test may have taken the port: then the daemon ends by itself.
            while child.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { child, port };
                }
                thread::yield_now();
            }
        }
        panic!("no free port for the git daemon");
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("git://127.0.0.1:{}/{name}.git", self.port)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
