//! `kiln serve`: the server, and an agent beside it that talks to it over loopback like any other.

use std::{
    fs::{self, DirBuilder},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_util::sync::CancellationToken;

use super::{agent, setup};
use crate::{
    cli::ServeArgs,
    config::{Anonymous, Environment},
    model::{Clock, SystemClock},
    server::{self, Server},
    source::Sources,
};

/// Runs until a signal says stop.
pub async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let mut setup = setup::read(args.config.as_deref(), args.data.as_deref())?;
    if let Some(listen) = args.listen {
        setup.settings.server.listen = listen;
    }
    setup.settings.agent.workers = args.workers.or(setup.settings.agent.workers);
    let _traces = setup::init_log(&setup.settings.server)?;
    let stop = setup::stop_on_signal()?;
    let listener = server::listen(setup.settings.server.listen).await?;
    let bound = listener.local_addr()?;
    let port = bound.port();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    setup::make_data(&setup.data)?;
    // Each follower has a connection, each connection a descriptor.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let sources = Sources::new(setup.settings.source.clone(), &setup.data)?;
    let server = Server::open(&setup.settings, &setup.data, Arc::clone(&clock), sources).await?;
    let scheme = if server.speaks_tls() { "https" } else { "http" };
    let address = own_address(scheme, bound);
    tracing::info!("kiln serves at {address} from {}; API at {address}/docs", setup.data.display());
    let token = setup.settings.server.admin_token_file.clone();
    let token = token.unwrap_or_else(|| setup.data.join("admin-token"));
    say_access(&setup, &token, bound, server.speaks_tls());
    let _note = Note::write(port, &token);
    // The agent in here comes through a door of its own where the other one wants a name.
    let inner = if server.speaks_tls() && !args.no_agent {
        Some(server::listen((Ipv4Addr::LOCALHOST, 0).into()).await?)
    } else {
        None
    };
    let inner_address = match &inner {
        Some(listener) => own_address("http", listener.local_addr()?),
        None => address.clone(),
    };
    let is_shared = matches!(
        setup.settings.database.resolve(&setup.data),
        Ok(crate::config::Database::Postgres { .. })
    );
    let enrollment = server.enrollment().to_owned();
    // The agent ends first, so that what it has to say still finds the server.
    let serving = CancellationToken::new();
    let server = tokio::spawn(server.run(listener, inner, serving.clone()));
    let agent_stop = stop.child_token();
    let agent = async {
        if args.no_agent {
            agent_stop.cancelled().await;
            return Ok(());
        }
        setup.settings.agent.server.clone_from(&inner_address);
        let name =
            setup.settings.agent.name.get_or_insert_with(|| embedded_name(is_shared, port)).clone();
        tracing::info!(agent.name = %name, "starting the embedded agent");
        agent::run(&setup, Some(enrollment), clock, agent_stop.clone()).await
    };
    let watching = stop.clone();
    let server = async move {
        let ended = server.await;
        // A server that ended by itself takes its agent along.
        watching.cancel();
        ended
    };
    let agent = async {
        let ended = agent.await;
        if let Err(error) = &ended {
            tracing::error!("the embedded agent failed: {error:#}");
            stop.cancelled().await;
        }
        serving.cancel();
    };
    let (ended, ()) = tokio::join!(server, agent);
    ended??;
    tracing::info!("stopped");
    Ok(())
}

/// Where clients of this user find the administrator's token, as long as the server runs.
struct Note(PathBuf);

impl Note {
    /// Writes it, where that can be done; without it clients are told where the token is.
    fn write(port: u16, token: &Path) -> Option<Self> {
        let path = Environment::of_process().note_of_server(port);
        let token = std::path::absolute(token).ok()?;
        DirBuilder::new().recursive(true).mode(0o700).create(path.parent()?).ok()?;
        fs::write(&path, token.as_os_str().as_encoded_bytes()).ok()?;
        Some(Self(path))
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Says who may come in, and how.
fn say_access(setup: &setup::Setup, token: &Path, bound: SocketAddr, speaks_tls: bool) {
    let server = &setup.settings.server;
    match server.anonymous {
        Anonymous::Admin => {
            tracing::warn!("whoever reaches {bound} on this machine may do everything here");
        }
        Anonymous::Read => tracing::info!("everybody may read; the rest needs a token"),
        Anonymous::Nothing => {}
    }
    if server.anonymous != Anonymous::Admin {
        tracing::info!(
            "the administrator's token is in {}; `kiln` finds it on this machine",
            token.display()
        );
    }
    if !speaks_tls && !bound.ip().is_loopback() {
        tracing::warn!(
            "tokens come to {bound} in the clear: give server.certificate_file and \
             server.key_file, or let only a proxy that speaks TLS reach it"
        );
    }
}

/// How the agent inside reaches the server: an address that stands for all of this machine's is none
/// to connect to.
fn own_address(scheme: &str, listened: SocketAddr) -> String {
    let ip = match listened.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    format!("{scheme}://{}", SocketAddr::new(ip, listened.port()))
}

/// The name of the agent in this process. Where several servers share a database each has one, also
/// two on one machine.
fn embedded_name(is_shared: bool, port: u16) -> String {
    if is_shared {
        format!("embedded@{}:{port}", agent::host_name(""))
    } else {
        "embedded".to_owned()
    }
}
