//! An uploaded tree as a source: its listing, its recipe, and its tar, all from the one file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufReader, Read, Write},
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use flate2::bufread::MultiGzDecoder;
use tokio_util::sync::CancellationToken;

use crate::{
    agent::{
        ports::{FetchedSource, Inspection, PortError, Received},
        source_port::{USUAL, recipe_text},
    },
    archive::{
        pack::clamp_time,
        tar_reader::{TarKind, TarReader},
        tree::{Piece, TarForm, Tree, TreeBounds, TreeEntry, TreeKind, read_tree},
    },
    builder::{FileKind, Listing, RECIPE_FILE},
    model::{Cause, CommitInfo, Timestamp},
    pipe,
    protocol::ClaimedUpload,
    sandbox::ByteStream,
};

/// The server has checked it; a file that is not what it stored is found by its digest.
const ANY: TreeBounds = TreeBounds { bytes: u64::MAX, entries: u64::MAX, depth: u32::MAX };
/// How much of a file that the builder wants is read, and one byte more to see that there is more.
const MOST: usize = 64 * 1024 + 1;
/// The time of a tree that says of no commit what it was made from: 1980-01-01, the first that every
/// archive format can hold. Any other choice would make the artifacts depend on when they were made.
const NO_COMMIT: Timestamp = Timestamp::from_millis(315_532_800_000);

/// The largest file that is read for a few of its lines, in bytes.
const MAX_READ: usize = 4 << 20;
const BUFFER: usize = 256 * 1024;
/// The largest file that is searched for calls of git, in bytes.
const MAX_SCRIPT: u64 = 128 * 1024;

/// An uploaded tree that is on this machine.
#[derive(Debug)]
pub(in crate::agent) struct Uploaded {
    upload: ClaimedUpload,
    file: Arc<File>,
    path: PathBuf,
    received: Received,
    /// What is in it, once it was read.
    tree: OnceLock<Arc<Tree>>,
    /// Whether a file of it may ask git for a version.
    asks_git: AtomicBool,
}

impl Uploaded {
    pub(super) fn new(
        upload: ClaimedUpload,
        file: File,
        (path, received): (PathBuf, Received),
    ) -> Self {
        let (file, tree) = (Arc::new(file), OnceLock::new());
        Self { upload, file, path, received, tree, asks_git: AtomicBool::new(false) }
    }

    fn info(&self) -> CommitInfo {
        let (message, committed_at) = match &self.upload.base {
            None => ("Uploaded tree".to_owned(), NO_COMMIT),
            Some(base) => {
                let name = base.describe.as_deref().unwrap_or(base.commit.short());
                let changes = if base.dirty { " with uncommitted changes" } else { "" };
                (format!("Working tree of {name}{changes}"), base.committed_at)
            }
        };
        CommitInfo {
            author: String::new(),
            email: String::new(),
            message,
            committed_at,
            changed_paths: Vec::new(),
        }
    }

    /// Reads the whole tree, and keeps what the files of these names begin with.
    async fn look(&self, names: Vec<String>, most: usize) -> Result<Look, PortError> {
        let file = Arc::clone(&self.file);
        let looking = tokio::task::spawn_blocking(move || look(&file, names, most));
        let problem = match looking.await {
            Ok(Ok(look)) if look.tree.digest().to_string() == self.upload.digest.as_str() => {
                let _ = self.tree.set(Arc::clone(&look.tree));
                self.asks_git.store(look.asks_git, Ordering::Relaxed);
                return Ok(look);
            }
            Ok(Ok(_)) => "it is not the tree that was uploaded".to_owned(),
            Ok(Err(problem)) => problem,
            Err(error) => error.to_string(),
        };
        // The next attempt fetches it again.
        let _ = fs::remove_file(&self.path);
        let message = format!("the uploaded tree {} is damaged: {problem}", self.upload.digest);
        Err(PortError { cause: Some(Cause::Store), message })
    }
}

#[async_trait]
impl FetchedSource for Uploaded {
    fn received(&self) -> Received {
        self.received
    }

    async fn inspect(&self, _: &CancellationToken) -> Result<Inspection, PortError> {
        let usual = USUAL.iter().map(|&name| name.to_owned()).collect();
        let mut found = self.look(usual, MOST).await?;
        let entries = found.tree.entries().iter().map(|entry| {
            let kind = match &entry.kind {
                TreeKind::File { executable: false, .. } => FileKind::File,
                TreeKind::File { executable: true, .. } => FileKind::Executable,
                TreeKind::Symlink(_) => FileKind::Symlink,
                TreeKind::Directory => FileKind::Directory,
            };
            (entry.path.as_bytes().to_vec(), kind)
        });
        let mut listing = Listing::new(entries);
        let more: Vec<String> = listing
            .wanted_files()
            .into_iter()
            .filter(|name| !USUAL.contains(&name.as_str()))
            .collect();
        if !more.is_empty() {
            found.files.extend(self.look(more, MOST).await?.files);
        }
        let recipe_file = recipe_text(found.files.remove(RECIPE_FILE));
        for (path, bytes) in found.files {
            listing.add_contents(&path, bytes);
        }
        let (left_out, missing) = (Vec::new(), Vec::new());
        Ok(Inspection { info: self.info(), listing, recipe_file, left_out, missing })
    }

    /// What was sent is files; no history comes with them.
    async fn with_history(
        &mut self,
        steps: &str,
        _: &CancellationToken,
    ) -> Result<Option<String>, PortError> {
        let asks = self.asks_git.load(Ordering::Relaxed) || asks_git(steps.as_bytes());
        Ok(asks.then(|| "an uploaded tree comes without .git".to_owned()))
    }

    async fn read_file(
        &self,
        path: &str,
        _: &CancellationToken,
    ) -> Result<Option<Vec<u8>>, PortError> {
        let mut found = self.look(vec![path.to_owned()], MAX_READ + 1).await?;
        Ok(found.files.remove(path).filter(|bytes| bytes.len() <= MAX_READ))
    }

    async fn tar(&self, _: &CancellationToken) -> Result<ByteStream, PortError> {
        let tree = match self.tree.get() {
            Some(tree) => Arc::clone(tree),
            None => self.look(Vec::new(), 0).await?.tree,
        };
        let file = Arc::clone(&self.file);
        let seconds = self.info().committed_at.as_millis().div_euclid(1_000);
        let form = TarForm::of_source(clamp_time(seconds));
        let (mut writer, stream) = pipe::from_writer();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = write(&file, &tree, form, &mut writer) {
                writer.fail(error);
            }
        });
        Ok(stream)
    }
}

/// What a look at the tree found.
struct Look {
    tree: Arc<Tree>,
    files: BTreeMap<String, Vec<u8>>,
    asks_git: bool,
}

/// Whether a script asks git what is built; a call that is cut in two pieces is not worth a wait.
fn asks_git(text: &[u8]) -> bool {
    const CALLS: [&[u8]; 3] = [b"git describe", b"git rev-parse", b"git log"];
    // Every call begins so, and few files have it at all.
    let mut rest = text;
    while let Some(at) = rest.windows(4).position(|four| four == b"git ") {
        rest = &rest[at..];
        if CALLS.iter().any(|call| rest.starts_with(call)) {
            return true;
        }
        rest = &rest[4..];
    }
    false
}

fn look(file: &Arc<File>, names: Vec<String>, most: usize) -> Result<Look, String> {
    let names: BTreeSet<String> = names.into_iter().collect();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut current: Option<String> = None;
    let (mut may_ask, mut asks) = (false, false);
    let tree = read_tree(FromStart::of(file), &ANY, |piece| {
        match piece {
            Piece::File(entry) => {
                let name = std::str::from_utf8(entry.path.as_bytes()).ok();
                may_ask = is_script(entry);
                current = name.filter(|name| names.contains(*name)).map(str::to_owned);
                if let Some(name) = &current {
                    files.insert(name.clone(), Vec::new());
                }
            }
            Piece::Content(bytes) => {
                asks = asks || (may_ask && asks_git(bytes));
                if let Some(kept) = current.as_ref().and_then(|name| files.get_mut(name)) {
                    let room = most.saturating_sub(kept.len());
                    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
            }
            Piece::End => current = None,
        }
        Ok(())
    });
    let tree = Arc::new(tree.map_err(|error| error.to_string())?);
    Ok(Look { tree, files, asks_git: asks })
}

/// Whether a file may be one of those that find out a version: small, and no source or page.
fn is_script(entry: &TreeEntry) -> bool {
    const OTHER: [&str; 8] = ["c", "h", "cc", "cpp", "hpp", "md", "html", "txt"];
    let name = String::from_utf8_lossy(entry.path.file_name());
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    let small = matches!(entry.kind, TreeKind::File { size, .. } if size <= MAX_SCRIPT);
    small && (!OTHER.contains(&end) || &*name == "CMakeLists.txt")
}

/// Writes the tar for the sandbox: the kept one is in the same order, so that each is read once.
fn write(file: &Arc<File>, tree: &Tree, form: TarForm, out: &mut impl Write) -> io::Result<()> {
    let inflated = MultiGzDecoder::new(BufReader::with_capacity(BUFFER, FromStart::of(file)));
    let mut kept = TarReader::new(BufReader::with_capacity(BUFFER, inflated));
    let begin = form.begin();
    out.write_all(&begin)?;
    let mut written = begin.len() as u64;
    for entry in tree.entries() {
        let header = form.header(entry);
        out.write_all(&header)?;
        written += header.len() as u64;
        if let TreeKind::File { size, .. } = entry.kind {
            next_file(&mut kept, entry.path.as_bytes())?;
            let copied = io::copy(&mut kept, out)?;
            if copied != size {
                return Err(io::Error::other("the uploaded tree changed while it was read"));
            }
            out.write_all(TarForm::padding(size))?;
            written += size + TarForm::padding(size).len() as u64;
        }
    }
    out.write_all(&TarForm::end(written))?;
    out.flush()
}

/// Moves on to the content of this file.
fn next_file(kept: &mut TarReader<impl Read>, path: &[u8]) -> io::Result<()> {
    while let Some(entry) = kept.next_entry().map_err(io::Error::other)? {
        if entry.kind == TarKind::File {
            let same = entry.name == path;
            let other = || io::Error::other("the uploaded tree is not in its canonical order");
            return same.then_some(()).ok_or_else(other);
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Reads a file from its start, whoever else reads it.
struct FromStart {
    file: Arc<File>,
    at: u64,
}

impl FromStart {
    fn of(file: &Arc<File>) -> Self {
        Self { file: Arc::clone(file), at: 0 }
    }
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_git_are_found() {
        for (text, expected) in [
            ("V=$(git describe --tags)", true),
            ("git git git log", true),
            ("digit rev", false),
            ("git", false),
            ("git status; git rev-parse HEAD", true),
            ("", false),
        ] {
            assert_eq!(asks_git(text.as_bytes()), expected, "{text}");
        }
    }
}
