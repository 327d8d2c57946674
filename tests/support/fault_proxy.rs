//! A TCP proxy that a test can make misbehave: between a server and its database or object store,
//! or between an agent and its server.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What happens to connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Nothing.
    Pass,
    /// They are closed as soon as they come, and those that are there end.
    Refuse,
    /// They are cut once so many bytes went to the server, each of them.
    CutAfter(usize),
    /// Nothing goes through, and nothing is said.
    Stall,
    /// So many bytes a second go to the server.
    Slow(u32),
    /// The next so many requests are answered with 500 by the proxy itself.
    Errors(usize),
}

pub(crate) struct FaultProxy {
    pub(crate) address: SocketAddr,
    fault: watch::Sender<Fault>,
    target: watch::Sender<SocketAddr>,
    /// Connections that came, for tests that want to know that something was tried again.
    pub(crate) connections: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl FaultProxy {
    pub(crate) async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let fault = watch::Sender::new(Fault::Pass);
        let connections = Arc::new(AtomicUsize::new(0));
        let errors = Arc::new(AtomicUsize::new(0));
        let target = watch::Sender::new(target);
        let targets = target.subscribe();
        let (faults, count) = (fault.clone(), Arc::clone(&connections));
        let server = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                count.fetch_add(1, Ordering::SeqCst);
                let target = *targets.borrow();
                tokio::spawn(connection(stream, target, faults.subscribe(), Arc::clone(&errors)));
            }
        });
        Self { address, fault, target, connections, server }
    }

    /// Sends connections that come from now on elsewhere; those that are there stay.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        self.target.send_replace(target);
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.server.abort();
        self.fault.send_replace(Fault::Refuse);
    }
}

async fn connection(
    mut client: TcpStream,
    target: SocketAddr,
    mut faults: watch::Receiver<Fault>,
    errors: Arc<AtomicUsize>,
) {
    let fault = *faults.borrow_and_update();
    if fault == Fault::Refuse {
        return;
    }
    if let Fault::Errors(wanted) = fault
        && errors.fetch_add(1, Ordering::SeqCst) < wanted
    {
        // Whatever the request is: some of it is read, then it is answered and the line is closed.
        let mut some = [0; 4096];
        let _ = client.read(&mut some).await;
        let answer = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\
                      connection: close\r\n\r\n";
        let _ = client.write_all(answer.as_bytes()).await;
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let (mut sent, mut buffer) = (0, vec![0; 16 * 1024]);
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            let fault = *faults.borrow();
            match fault {
                Fault::CutAfter(most) if sent + read > most => return,
                Fault::Refuse => return,
                Fault::Stall => std::future::pending().await,
                Fault::Slow(rate) => {
                    tokio::time::sleep(Duration::from_secs(1).mul_f64(
                        f64::from(u32::try_from(read).unwrap_or(u32::MAX)) / f64::from(rate),
                    ))
                    .await;
                }
                _ => {}
            }
            sent += read;
            if to_server.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    let down = tokio::io::copy(&mut from_server, &mut to_client);
    let mut refused = faults.clone();
    tokio::select! {
        () = up => {}
        _ = down => {}
        _ = refused.wait_for(|fault| *fault == Fault::Refuse) => {}
    }
}
