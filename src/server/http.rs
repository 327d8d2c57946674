//! Connections: accepted, bounded in number and patience, and ended when the server stops.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Layer as _;

use crate::api::ClientAddress;

/// How long a client may take to send the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// Connections at one time. Each follower of a log has one, so it is generous; file descriptors
/// are what it protects.
const CONNECTIONS: usize = 16_384;

/// How long a client may take to read what is sent to it: one that stands still for so long is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// The largest head of a request.
const HEAD_BYTES: usize = 64 * 1024;

/// Requests that one connection of the second version may have at one time, and their heads.
const STREAMS: u32 = 256;
const HEAD_SIZE: u32 = 64 * 1024;

/// How long requests that run may go on after the server was told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// How long to wait after an accept that failed: usually file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {error}; choose another address with --listen")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What went wrong.
        error: io::Error,
    },
}

/// Listens on an address.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|error| ListenError::Bind { address, error })
}

/// What a server listens on, and how it speaks there.
pub(super) struct Door {
    /// Where connections come from.
    pub(super) listener: TcpListener,
    /// Speaks TLS, if it does.
    pub(super) tls: Option<TlsAcceptor>,
}

/// Serves until told to stop, then lets requests that run end within a grace.
pub(super) async fn serve(doors: Vec<Door>, router: Router, stop: CancellationToken) {
    let (one, two) = (Arc::new(builder().http1_only()), Arc::new(builder().http2_only()));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let hard = CancellationToken::new();
    let _cut_off = hard.clone().drop_guard();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, accept(&doors).await)
            } => accepted,
        };
        let (place, (stream, peer, tls)) = match accepted {
            (place, Ok(accepted)) => (place, accepted),
            (_, Err(error)) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Log lines and events are small and must not wait for more.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE_PATIENCE));
        let stream = Box::pin(stream);
        // Cheap: the routes are shared.
        let service = Extension(ClientAddress(peer)).layer(router.clone());
        let service = TowerToHyperService::new(service);
        let (one, two) = (Arc::clone(&one), Arc::clone(&two));
        let (watcher, hard) = (graceful.watcher(), hard.clone());
        tokio::spawn(async move {
            let connection = async {
                match tls {
                    None => {
                        let stream = TokioIo::new(stream);
                        watcher.watch(one.serve_connection(stream, service).into_owned()).await
                    }
                    Some(tls) => {
                        let stream = tokio::time::timeout(HEAD_DEADLINE, tls.accept(stream));
                        let stream = stream.await??;
                        let is_two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        let (builder, stream) =
                            (if is_two { two } else { one }, TokioIo::new(stream));
                        watcher.watch(builder.serve_connection(stream, service).into_owned()).await
                    }
                }
            };
            let ended = tokio::select! {
                ended = connection => ended,
                () = hard.cancelled() => Ok(()),
            };
            if let Err(error) = ended {
                tracing::debug!(error, "a connection ended badly");
            }
            drop(place);
        });
    }
    drop(doors);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still running after {} s; they are cut off", GRACE.as_secs());
    }
}

/// How connections are spoken with. Which version of HTTP it is, the handshake of TLS says, and
/// without TLS it is the first: a connection that would be asked for its first bytes could keep
/// them for as long as it likes.
fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_SIZE);
    builder
}

/// The next connection, through whichever door.
async fn accept(doors: &[Door]) -> io::Result<(TcpStream, IpAddr, Option<TlsAcceptor>)> {
    let waiting = doors.iter().map(|door| {
        Box::pin(async move {
            let (stream, peer) = door.listener.accept().await?;
            // An IPv4 address is one, also where it comes through an IPv6 socket.
            Ok((stream, peer.ip().to_canonical(), door.tls.clone()))
        })
    });
    futures_util::future::select_all(waiting).await.0
}
