//! From the sandbox's tar to our archive, on a thread of its own: both ends are synchronous.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::{self, BufWriter, Read},
    path::PathBuf,
};

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::trouble::Trouble;
use crate::{
    agent::verdict::size,
    archive::{
        ArtifactPath, Bounds, FilterError, PackError, Packed,
        filter::{Content, Filter},
        pack::{Packer, clamp_time},
    },
    builder,
    model::{Cause, Timestamp},
    sandbox::ByteStream,
};

/// Pieces of the tar between the engine's connection and the packer.
const CHANNEL: usize = 32;

/// What was chosen, and its bounds.
#[derive(Debug)]
pub(super) struct Chosen {
    /// What is asked for.
    pub paths: BTreeSet<ArtifactPath>,
    /// Those that are kept only if their content is a program's or a library's.
    pub likely: BTreeSet<ArtifactPath>,
    /// What was left out already: name and reason.
    pub skipped: Vec<(String, &'static str)>,
    /// The most bytes the tar may hold.
    pub tar_bytes: u64,
    /// The most bytes that are kept.
    pub bytes: u64,
    /// The most files that are kept.
    pub files: u64,
}

/// The archive.
#[derive(Debug)]
pub(super) struct Kept {
    /// Where it is: a file without a name.
    pub file: File,
    /// What is in it.
    pub packed: Packed,
    /// What was left out: name and reason.
    pub skipped: Vec<(String, &'static str)>,
}

/// The time that the archive's entries carry.
pub(super) fn modified(time: Timestamp) -> u64 {
    clamp_time(time.as_millis().div_euclid(1_000))
}

/// Reads the tar and writes the archive.
pub(super) async fn repack(
    mut tar: ByteStream,
    chosen: Chosen,
    modified: i64,
    path: PathBuf,
) -> Result<Kept, Trouble> {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(CHANNEL);
    let feed = async move {
        while let Some(piece) = tar.next().await {
            // The packer ends early only with an error, which is then the one that counts.
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    };
    let work = tokio::task::spawn_blocking(move || {
        let input = Pieces { receiver, current: Bytes::new() };
        pack(input, chosen, modified, &path)
    });
    let ((), packed) = tokio::join!(feed, work);
    packed.map_err(|error| Trouble::new(Cause::Engine, format!("packing: {error}")))?
}

fn pack(
    mut input: Pieces,
    mut chosen: Chosen,
    modified: i64,
    path: &PathBuf,
) -> Result<Kept, Trouble> {
    let file = unnamed(path).map_err(|error| local(&error))?;
    let entries = chosen.paths.len() as u64;
    let bounds = Bounds { entries, bytes: chosen.tar_bytes };
    let paths = std::mem::take(&mut chosen.paths);
    let mut filter = Filter::new(&mut input, paths, bounds).map_err(|e| refused(&e))?;
    let mut packer = Packer::new(BufWriter::new(&file), modified);
    let (mut files, mut bytes) = (0, 0_u64);
    while let Some(entry) = filter.next_entry().map_err(|error| refused(&error))? {
        let mut head = Vec::new();
        if let Content::File(length) = entry.content {
            if chosen.likely.contains(&entry.path) {
                let most = length.min(builder::HEAD_BYTES as u64);
                filter.by_ref().take(most).read_to_end(&mut head).map_err(|e| broken(&e))?;
                if !builder::is_product(&head) {
                    continue;
                }
            }
            bytes += length;
        }
        files += 1;
        if files > chosen.files || bytes > chosen.bytes {
            let most = format!("{} files and {}", chosen.files, size(chosen.bytes));
            let message = format!("there are more artifacts than are kept: at most {most}");
            return Err(Trouble::new(Cause::ArtifactLimit, message));
        }
        packer
            .add(entry, &mut Read::chain(&*head, &mut filter))
            .map_err(|error| unpacked(&error))?;
    }
    let mut skipped = std::mem::take(&mut chosen.skipped);
    skipped.extend(filter.skipped().iter().map(|one| (one.name.clone(), one.reason)));
    skipped.extend(filter.missing().map(|path| (path.to_string(), "did not come")));
    let (writer, packed) = packer.finish().map_err(|error| unpacked(&error))?;
    writer.into_inner().map_err(|error| local(error.error()))?;
    Ok(Kept { file, packed, skipped })
}

/// A file that nobody else can open and that is gone when the agent is.
fn unnamed(path: &PathBuf) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

fn refused(error: &FilterError) -> Trouble {
    let limit = matches!(error, FilterError::TooManyBytes(_) | FilterError::TooManyEntries(_));
    let cause = if limit { Cause::ArtifactLimit } else { Cause::Engine };
    Trouble::new(cause, error.to_string())
}

fn unpacked(error: &PackError) -> Trouble {
    Trouble::new(Cause::Engine, format!("the artifacts cannot be packed: {error}"))
}

fn broken(error: &io::Error) -> Trouble {
    Trouble::new(Cause::Engine, format!("the artifacts broke off: {error}"))
}

fn local(error: &io::Error) -> Trouble {
    Trouble::new(Cause::Engine, format!("the agent cannot keep the artifacts: {error}"))
}

/// The pieces of a stream as something that can be read.
#[derive(Debug)]
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
