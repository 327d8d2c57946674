//! What every process does first: settings, data directory, logging, signals.

use std::{
    fs::DirBuilder,
    io::IsTerminal as _,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::traces::{self, Traces};
use crate::config::{Environment, LogFormat, ServerSettings, Settings};

/// The settings and the data directory that count.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) settings: Settings,
    pub(super) data: PathBuf,
}

/// Reads settings: flags win over the environment, that over the file.
pub(super) fn read(config: Option<&Path>, data: Option<&Path>) -> anyhow::Result<Setup> {
    let here = std::env::current_dir().context("the current directory")?;
    let environment = Environment::read(&here).context("the environment")?;
    let data = data.map_or_else(|| environment.data_directory(), Path::to_owned);
    let data = std::path::absolute(&data).context("the data directory")?;
    let in_data = data.join("kiln.toml");
    let config = config
        .map(Path::to_owned)
        .or_else(|| environment.get("KILN_CONFIG").map(PathBuf::from))
        .or_else(|| in_data.is_file().then_some(in_data));
    let settings = Settings::load(config.as_deref(), &environment)?;
    Ok(Setup { settings, data })
}

/// Makes the data directory, readable by its owner only.
pub(super) fn make_data(data: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("the data directory {}", data.display()))
}

/// Sends log lines to standard error, and traces to where the settings say for as long as the answer
/// lives.
pub(super) fn init_log(settings: &ServerSettings) -> anyhow::Result<Traces> {
    let filter = EnvFilter::try_new(&settings.log)
        .with_context(|| format!("server.log: {:?} is not a log filter", settings.log))?;
    let (spans, traces) = traces::start(settings.traces.as_ref())?;
    let registry = tracing_subscriber::registry().with(filter).with(spans);
    let colors = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(colors);
    match settings.log_format {
        LogFormat::Text => registry.with(layer).try_init()?,
        LogFormat::Json => registry.with(layer.json()).try_init()?,
    }
    Ok(traces)
}

/// A token that ends at the first interrupt or termination signal; the second ends the process.
pub(super) fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("signals")?;
    let token = stop.clone();
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if first {
                tracing::info!("stopping; once more to stop at once");
                token.cancel();
            } else {
                #[expect(clippy::exit, reason = "asked for twice: nothing is to be waited for")]
                std::process::exit(130);
            }
        }
    });
    Ok(stop)
}
