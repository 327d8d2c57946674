//! Sends a folder of this machine, so that a build can be asked of it. What the server has already
//! is not sent again.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    CliError, Console, sanitize,
    text::{bytes, count, duration},
};
use crate::{
    archive::tree::TreeBounds,
    client::{ClientError, Rest},
    pipe,
    protocol::{SourceSubmission, UploadSubmission},
    worktree::{self, Meter, Worktree, WorktreeError},
};

/// What a server takes unless it was told otherwise; it says so itself if that is less.
const BOUNDS: TreeBounds = TreeBounds { bytes: 512 << 20, entries: 50_000, depth: 64 };
/// How often a tree that changes while it is sent is read again.
const TRIES: u32 = 2;

/// Sends the working tree at `path`, and says on the error output what it did.
pub(super) async fn send(
    rest: &Rest,
    path: &Path,
    console: &mut Console,
) -> Result<SourceSubmission, CliError> {
    let began = Instant::now();
    let interactive = console.is_interactive();
    let mut tries = 1;
    let (tree, sent) = loop {
        let meter = Arc::new(Bar::new("reading", interactive));
        let (folder, reading) = (path.to_owned(), Arc::clone(&meter));
        let read = tokio::task::spawn_blocking(move || worktree::read(&folder, &BOUNDS, &*reading));
        let tree = read.await.expect("reading a tree does not panic");
        meter.clear();
        let tree = Arc::new(tree.map_err(|error| usage(&error))?);
        match upload(rest, &tree, interactive).await {
            Err(Failure::Changed(_)) if tries < TRIES => tries += 1,
            Err(Failure::Changed(error) | Failure::Tree(error)) => return Err(usage(&error)),
            Err(Failure::Client(error)) => return Err(error.into()),
            Ok(sent) => break (tree, sent),
        }
    };
    for note in tree.notes() {
        console.note(&format!("note: {}\n", sanitize::text(note)));
    }
    let end = if sent {
        format!("sent in {}", duration(began.elapsed()))
    } else {
        "already there".to_owned()
    };
    console.note(&format!("{}; {end}\n", what(path, &tree)));
    let digest = tree.tree().digest().to_string().parse().expect("a digest has 64 digits");
    Ok(SourceSubmission::Upload(UploadSubmission { digest, base: tree.base().cloned() }))
}

/// One line about the tree.
fn what(path: &Path, tree: &Worktree) -> String {
    let shown = path.canonicalize().unwrap_or_else(|_| PathBuf::from(path));
    let base = tree.base().map_or_else(String::new, |base| {
        let changes = if base.dirty { " with uncommitted changes" } else { "" };
        format!(", based on {}{changes}", &base.commit.short()[..7])
    });
    format!(
        "working tree of {}: {}, {}{base}",
        sanitize::text(&shown.to_string_lossy()),
        count(tree.tree().files(), "file", "files"),
        bytes(tree.tree().bytes())
    )
}

/// Why a tree was not sent.
enum Failure {
    /// It changed: reading it again may help.
    Changed(WorktreeError),
    Tree(WorktreeError),
    Client(ClientError),
}

/// Sends the tree unless it is there; whether it was sent.
async fn upload(rest: &Rest, tree: &Arc<Worktree>, interactive: bool) -> Result<bool, Failure> {
    let digest = tree.tree().digest().to_string().parse().expect("a digest has 64 digits");
    if rest.renew_upload(&digest).await.map_err(Failure::Client)?.is_some() {
        return Ok(false);
    }
    let (mut writer, body) = pipe::from_writer();
    let meter = Arc::new(Bar::new("sending", interactive));
    let (packed, packing) = (Arc::clone(tree), Arc::clone(&meter));
    let packing = tokio::task::spawn_blocking(move || {
        let result = packed.pack(&mut writer, &*packing);
        if result.is_err() {
            // Without its end the server must not take it for whole.
            writer.fail(std::io::Error::other("the tree changed"));
        }
        result
    });
    let answer = rest.upload(body).await;
    let packed = packing.await.expect("packing does not panic");
    meter.clear();
    match (packed, answer) {
        (Ok(()), Ok(upload)) if upload.digest == digest => Ok(true),
        (Ok(()), Ok(upload)) => Err(Failure::Client(ClientError::Answer(format!(
            "it took the tree {digest} for {}",
            upload.digest
        )))),
        // The server said no, or went away, and nobody read on.
        (Ok(()) | Err(WorktreeError::Sink(_)), Err(error)) => Err(Failure::Client(error)),
        (Err(error @ WorktreeError::Changes { .. }), _) => Err(Failure::Changed(error)),
        (Err(error), _) => Err(Failure::Tree(error)),
    }
}

/// Nothing was sent: what is in the folder has to change.
fn usage(error: &WorktreeError) -> CliError {
    CliError::Usage(sanitize::text(&error.to_string()))
}

/// A bar on a terminal, nothing elsewhere.
struct Bar(ProgressBar);

impl Bar {
    fn new(what: &'static str, interactive: bool) -> Self {
        if !interactive {
            return Self(ProgressBar::hidden());
        }
        let template = "{msg} {wide_bar} {binary_bytes} of {binary_total_bytes}";
        let style = ProgressStyle::with_template(template).expect("the template is well-formed");
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        Self(bar.with_style(style).with_message(what))
    }

    fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Meter for Bar {
    fn expect(&self, bytes: u64) {
        self.0.reset();
        self.0.set_length(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}
