//! The files that a job kept, as its manifest lists them, and which of them are meant.
//!
//! The manifest is the repository's own document: it is read for what is shown here and no more,
//! so that a newer server may say more in it.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use globset::GlobBuilder;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::CliError;
use crate::{
    client::{DownloadError, Rest},
    model::JobId,
};

/// What a job kept.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Kept {
    /// Its files, ordered by path.
    #[serde(default)]
    pub(super) files: Vec<KeptFile>,
}

/// One file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KeptFile {
    /// Its path.
    pub(super) path: String,
    /// What it is.
    pub(super) kind: String,
    /// Its size in bytes.
    pub(super) size: Option<u64>,
    /// Its permission bits.
    pub(super) mode: u32,
    /// The digest of its content.
    pub(super) sha256: String,
    /// Where a symlink leads.
    pub(super) target: String,
}

impl Kept {
    /// What a job kept.
    pub(super) async fn of(rest: &Rest, job: JobId) -> Result<Self, CliError> {
        let manifest = rest.manifest(job).await?;
        serde_json::from_value(manifest)
            .map_err(|error| CliError::Answer(format!("the manifest of job {job}: {error}")))
    }

    /// Only the files that fit one of these patterns; all of them if there are none.
    pub(super) fn only(mut self, patterns: &[String]) -> Result<Self, CliError> {
        let mut globs = Vec::new();
        for pattern in patterns {
            let glob = GlobBuilder::new(pattern.trim_start_matches("./"))
                .literal_separator(true)
                .build()
                .map_err(|error| CliError::Usage(format!("{pattern:?}: {}", error.kind())))?;
            globs.push((pattern, glob.compile_matcher()));
        }
        // A name may itself have a star in it.
        let fits = |file: &KeptFile| {
            globs.iter().any(|(text, glob)| **text == file.path || glob.is_match(&file.path))
        };
        self.files.retain(|file| globs.is_empty() || fits(file));
        Ok(self)
    }
}

/// Writes one file that a job kept into `to`, which appears when it is whole and has the digest
/// that the manifest gives. What stood there is replaced.
pub(super) async fn save(
    rest: &Rest,
    job: JobId,
    file: &KeptFile,
    to: &Path,
) -> Result<(), CliError> {
    let cannot =
        |problem| CliError::File { what: format!("cannot write {}", to.display()), problem };
    let name = to.file_name().ok_or_else(|| {
        CliError::Usage(format!("{} does not name a file to write", to.display()))
    })?;
    let part = Part(to.with_file_name(format!(
        ".{}.{:016x}",
        name.to_string_lossy(),
        rand::random::<u64>()
    )));
    let mut open = File::options();
    open.write(true).create_new(true);
    executable(&mut open, file.mode & 0o111 != 0);
    let mut sink = Hashing { inner: open.open(&part.0).map_err(cannot)?, hash: Sha256::new() };
    fetch(rest, job, file, &mut sink).await.map_err(|error| match error {
        CliError::Output(problem) => cannot(problem),
        other => other,
    })?;
    fs::rename(&part.0, to).map_err(cannot)?;
    Ok(())
}

/// One file that a job kept, checked, in memory.
pub(super) async fn read(rest: &Rest, job: JobId, file: &KeptFile) -> Result<Vec<u8>, CliError> {
    let mut sink = Hashing { inner: Vec::new(), hash: Sha256::new() };
    fetch(rest, job, file, &mut sink).await?;
    Ok(sink.inner)
}

async fn fetch<W: Write + Send>(
    rest: &Rest,
    job: JobId,
    file: &KeptFile,
    sink: &mut Hashing<W>,
) -> Result<(), CliError> {
    let fetched = rest.artifact(job, &file.path, sink).await;
    fetched.map_err(|error| match error {
        DownloadError::Client(error) => CliError::Client(error),
        DownloadError::Write(error) => CliError::Output(error),
    })?;
    let got = hex::encode(std::mem::take(&mut sink.hash).finalize());
    if file.target.is_empty() && got != file.sha256 {
        return Err(CliError::Answer(format!(
            "{} is damaged: its content does not have the digest the server gave; nothing was kept \
             of it",
            super::sanitize::text(&file.path)
        )));
    }
    Ok(())
}

#[cfg(unix)]
fn executable(open: &mut fs::OpenOptions, is_executable: bool) {
    use std::os::unix::fs::OpenOptionsExt;
    open.mode(if is_executable { 0o777 } else { 0o666 });
}

#[cfg(not(unix))]
fn executable(_: &mut fs::OpenOptions, _: bool) {}

/// Digests what is written through it.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A file that goes away again unless it got its name.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_choose_files_as_a_shell_would() {
        let paths = ["app", "build/app", "build/lib/libx.so.1", "build/odd*name"];
        let check = |patterns: &[&str], expected: &[&str]| {
            let file = |path: &&str| KeptFile { path: (*path).to_owned(), ..KeptFile::default() };
            let kept = Kept { files: paths.iter().map(file).collect() };
            let patterns: Vec<String> = patterns.iter().map(|&text| text.to_owned()).collect();
            let kept = kept.only(&patterns).unwrap();
            let got: Vec<&str> = kept.files.iter().map(|file| file.path.as_str()).collect();
            assert_eq!(got, expected, "{patterns:?}");
        };
        check(&[], &paths);
        check(&["*"], &["app"]);
        check(&["./app"], &["app"]);
        check(&["build/*"], &["build/app", "build/odd*name"]);
        check(&["**/*.so*", "app"], &["app", "build/lib/libx.so.1"]);
        check(&["build/odd*name"], &["build/odd*name"]);
        check(&["none"], &[]);
        assert!(Kept::default().only(&["[".to_owned()]).is_err());
    }
}
