//! Downloading what was kept: one archive for each toolchain, into a folder named for it.

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    CliError, Console,
    text::{bytes, count},
    unpack::{UnpackError, unpack},
};
use crate::{
    client::{DownloadError, Rest},
    model::{JobId, ToolchainName},
    protocol::ArtifactsSummary,
};

/// One archive to fetch.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) job: JobId,
    pub(super) toolchain: ToolchainName,
    pub(super) artifacts: ArtifactsSummary,
}

/// Says early what would go wrong after a long build: the folder cannot be made, or there is
/// something in it already.
pub(super) fn prepare(dir: &Path, toolchains: &[ToolchainName]) -> Result<(), CliError> {
    fs::create_dir_all(dir).map_err(|problem| cannot("make the folder", dir, problem))?;
    toolchains.iter().try_for_each(|toolchain| vacant(&folder(dir, toolchain)))
}

/// Fetches and unpacks them all, and says where.
pub(super) async fn fetch(
    rest: &Rest,
    dir: &Path,
    wanted: &[Wanted],
    console: &mut Console,
) -> Result<(), CliError> {
    let names: Vec<ToolchainName> = wanted.iter().map(|one| one.toolchain.clone()).collect();
    prepare(dir, &names)?;
    if wanted.is_empty() {
        console.note("nothing was kept, so there is nothing to download\n");
    }
    for one in wanted {
        let to = folder(dir, &one.toolchain);
        fetch_one(rest, dir, &to, one).await?;
        let files = count(one.artifacts.files, "file", "files");
        let size = bytes(one.artifacts.bytes);
        console.note(&format!("{}: {files}, {size} in {}\n", one.toolchain, to.display()));
    }
    Ok(())
}

async fn fetch_one(rest: &Rest, dir: &Path, to: &Path, one: &Wanted) -> Result<(), CliError> {
    let unique = format!(".kiln-{:016x}", rand::random::<u64>());
    let temporary = Temporary(dir.join(format!("{unique}.tar.gz")));
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&temporary.0)
        .map_err(|problem| cannot("make the file", &temporary.0, problem))?;
    rest.archive(one.job, &mut file).await.map_err(|error| match error {
        DownloadError::Client(error) => error.into(),
        DownloadError::Write(problem) => cannot("write", &temporary.0, problem),
    })?;
    file.seek(SeekFrom::Start(0)).map_err(|problem| cannot("read", &temporary.0, problem))?;
    let (part, to, sha256) = (dir.join(unique), to.to_path_buf(), one.artifacts.tar_sha256.clone());
    let unpacked = tokio::task::spawn_blocking(move || unpack(file, &sha256, &part, &to)).await;
    match unpacked.expect("unpacking does not panic") {
        Ok(_) => Ok(()),
        Err(UnpackError::Io(what, problem)) => Err(CliError::File { what, problem }),
        Err(error) => Err(CliError::Answer(format!("{}: {error}", one.toolchain))),
    }
}

/// The folder of a toolchain's files. A colon in it would break search paths such as
/// `LD_LIBRARY_PATH`.
fn folder(dir: &Path, toolchain: &ToolchainName) -> PathBuf {
    dir.join(toolchain.as_key())
}

fn vacant(folder: &Path) -> Result<(), CliError> {
    let empty = match fs::symlink_metadata(folder) {
        Err(_) => true,
        Ok(found) if found.is_dir() => {
            fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
        }
        Ok(_) => false,
    };
    if empty {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "{} is there already: remove it, or download into another folder",
        folder.display()
    )))
}

fn cannot(what: &str, path: &Path, problem: std::io::Error) -> CliError {
    CliError::File { what: format!("cannot {what} {}", path.display()), problem }
}

/// A file that goes away again.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
