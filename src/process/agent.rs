//! `kiln agent`, and the agent inside `kiln serve`: the machine's engine, images and sources.

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::setup::{self, Setup};
use crate::{
    agent::{
        self as agents, Admission, CompilerCache, Deps, Machine, UploadCache, memory_pressure,
        random_nonce,
    },
    auth::kept_secret,
    cli::AgentArgs,
    config::{SandboxSettings, SeccompProfile},
    disk::{self, Space},
    images::{Images, PackageImageBounds},
    model::{Clock, SystemClock},
    sandbox::{DockerSandbox, Engine, Identity},
    source::Sources,
    toolchain::Catalogue,
};

/// How long to wait before looking again whether the machine can run jobs.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// Runs an agent until a signal says stop.
pub async fn agent(server: String, args: AgentArgs) -> anyhow::Result<()> {
    let mut setup = setup::read(args.config.as_deref(), args.data.as_deref())?;
    let settings = &mut setup.settings.agent;
    settings.server = server;
    settings.name = args.name.or(settings.name.take());
    settings.workers = args.workers.or(settings.workers);
    settings.labels.extend(args.labels);
    let token_file = args.token_file.or(settings.enrollment_token_file.take());
    let _traces = setup::init_log(&setup.settings.server)?;
    setup::make_data(&setup.data)?;
    let enrollment = match token_file {
        None => None,
        Some(path) => {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("the enrollment token {}", path.display()))?;
            Some(text.trim().to_owned())
        }
    };
    let stop = setup::stop_on_signal()?;
    run(&setup, enrollment, Arc::new(SystemClock), stop).await
}

/// Runs an agent; waits for the machine's engine and images if they are not there yet.
pub(super) async fn run(
    setup: &Setup,
    enrollment: Option<String>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut said = String::new();
    loop {
        let deps = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            deps = deps(setup, enrollment.clone(), Arc::clone(&clock)) => deps,
        };
        match deps {
            Ok((deps, sandbox)) => {
                let result = agents::run(deps, stop).await;
                // What was dropped is removed in the background: the process must not end before.
                sandbox.settle().await;
                return result;
            }
            Err(error) => {
                let sentence = format!("{error:#}");
                if sentence != said {
                    tracing::warn!("no job can run on this machine yet: {sentence}");
                    said = sentence;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

async fn deps(
    setup: &Setup,
    enrollment: Option<String>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<(Deps, DockerSandbox)> {
    let Setup { settings, data } = setup;
    let directory = settings.agent.directory.clone().unwrap_or_else(|| data.join("agent"));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .with_context(|| format!("the agent's directory {}", directory.display()))?;
    let engine = Engine::connect(&settings.sandbox).await?;
    let catalogue = Catalogue::builtin().with_custom(settings.toolchains.images.clone());
    let images =
        Images::new(engine.docker().clone(), catalogue).with_package_bounds(PackageImageBounds {
            images: usize::try_from(settings.packages.images).unwrap_or(usize::MAX),
            bytes: settings.packages.image_bytes,
        });
    let holder = images.holder().await?;
    let facts = engine.facts().clone();
    let name = settings.agent.name.clone().unwrap_or_else(|| host_name(&facts.name));
    let identity = Identity { instance: instance(&directory)?, agent: name.clone(), holder };
    let sandbox = DockerSandbox::new(engine, &settings.sandbox, (identity, Arc::clone(&clock)))?;
    let profile = match settings.sandbox.profile {
        SeccompProfile::Standard => "docker/standard",
        SeccompProfile::Strict => "docker/strict",
    };
    let deps = Deps {
        settings: settings.agent.clone(),
        directory: directory.clone(),
        enrollment,
        machine: Machine {
            name,
            arch: facts.architecture,
            cpus: facts.cpus,
            memory_bytes: facts.memory_bytes,
            engine: format!("docker {}", facts.version),
            profile: profile.to_owned(),
            shm_bytes: settings.sandbox.shm_bytes,
            source_bytes: settings.source.source_bytes,
        },
        admission: Admission {
            space: Space {
                places: places(&settings.sandbox, &facts.root, &directory),
                least: settings.agent.min_free_bytes,
                setting: "agent.min_free_bytes",
                free: disk::free,
            },
            max_memory_pressure: settings.agent.max_memory_pressure,
            pressure: memory_pressure,
        },
        sandbox: Arc::new(sandbox.clone()),
        sources: Arc::new(Sources::new(settings.source.clone(), data)?),
        uploads: UploadCache::new(directory.join("uploads"), settings.agent.uploads_bytes),
        ccache: {
            let bytes = settings.agent.compiler_cache_bytes;
            let cache = CompilerCache::new(directory.join("ccache"), bytes);
            cache.tidy();
            cache
        },
        toolchains: Arc::new(images),
        clock,
        nonce: random_nonce,
    };
    Ok((deps, sandbox))
}

/// Where space is needed: the agent's folder, and the engine's if it is on this machine. Of another
/// machine's disks this one knows nothing.
fn places(settings: &SandboxSettings, root: &str, directory: &Path) -> Vec<PathBuf> {
    let engine = settings.engine.clone().or_else(|| std::env::var("DOCKER_HOST").ok());
    let is_here = engine.is_none_or(|host| host.is_empty() || host.starts_with("unix:"));
    let root = (is_here && !root.is_empty()).then(|| PathBuf::from(root));
    root.into_iter().chain([directory.to_owned()]).collect()
}

/// What tells this agent's containers from everybody else's, the same after a restart.
fn instance(directory: &Path) -> anyhow::Result<String> {
    Ok(kept_secret(&directory.join("instance"))?)
}

/// The name of the machine that builds, which the engine knows: in a container this process would
/// see a name that is made up and another one after each start.
pub(super) fn host_name(engine: &str) -> String {
    let own = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let named = [engine, own.trim()].into_iter().find(|name| !name.is_empty());
    named.unwrap_or("agent").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_of_an_engine_elsewhere_are_not_looked_for_here() {
        let directory = Path::new("/var/lib/kiln/agent");
        for (engine, root, expected) in [
            ("unix:///run/docker.sock", "/var/lib/docker", 2),
            ("unix:///run/docker.sock", "", 1),
            ("tcp://10.0.0.7:2375", "/var/lib/docker", 1),
            ("ssh://other", "/var/lib/docker", 1),
        ] {
            let settings =
                SandboxSettings { engine: Some(engine.into()), ..SandboxSettings::default() };
            let places = places(&settings, root, directory);
            assert_eq!(places.len(), expected, "{engine}");
            assert_eq!(places.last().unwrap(), directory);
        }
    }
}
