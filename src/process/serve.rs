//! `kiln serve`: the server, and an agent beside it that talks to it over loopback like any other.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use tokio_util::sync::CancellationToken;

use super::{agent, setup};
use crate::{
    cli::ServeArgs,
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
    setup::init_log(&setup.settings.server)?;
    let stop = setup::stop_on_signal()?;
    let listener = server::listen(setup.settings.server.listen).await?;
    let bound = listener.local_addr()?;
    let (address, port) = (own_address(bound), bound.port());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    setup::make_data(&setup.data)?;
    // Each follower has a connection, each connection a descriptor.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let sources = Sources::new(setup.settings.source.clone(), &setup.data)?;
    let server = Server::open(&setup.settings, &setup.data, Arc::clone(&clock), sources).await?;
    tracing::info!("kiln serves at {address} from {}; API at {address}/docs", setup.data.display());
    let is_shared = matches!(
        setup.settings.database.resolve(&setup.data),
        Ok(crate::config::Database::Postgres { .. })
    );
    let enrollment = server.enrollment().to_owned();
    // The agent ends first, so that what it has to say still finds the server.
    let serving = CancellationToken::new();
    let server = tokio::spawn(server.run(listener, serving.clone()));
    let agent_stop = stop.child_token();
    let agent = async {
        if args.no_agent {
            agent_stop.cancelled().await;
            return Ok(());
        }
        setup.settings.agent.server.clone_from(&address);
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

/// How the agent inside reaches the server: an address that stands for all of this machine's is none
/// to connect to.
fn own_address(listened: SocketAddr) -> String {
    let ip = match listened.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(ip, listened.port()))
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
