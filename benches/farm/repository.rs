//! The git repository that is built: a scenario of the tests, with a commit for whoever asks.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::command;

/// A repository in a temporary folder.
#[derive(Debug)]
pub(crate) struct Repository(TempDir);

impl Repository {
    /// One with the files of `tests/scenarios/NAME` as its first commit.
    pub(crate) async fn of(scenario: &str) -> anyhow::Result<Self> {
        let repository = Self(tempfile::Builder::new().prefix("kiln-bench-").tempdir()?);
        repository.git(&["init", "--quiet", "--initial-branch=main"]).await?;
        copy(scenario, repository.0.path())?;
        repository.git(&["add", "--all"]).await?;
        repository.commit().await?;
        Ok(repository)
    }

    /// Adds a commit that nobody has seen.
    pub(crate) async fn commit(&self) -> anyhow::Result<()> {
        let author = ["-c", "user.name=A Developer", "-c", "user.email=dev@example.org"];
        let commit = ["commit", "--quiet", "--allow-empty", "--message=a commit"];
        self.git(&[&author[..], &commit[..]].concat()).await
    }

    /// How kiln is told about it.
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.0.path().display())
    }

    async fn git(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let folder = self.0.path().to_str().context("a temporary folder that is not UTF-8")?;
        command::output("git", &[&["-C", folder], arguments].concat()).await.map(drop)
    }
}

/// Copies the files of a scenario of the tests.
pub(crate) fn copy(scenario: &str, to: &Path) -> anyhow::Result<()> {
    let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(scenario);
    for entry in fs::read_dir(&from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
