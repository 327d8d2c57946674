//! What this machine contributes: its apt configuration and, where there is no registry, mmdebstrap.
//!
//! The one place in this module that starts programs, both with fixed names and arguments that kiln
//! makes itself. mmdebstrap's output is streamed on and never lies on the disk.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::ReaderStream;

use super::{ImagesError, apt::Apt};

/// Asking apt for its configuration is a matter of milliseconds.
const APT_DEADLINE: Duration = Duration::from_secs(10);
/// The end of what mmdebstrap wrote that an error shows.
const TAIL_BYTES: usize = 2_000;
/// Pieces of the tar on their way from one process to the other.
const TAR_CHUNKS: usize = 16;
/// The keys of all Debian releases, where Debian installs them.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The certificates of the authorities that this machine trusts, at the usual places.
const CERTIFICATES: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// A root file system in the making.
#[derive(Debug)]
pub(super) struct Debootstrap {
    /// The tar.
    pub(super) tar: ReceiverStream<io::Result<Bytes>>,
    /// Whether that was all of it; there once the tar has ended.
    pub(super) verdict: JoinHandle<Result<(), ImagesError>>,
}

/// How this machine gets Debian's packages.
pub(super) async fn apt() -> Result<Apt, ImagesError> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(mut entries) = tokio::fs::read_dir("/etc/apt/sources.list.d").await {
        while let Ok(Some(entry)) = entries.next_entry().await {
            files.push(entry.path());
        }
    }
    files.sort();
    let mut sources = Vec::new();
    for path in files {
        let kind = path.extension().and_then(|extension| extension.to_str());
        if let (Some(kind @ ("list" | "sources")), Ok(text)) =
            (kind, tokio::fs::read_to_string(&path).await)
        {
            sources.push((kind == "sources", text));
        }
    }
    let dump = command("apt-config").arg("dump").output();
    let dump = match tokio::time::timeout(APT_DEADLINE, dump).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).into_owned(),
        // Not a Debian, or a broken one: its settings are then the defaults.
        Ok(Err(_)) | Err(_) => String::new(),
    };
    let apt = Apt::from_host(&sources, &dump).ok_or(ImagesError::NoMirror)?;
    match apt.secret() {
        None => Ok(apt),
        Some(place) => Err(ImagesError::Secret(place)),
    }
}

/// The certificates that this machine trusts; nothing if they are elsewhere.
pub(super) async fn certificates() -> String {
    for path in CERTIFICATES {
        if let Ok(text) = tokio::fs::read_to_string(path).await {
            return text;
        }
    }
    String::new()
}

/// Proxies from the environment, which the engine passes to builds without keeping them in images.
pub(super) fn proxies() -> Vec<(String, String)> {
    let names = ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    names.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?))).collect()
}

/// Whether mmdebstrap is installed.
pub(super) fn has_mmdebstrap() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("mmdebstrap").is_file())
}

/// A minimal Debian as a tar, and whether mmdebstrap was content. When it fails the tar ends with an
/// error, so that the engine does not take half of it; when nobody reads on, it is ended.
pub(super) fn mmdebstrap(release: &str, apt: &Apt) -> Result<Debootstrap, ImagesError> {
    let mut command = command("mmdebstrap");
    command.args(["--variant=minbase", "--format=tar", "--quiet"]);
    for exclude in ["man", "info", "locale", "doc", "lintian", "bug"] {
        command.arg(format!("--dpkgopt=path-exclude=/usr/share/{exclude}/*"));
    }
    command.arg("--dpkgopt=path-include=/usr/share/doc/*/copyright");
    command.args(apt.settings.iter().map(|setting| format!("--aptopt={setting}")));
    // The machine's own keys may be those of an older release; this file has the newer ones too.
    if Path::new(KEYRING).exists() {
        command.arg(format!("--keyring={KEYRING}"));
    }
    command.args([release, "-", &apt.main]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = {
        let release = release.to_owned();
        move |problem: String| ImagesError::Debootstrap { release: release.clone(), problem }
    };
    let child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let (chunks, tar) = mpsc::channel(TAR_CHUNKS);
    let verdict = tokio::spawn(async move {
        match pump(child, &chunks).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let text = error.to_string();
                // If nobody listens any more, the engine gave up first and says why.
                let _ = chunks.send(Err(error)).await;
                Err(failed(text))
            }
        }
    });
    Ok(Debootstrap { tar: ReceiverStream::new(tar), verdict })
}

/// Passes the tar on and waits for the end.
async fn pump(mut child: Child, chunks: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let (Some(output), Some(mut messages)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("its output is not connected"));
    };
    let said = tokio::spawn(async move {
        let mut text = Vec::new();
        messages.read_to_end(&mut text).await.map(|_| text)
    });
    let mut output = ReaderStream::with_capacity(output, 64 << 10);
    while let Some(chunk) = output.next().await {
        if chunks.send(chunk).await.is_err() {
            return Err(io::Error::other("the engine stopped reading"));
        }
    }
    let status = child.wait().await?;
    if status.success() {
        return Ok(());
    }
    let said = said.await.map_err(io::Error::other)??;
    let tail = &said[said.len().saturating_sub(TAIL_BYTES)..];
    Err(io::Error::other(format!("{status}\n{}", String::from_utf8_lossy(tail).trim())))
}

#[expect(
    clippy::disallowed_methods,
    reason = "apt-config and mmdebstrap, with arguments of kiln's own, are the only programs images need"
)]
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.kill_on_drop(true);
    command
}
