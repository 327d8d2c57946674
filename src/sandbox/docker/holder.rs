//! The holder's side of a session: unpack, list, hand out.
//!
//! Its PID 1 is the few lines of `sh` below. Lengths come before bytes, so that neither a tar's
//! padding nor a file's name can be taken for a command; names reach `tar` NUL-separated, verbatim,
//! on its stdin, so none can be an option. Only what `find -P` has listed can be asked for, so no
//! symlink that the build planted is ever followed.

use std::{collections::HashSet, io, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::pipe::{self, Input, OutputFrames, Pipe};
use crate::sandbox::{ByteStream, EntryKind, SandboxError, WorkspaceEntry};

/// `find` goes no deeper than this. No real tree does; a build that nests 20 000 folders would make
/// the listing quadratic.
pub(super) const SCRIPT: &str = r#"umask 022
cd /workspace && mkdir -p home || exit 70
while IFS=' ' read -r verb n end; do
  case $verb in
  load)
    while IFS= read -r n && [ "$n" -gt 0 ]; do head -c "$n" || exit 1; done |
      { tar -x -f - --no-same-owner --no-same-permissions --warning=no-timestamp 2>&1
        s=$?; cat >/dev/null; exit "$s"; }
    s=$?; printf '\nstatus %s\0' "$s"; [ "$s" = 0 ] || exit 71 ;;
  list)
    find -P src -mindepth 1 -maxdepth 128 -printf '%y %s %m %P\0' 2>/dev/null
    [ $? -le 1 ] || exit 72
    printf '\0' ;;
  export)
    if [ -d cache ] && [ ! -L cache ]; then
      tar -c -f - --format=gnu --numeric-owner --owner=0 --group=0 --ignore-failed-read \
        cache 2>/dev/null | head -c "$n"
    fi
    printf %s "$end" ;;
  collect)
    [ -d src ] && [ ! -L src ] || exit 73
    head -c "$n" | tar -c -f - -C src --format=gnu --numeric-owner --owner=0 --group=0 \
      --hard-dereference --ignore-failed-read --no-recursion \
      --null --verbatim-files-from --no-unquote -T - && printf %s "$end"
    exit ;;
  *) exit 74 ;;
  esac
done
"#;

/// Each chunk of the source costs the holder a process, so they are large.
const CHUNK_BYTES: usize = 1 << 20;
/// What unpacking may say.
const MESSAGE_BYTES: usize = 64 << 10;
/// The listing may take this much for each entry it may have: paths are about 60 bytes in real
/// trees, and this is memory of the agent.
const BYTES_PER_ENTRY: usize = 256;
/// A path and its numbers: 128 names of at most 255 bytes.
const RECORD_BYTES: usize = 40 << 10;
/// A holder that has gone may have said why.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// Pieces of a tar that are read before they are wanted.
const CHUNKS_AHEAD: usize = 4;

/// A started holder.
#[derive(Debug)]
pub(super) struct Holder {
    pipe: Pipe,
    /// Files and symlinks of the newest listing.
    listed: HashSet<Vec<u8>>,
}

impl Holder {
    pub(super) fn new(pipe: Pipe) -> Self {
        Self { pipe, listed: HashSet::new() }
    }

    /// Unpacks `tar`, of which at most `most` bytes are taken.
    pub(super) async fn load(&mut self, tar: ByteStream, most: u64) -> Result<(), SandboxError> {
        let Pipe { input, output } = &mut self.pipe;
        let feed = async {
            input.write(b"load\n").await?;
            let mut tar = tar;
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let mut left = most;
            while let Some(bytes) = tar.next().await {
                let bytes = bytes.map_err(|error| {
                    SandboxError::Engine(format!("the source broke off: {error}"))
                })?;
                left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
                    SandboxError::SourceTooLarge(format!("its archive is over {most} bytes"))
                })?;
                chunk.extend_from_slice(&bytes);
                if chunk.len() >= CHUNK_BYTES {
                    send(input, &mut chunk).await?;
                }
            }
            if !chunk.is_empty() {
                send(input, &mut chunk).await?;
            }
            input.write(b"0\n").await
        };
        let answered = {
            // How long feeding takes is up to the source; only then does the holder owe an answer.
            let answer = output.record_unhurried(MESSAGE_BYTES);
            tokio::pin!(feed, answer);
            tokio::select! {
                biased;
                // An answer before the end can only be bad news.
                answer = &mut answer => answer,
                fed = &mut feed => match fed {
                    Ok(()) => match timeout(pipe::STALL, answer).await {
                        Ok(answer) => answer,
                        Err(_) => return Err(pipe::stalled()),
                    },
                    // If the holder has gone, its last words say more than the broken pipe.
                    Err(error @ SandboxError::Engine(_)) => {
                        match timeout(LAST_WORDS, answer).await {
                            Ok(answer @ (Ok(_) | Err(SandboxError::ArtifactLimit(_)))) => answer,
                            _ => return Err(error),
                        }
                    }
                    Err(error) => return Err(error),
                },
            }
        };
        match answered {
            Ok(answer) => unpacked(&String::from_utf8_lossy(&answer)),
            // A complaint about each of very many files: what it is about is said at its beginning.
            Err(SandboxError::ArtifactLimit(_)) => {
                unpacked(&String::from_utf8_lossy(output.unread()))
            }
            Err(error) => Err(error),
        }
    }

    /// Lists the source folder.
    pub(super) async fn list(&mut self, most: usize) -> Result<Vec<WorkspaceEntry>, SandboxError> {
        self.pipe.input.write(b"list\n").await?;
        let mut entries = Vec::new();
        let mut room = most.saturating_mul(BYTES_PER_ENTRY).saturating_add(RECORD_BYTES);
        loop {
            let record = self.pipe.output.record(RECORD_BYTES).await?;
            if record.is_empty() {
                break;
            }
            if entries.len() == most {
                return Err(SandboxError::ArtifactLimit(format!(
                    "the workspace holds more than {most} entries"
                )));
            }
            room = room.checked_sub(record.len()).ok_or_else(|| {
                SandboxError::ArtifactLimit(format!(
                    "the paths in the workspace are longer than {BYTES_PER_ENTRY} bytes on average"
                ))
            })?;
            entries
                .push(entry(&record).ok_or_else(|| {
                    SandboxError::Engine(format!("the holder listed {record:?}"))
                })?);
        }
        self.listed = entries
            .iter()
            .filter(|entry| matches!(entry.kind, EntryKind::File | EntryKind::Symlink))
            .map(|entry| entry.path.clone())
            .collect();
        Ok(entries)
    }

    /// Hands out the compiler cache, cut off at `most` bytes. Its end is told as that of `collect`.
    pub(super) async fn export(
        &mut self,
        most: u64,
        to: &mpsc::Sender<io::Result<Bytes>>,
    ) -> Result<(), SandboxError> {
        let end = format!("{:032x}", rand::random::<u128>());
        self.pipe.input.write(format!("export {most} {end}\n").as_bytes()).await?;
        pass_on(&mut self.pipe.output, &end, to).await
    }

    /// Hands out `paths`. That the tar is complete is said by a word at its end that nobody could
    /// know before; seeing the holder exit would take longer. `closed` gives the stream up.
    pub(super) async fn collect(
        mut self,
        paths: &[Vec<u8>],
        closed: CancellationToken,
    ) -> Result<ByteStream, SandboxError> {
        let mut names = Vec::new();
        for path in paths {
            if !self.listed.contains(path) {
                return Err(SandboxError::Engine(format!(
                    "{:?} was asked for but is not a listed file or symlink",
                    String::from_utf8_lossy(path)
                )));
            }
            names.extend_from_slice(path);
            names.push(0);
        }
        let end = format!("{:032x}", rand::random::<u128>());
        let command = format!("collect {} {end}\n", names.len());
        self.pipe.input.write(command.as_bytes()).await?;
        let Pipe { mut input, output } = self.pipe;
        // The names can be more than the pipes hold before the tar begins to flow, so they are
        // written while it is read. Reading goes on in a task, so that closing the session can end
        // it: the engine cannot remove a container whose output is held up.
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let writing = closed.clone().run_until_cancelled_owned(async move {
            if let Err(error) = input.write(&names).await {
                tracing::debug!(%error, "the holder does not take the names");
            }
        });
        tokio::spawn(writing.in_current_span());
        let reading = closed.run_until_cancelled_owned(pump(output, end, sender));
        tokio::spawn(reading.in_current_span());
        Ok(Box::pin(ReceiverStream::new(receiver)))
    }
}

/// Passes the tar on up to its end, and says if it breaks off.
async fn pump(mut output: OutputFrames, end: String, sender: mpsc::Sender<io::Result<Bytes>>) {
    if let Err(broken) = pass_on(&mut output, &end, &sender).await {
        // Without a reader there is nobody to tell.
        let _ = sender.send(Err(io::Error::other(broken))).await;
    }
}

/// Passes bytes on up to their end, which is kept back; goes on to the end also without a reader.
async fn pass_on(
    output: &mut OutputFrames,
    end: &str,
    to: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), SandboxError> {
    let mut held = BytesMut::new();
    loop {
        let Some(bytes) = output.bytes().await? else {
            return Err(SandboxError::Engine(output.ended()));
        };
        held.extend_from_slice(&bytes);
        let is_complete = held.ends_with(end.as_bytes());
        let passed = held.split_to(held.len().saturating_sub(end.len())).freeze();
        if !passed.is_empty() {
            let _ = to.send(Ok(passed)).await;
        }
        if is_complete {
            return Ok(());
        }
    }
}

async fn send(input: &mut Input, chunk: &mut Vec<u8>) -> Result<(), SandboxError> {
    input.write(format!("{}\n", chunk.len()).as_bytes()).await?;
    input.write(chunk).await?;
    chunk.clear();
    Ok(())
}

/// What `tar` said, and its status in the last line.
fn unpacked(answer: &str) -> Result<(), SandboxError> {
    let (said, status) = answer.rsplit_once("\nstatus ").unwrap_or((answer, "?"));
    if status == "0" {
        return Ok(());
    }
    // The last is how tar calls a write that the full workspace took only in part.
    let full = ["No space left on device", "Cannot allocate memory", "Wrote only "];
    if full.iter().any(|sign| said.contains(sign)) {
        Err(SandboxError::SourceTooLarge("its files or their number".to_owned()))
    } else {
        let said: String = said.trim().chars().take(500).collect();
        Err(SandboxError::Engine(format!("unpacking the source: {said:?} (status {status})")))
    }
}

/// `kind size mode path`, as `find` was told to print it.
fn entry(record: &[u8]) -> Option<WorkspaceEntry> {
    let mut fields = record.splitn(4, |&byte| byte == b' ');
    let kind = match fields.next()? {
        b"f" => EntryKind::File,
        b"l" => EntryKind::Symlink,
        b"d" => EntryKind::Directory,
        _ => EntryKind::Other,
    };
    let size = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let mode = u32::from_str_radix(std::str::from_utf8(fields.next()?).ok()?, 8).ok()?;
    Some(WorkspaceEntry { path: fields.next()?.to_vec(), kind, size, mode })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_parsed_whatever_the_name_holds() {
        let entry = |record: &[u8]| entry(record).map(|e| (e.kind, e.size, e.mode, e.path));
        for (record, expected) in [
            (&b"f 12 755 a b\n c"[..], Some((EntryKind::File, 12, 0o755, b"a b\n c".to_vec()))),
            (b"l 3 777 \xff", Some((EntryKind::Symlink, 3, 0o777, b"\xff".to_vec()))),
            (b"d 0 1777 -d", Some((EntryKind::Directory, 0, 0o1777, b"-d".to_vec()))),
            (b"p 0 644 pipe", Some((EntryKind::Other, 0, 0o644, b"pipe".to_vec()))),
            (b"f twelve 755 a", None),
            (b"f 12 999 a", None),
            (b"f 12 755", None),
        ] {
            assert_eq!(entry(record), expected, "{}", String::from_utf8_lossy(record));
        }
    }

    #[test]
    fn a_full_workspace_is_told_from_a_broken_tar() {
        assert!(unpacked("\nstatus 0").is_ok());
        assert!(unpacked("tar: odd but fine\n\nstatus 0").is_ok());
        let full = unpacked("tar: a: Cannot write: No space left on device\n\nstatus 2");
        assert!(matches!(full, Err(SandboxError::SourceTooLarge(_))));
        // More complaints than are read: their end, and with it the status, is not among them.
        let many = "tar: a: Cannot open: No space left on device\n".repeat(1_400);
        assert!(matches!(unpacked(&many), Err(SandboxError::SourceTooLarge(_))));
        for broken in ["tar: this does not look like a tar\n\nstatus 2", "", "status 0"] {
            assert!(matches!(unpacked(broken), Err(SandboxError::Engine(_))), "{broken}");
        }
    }
}
