//! The egress gate: a relay on loopback through which a helper reaches exactly one server.
//!
//! The parent resolves the name, vets the addresses and connects to a vetted one itself, so that
//! no second lookup can lead elsewhere (DNS rebinding), and neither can a redirect: they are not
//! passed on. For https the relay speaks TLS to the server and adds the credentials, so that the
//! process that reads hostile data never holds them. The relay lives as long as the request.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use super::{GitUrl, SourceError, dial::Dialer, http};
use crate::config::Scheme;

/// Connections of one request: libgit2 uses one after the other.
const MAX_CONNECTIONS: usize = 8;
const BUFFER: usize = 64 << 10;

/// An open way to one server. Dropping it closes every connection.
#[derive(Debug)]
pub(super) struct Relay {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What every connection of a relay knows.
#[derive(Debug)]
struct Shared {
    url: GitUrl,
    dialer: Dialer,
    /// The first part of every path: others on this machine do not know it.
    secret: String,
    /// The value of the `Authorization` header, for the server only.
    authorization: Option<Authorization>,
    received: AtomicU64,
    most: u64,
    /// Why it did not work, as the relay saw it: it knows better than libgit2.
    finding: Mutex<Option<SourceError>>,
}

/// A header's value that must not be shown.
pub(super) struct Authorization(pub(super) String);

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authorization(…)")
    }
}

impl Relay {
    /// Opens a relay to the server of `url` that lets at most `most` bytes in.
    pub(super) async fn open(
        url: &GitUrl,
        dialer: &Dialer,
        authorization: Option<Authorization>,
        most: u64,
    ) -> Result<Self, SourceError> {
        let failed = |error| SourceError::io("opening a port on loopback", &error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let secret = hex::encode(rand::random::<[u8; 16]>());
        let path = url.path();
        let local = match url.scheme() {
            Scheme::Https | Scheme::Http => format!("http://127.0.0.1:{port}/{secret}{path}"),
            scheme => format!("{scheme}://127.0.0.1:{port}{path}"),
        };
        let shared = Arc::new(Shared {
            url: url.clone(),
            dialer: dialer.clone(),
            secret,
            authorization,
            received: AtomicU64::new(0),
            most,
            finding: Mutex::new(None),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { url: local, shared, task })
    }

    /// Where the helper connects to.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What went wrong, if the relay saw it.
    pub(super) fn finding(&self) -> Option<SourceError> {
        self.shared.finding.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if connections.len() < MAX_CONNECTIONS {
            let shared = Arc::clone(&shared);
            connections.spawn(async move {
                if let Err(finding) = shared.connection(client).await {
                    shared.record(finding);
                }
            });
        }
    }
}

impl Shared {
    fn record(&self, finding: SourceError) {
        let mut slot = self.finding.lock().unwrap_or_else(PoisonError::into_inner);
        // A silent end of a connection explains nothing; the first real reason stays.
        slot.get_or_insert(finding);
    }

    async fn connection(&self, client: TcpStream) -> Result<(), SourceError> {
        match self.url.scheme() {
            Scheme::Https | Scheme::Http => self.http(client).await,
            _ => {
                let server = self.dial().await?;
                self.pump(client, server).await
            }
        }
    }

    async fn dial(&self) -> Result<TcpStream, SourceError> {
        self.dialer.connect(self.url.host(), self.url.port().unwrap_or_default()).await
    }

    async fn http(&self, mut client: TcpStream) -> Result<(), SourceError> {
        let Some((head, rest)) = read_head(&mut client).await else { return Ok(()) };
        let authorization = self.authorization.as_ref().map(|value| value.0.as_str());
        let authority = self.url.authority();
        let Some(head) = http::request(&head, &self.secret, &authority, authorization) else {
            return Ok(());
        };
        let server = self.dial().await?;
        let first = [head, rest].concat();
        if self.url.scheme() == Scheme::Https {
            let server = self.dialer.tls(self.url.host(), server).await?;
            self.exchange(client, server, &first).await
        } else {
            self.exchange(client, server, &first).await
        }
    }

    /// One request and its response; the connection is closed afterwards.
    async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        client: TcpStream,
        mut server: S,
        first: &[u8],
    ) -> Result<(), SourceError> {
        if server.write_all(first).await.is_err() || server.flush().await.is_err() {
            return Err(self.broken());
        }
        let (mut from_server, mut to_server) = tokio::io::split(server);
        let (mut from_client, mut to_client) = client.into_split();
        let upload = async {
            let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
            let _ = to_server.flush().await;
            std::future::pending::<()>().await;
        };
        let download = async {
            let mut rest = Vec::new();
            loop {
                let Some((head, more)) = read_head_after(&mut from_server, rest).await else {
                    return Err(self.broken());
                };
                let head = http::response(&head, self.url.host())?;
                if let Some(problem) = head.problem {
                    self.record(problem);
                }
                if to_client.write_all(&head.bytes).await.is_err() {
                    return Ok(());
                }
                rest = more;
                if !head.interim {
                    let mut down = Down { from: &mut from_server, to: &mut to_client };
                    return self.copy_down(&mut down, &rest, head.unframed).await;
                }
            }
        };
        tokio::select! { result = download => result, () = upload => Ok(()) }
    }

    async fn pump(&self, client: TcpStream, server: TcpStream) -> Result<(), SourceError> {
        let (mut from_server, mut to_server) = server.into_split();
        let (mut from_client, mut to_client) = client.into_split();
        let upload = async {
            let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
            std::future::pending::<()>().await;
        };
        let mut down = Down { from: &mut from_server, to: &mut to_client };
        let download = self.copy_down(&mut down, b"", false);
        tokio::select! { result = download => result, () = upload => Ok(()) }
    }

    /// What the server sends, `first` first, in chunks of HTTP if `chunked`.
    async fn copy_down<F: AsyncRead + Unpin, T: AsyncWrite + Unpin>(
        &self,
        down: &mut Down<'_, F, T>,
        first: &[u8],
        chunked: bool,
    ) -> Result<(), SourceError> {
        let mut buffer = vec![0; BUFFER];
        self.count(first.len())?;
        let mut written = down.send(first, chunked).await;
        while written.is_ok() {
            let Ok(read) = down.from.read(&mut buffer).await else { break };
            self.count(read)?;
            if read == 0 {
                if chunked {
                    // The helper is gone if this fails, and needs no end.
                    let _ = down.to.write_all(b"0\r\n\r\n").await;
                }
                break;
            }
            written = down.send(&buffer[..read], chunked).await;
        }
        let _ = down.to.shutdown().await;
        Ok(())
    }

    fn count(&self, read: usize) -> Result<(), SourceError> {
        let before = self.received.fetch_add(read as u64, Ordering::Relaxed);
        if before + read as u64 <= self.most {
            return Ok(());
        }
        let text = format!("the server sent more than {} MiB", self.most >> 20);
        let error = SourceError::TooLarge(text);
        self.record(error.clone());
        Err(error)
    }

    fn broken(&self) -> SourceError {
        let authority = self.url.authority();
        SourceError::Unreachable(format!("{authority} closed the connection without an answer"))
    }
}

/// The way from the server to the helper.
struct Down<'a, F, T> {
    from: &'a mut F,
    to: &'a mut T,
}

impl<F, T: AsyncWrite + Unpin> Down<'_, F, T> {
    async fn send(&mut self, bytes: &[u8], chunked: bool) -> std::io::Result<()> {
        if !chunked {
            return self.to.write_all(bytes).await;
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.to.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
        self.to.write_all(bytes).await?;
        self.to.write_all(b"\r\n").await
    }
}

async fn read_head(from: &mut (impl AsyncRead + Unpin)) -> Option<(Vec<u8>, Vec<u8>)> {
    read_head_after(from, Vec::new()).await
}

/// The head of an HTTP message, with its empty line, and what was read after it.
async fn read_head_after(
    from: &mut (impl AsyncRead + Unpin),
    mut read: Vec<u8>,
) -> Option<(Vec<u8>, Vec<u8>)> {
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return Some((read, rest));
        }
        if read.len() > BUFFER || from.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}
