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
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// The largest head of a request.
const HEAD_BYTES: usize = 64 * 1024;

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
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(HEAD_BYTES);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(20));
    let builder = Arc::new(builder);
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
        let (builder, watcher, hard) = (Arc::clone(&builder), graceful.watcher(), hard.clone());
        tokio::spawn(async move {
            let connection = async {
                match tls {
                    None => {
                        let stream = TokioIo::new(stream);
                        let connection = builder.serve_connection(stream, service).into_owned();
                        watcher.watch(connection).await
                    }
                    Some(tls) => {
                        let stream = tokio::time::timeout(HEAD_DEADLINE, tls.accept(stream));
                        let stream = TokioIo::new(stream.await??);
                        let connection = builder.serve_connection(stream, service).into_owned();
                        watcher.watch(connection).await
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
