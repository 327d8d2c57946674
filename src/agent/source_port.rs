//! The machine's sources: git mirrors, through `source`.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::ports::{FetchedSource, Inspection, PortError, Received, Sources};
use crate::{
    builder::{FileKind, Listing, RECIPE_FILE},
    model::Cause,
    protocol::ClaimedGit,
    sandbox::ByteStream,
    source::{self, FetchSpec, Fetched, LoginReach, SourceError, Submodules, TreeKind},
};

/// Files of the root that the builder nearly always wants: asked for with the first look, so that
/// most sources need no second one.
pub(super) const USUAL: &[&str] = &[
    RECIPE_FILE,
    "CMakeLists.txt",
    "CMakePresets.json",
    "meson.build",
    "configure",
    "configure.ac",
    "autogen.sh",
    "GNUmakefile",
    "makefile",
    "Makefile",
    "Makefile.am",
    "Makefile.in",
];

/// The largest recipe, in bytes.
const MAX_RECIPE: usize = 64 * 1024;

impl From<SourceError> for PortError {
    fn from(error: SourceError) -> Self {
        Self { cause: error.cause(), message: error.to_string() }
    }
}

#[async_trait]
impl Sources for source::Sources {
    async fn fetch(
        &self,
        wanted: &ClaimedGit,
        submodules: Submodules,
        stop: &CancellationToken,
    ) -> Result<Box<dyn FetchedSource>, PortError> {
        let login = wanted.login.as_ref().map(|claimed| {
            let reach =
                if claimed.submodules { LoginReach::Submodules } else { LoginReach::Itself };
            (Arc::new(claimed.login.clone()), reach)
        });
        let spec = FetchSpec {
            url: self.parse_url(&wanted.url)?.with_login(login),
            commit: wanted.commit.clone(),
            refname: wanted.reference.as_ref().map(ToString::to_string),
            submodules,
        };
        let fetched = source::Sources::fetch(self, &spec, stop).await?;
        let url = wanted.url.clone();
        Ok(Box::new(InMirror { sources: self.clone(), spec, fetched, url }))
    }
}

/// A commit in its mirror.
#[derive(Debug)]
struct InMirror {
    sources: source::Sources,
    spec: FetchSpec,
    fetched: Fetched,
    url: String,
}

#[async_trait]
impl FetchedSource for InMirror {
    fn received(&self) -> Received {
        Received { bytes: self.fetched.bytes, from_cache: !self.fetched.fetched }
    }

    async fn inspect(&self, stop: &CancellationToken) -> Result<Inspection, PortError> {
        let checkout = &self.fetched.checkout;
        let mut found = self.sources.inspect(checkout, USUAL, stop).await?;
        let entries = std::mem::take(&mut found.entries);
        let entries = entries.into_iter().map(|entry| (entry.path, kind(entry.kind)));
        let mut listing = Listing::new(entries).named(&self.url);
        let known = |name: &String| USUAL.contains(&name.as_str());
        let more: Vec<String> =
            listing.wanted_files().into_iter().filter(|name| !known(name)).collect();
        if !more.is_empty() {
            let names: Vec<&str> = more.iter().map(String::as_str).collect();
            found.files.extend(self.sources.inspect(checkout, &names, stop).await?.files);
        }
        let recipe_file = recipe_file(&mut found);
        for (path, bytes) in found.files {
            listing.add_contents(&path, bytes);
        }
        let missing = &self.fetched.missing;
        let is_missing = |path: &&Vec<u8>| missing.iter().any(|one| one.path == **path);
        let left_out =
            found.left_out.iter().filter(|path| !is_missing(path)).map(|path| text(path));
        let left_out = left_out.collect();
        let missing = missing.iter().map(|one| format!("{} ({})", text(&one.path), one.reason));
        let missing = missing.collect();
        Ok(Inspection { info: found.info, listing, recipe_file, left_out, missing })
    }

    async fn with_history(
        &mut self,
        steps: &str,
        stop: &CancellationToken,
    ) -> Result<Option<String>, PortError> {
        let checkout = &mut self.fetched.checkout;
        Ok(self.sources.with_history(&self.spec, checkout, steps, stop).await?)
    }

    async fn read_file(
        &self,
        path: &str,
        stop: &CancellationToken,
    ) -> Result<Option<Vec<u8>>, PortError> {
        Ok(self.sources.read(&self.fetched.checkout, path, stop).await?)
    }

    async fn tar(&self, stop: &CancellationToken) -> Result<ByteStream, PortError> {
        Ok(self.sources.tar(&self.fetched.checkout, stop).await?)
    }
}

fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).escape_debug().to_string()
}

/// The recipe as text: the builder says what is wrong with one that is none.
fn recipe_file(found: &mut source::Inspection) -> Result<Option<String>, PortError> {
    if found.too_large.iter().any(|name| name == RECIPE_FILE) {
        return Err(recipe_too_large());
    }
    recipe_text(found.files.remove(RECIPE_FILE))
}

fn recipe_refused(message: String) -> PortError {
    PortError { cause: Some(Cause::RecipeInvalid), message }
}

fn recipe_too_large() -> PortError {
    recipe_refused(format!("{RECIPE_FILE} is larger than a recipe may be (64 KiB)"))
}

/// The bytes of a recipe as text, if there are any.
pub(super) fn recipe_text(bytes: Option<Vec<u8>>) -> Result<Option<String>, PortError> {
    let Some(bytes) = bytes else { return Ok(None) };
    if bytes.len() > MAX_RECIPE {
        return Err(recipe_too_large());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.split(|&byte| byte == b'\n').count();
            Err(recipe_refused(format!("{RECIPE_FILE}, line {line}: this is not UTF-8 text")))
        }
    }
}

const fn kind(kind: TreeKind) -> FileKind {
    match kind {
        TreeKind::File => FileKind::File,
        TreeKind::Executable => FileKind::Executable,
        TreeKind::Symlink => FileKind::Symlink,
        TreeKind::Directory | TreeKind::Submodule => FileKind::Directory,
    }
}
