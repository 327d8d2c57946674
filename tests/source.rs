//! The source module against real git servers on loopback, and against hostile ones.
//!
//! Everything goes through the real helper process. Each test has its own directories and servers
//! and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "source/bounds.rs"]
mod bounds;
#[path = "source/compare.rs"]
mod compare;
#[path = "source/describe.rs"]
mod describe;
#[path = "source/git.rs"]
mod git;
#[path = "source/mirrors.rs"]
mod mirrors;
#[path = "source/remotes.rs"]
mod remotes;
#[path = "source/server.rs"]
mod server;
#[path = "source/ssh.rs"]
mod ssh;
#[path = "source/submodules.rs"]
mod submodules;
#[path = "source/trees.rs"]
mod trees;

use std::io::Read;

use futures_util::StreamExt;
use kiln::{
    config::{PrivateAddresses, SourceSettings},
    source::{ByteStream, Checkout, FetchSpec, Fetched, RefSpec, SourceError, Sources, Submodules},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Sources in a directory of their own.
struct Kiln {
    data: TempDir,
    sources: Sources,
}

/// One entry of a tar.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    path: String,
    mode: u32,
    kind: tar::EntryType,
    link: Option<String>,
    content: Vec<u8>,
}

fn settings() -> SourceSettings {
    SourceSettings {
        schemes: "https,http,git,ssh,file".parse().unwrap(),
        private: PrivateAddresses::Allow,
        ..SourceSettings::default()
    }
}

impl Kiln {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: SourceSettings) -> Self {
        let data = tempfile::tempdir().unwrap();
        let helper = env!("CARGO_BIN_EXE_kiln").into();
        let sources = Sources::with_helper(settings, data.path(), helper).unwrap();
        Self { data, sources }
    }

    async fn resolve(&self, url: &str, name: Option<&str>) -> Result<String, SourceError> {
        let spec = name.map_or(RefSpec::Default, |name| RefSpec::Ref(name.parse().unwrap()));
        let resolved = self.sources.resolve(&self.sources.parse_url(url)?, &spec).await?;
        let refname = resolved.refname.unwrap_or_default();
        Ok(format!("{refname} {}", resolved.commit))
    }

    async fn fetch(&self, url: &str, commit: &str) -> Result<Fetched, SourceError> {
        self.fetch_with(url, commit, None, Submodules::LeftOut).await
    }

    async fn fetch_with(
        &self,
        url: &str,
        commit: &str,
        refname: Option<&str>,
        submodules: Submodules,
    ) -> Result<Fetched, SourceError> {
        let spec = FetchSpec {
            url: self.sources.parse_url(url)?,
            commit: commit.parse().unwrap(),
            refname: refname.map(str::to_owned),
            submodules,
        };
        self.sources.fetch(&spec, &CancellationToken::new()).await
    }

    async fn tar(&self, checkout: &Checkout) -> Vec<Entry> {
        let stream = self.sources.tar(checkout, &CancellationToken::new()).await.unwrap();
        entries(&collected(stream).await.unwrap())
    }
}

async fn collected(mut stream: ByteStream) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(bytes) = stream.next().await {
        all.extend_from_slice(&bytes?);
    }
    Ok(all)
}

fn entries(bytes: &[u8]) -> Vec<Entry> {
    assert_eq!(bytes.len() % 10_240, 0, "padded to whole records");
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let header = entry.header();
        let owner = (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap());
        assert_eq!(owner, (10_240, 10_240, git::TIME));
        let (mode, kind) = (header.mode().unwrap(), header.entry_type());
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let link = entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        Entry { path, mode, kind, link, content }
    });
    entries.collect()
}
