//! The helper process itself: reads one request, does it, answers, ends.

use std::{
    fs,
    io::{self, BufWriter, Read, Write},
    process::ExitCode,
};

use super::{
    asks, compare, deepen, inspect, remote, setup, tar, walk,
    wire::{EXIT_FAILED, Envelope, Failure, FailureKind, Reply, Request, TreeRequest},
};
use crate::source::mirror::SUSPECT;

/// The most of a request that is read: it holds a few names and paths.
const MAX_REQUEST: u64 = 16 << 20;
/// Pipes take 64 KiB at a time.
const BUFFER: usize = 64 << 10;

/// The whole life of a helper process: what `main` calls when it is started as one.
///
/// Not for people: it expects a request on standard input and answers on standard output.
pub fn helper_main() -> ExitCode {
    let envelope = match read_request() {
        Ok(envelope) => envelope,
        Err(failure) => return answer(&Reply::Failed(failure)),
    };
    if let Err(failure) = setup::confine(&envelope) {
        return answer(&Reply::Failed(failure));
    }
    let reply = match envelope.request {
        Request::Tar(tree) => return stream(&tree),
        Request::List { access, refs } => remote::list(&access, refs),
        Request::Resolve { access, wanted, refs } => remote::resolve(&access, &wanted, refs),
        Request::Fetch(request) => remote::fetch(&request),
        Request::Deepen { fetch, asks } => deepen::deepen(&fetch, asks),
        Request::Compare { tree, since } => compare::compare(tree.clone(), since.as_ref())
            .inspect_err(|failure| suspect(&tree, failure)),
        Request::Survey(tree) => {
            survey(tree.clone()).inspect_err(|failure| suspect(&tree, failure))
        }
        Request::Inspect { tree, files, file_bytes } => {
            let inspected = inspect::inspect(tree.clone(), &files, file_bytes);
            inspected.map(Reply::Inspected).inspect_err(|failure| suspect(&tree, failure))
        }
    };
    answer(&reply.unwrap_or_else(Reply::Failed))
}

fn survey(tree: TreeRequest) -> Result<Reply, Failure> {
    let source = walk::Source::open(tree)?;
    let entries = source.walk()?;
    let odb = source.root().0.odb().map_err(|e| walk::damaged(&e))?;
    Ok(Reply::Surveyed { asks: asks::of_tree(&odb, &entries)? })
}

fn read_request() -> Result<Envelope, Failure> {
    let mut text = Vec::new();
    let internal = |error: String| Failure::new(FailureKind::Internal, error);
    io::stdin()
        .lock()
        .take(MAX_REQUEST)
        .read_to_end(&mut text)
        .map_err(|error| internal(format!("reading the request failed: {error}")))?;
    serde_json::from_slice(&text)
        .map_err(|error| internal(format!("this is an internal command of kiln: {error}")))
}

fn answer(reply: &Reply) -> ExitCode {
    let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let written = serde_json::to_writer(&mut out, reply).map_err(io::Error::from);
    exit(written.and_then(|()| out.flush()).is_ok())
}

fn stream(tree: &TreeRequest) -> ExitCode {
    let out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let Err(failure) = tar::write(tree.clone(), out) else { return ExitCode::SUCCESS };
    suspect(tree, &failure);
    // Nobody is left to tell if this fails too: the exit status says enough.
    let _ = serde_json::to_writer(io::stderr().lock(), &failure);
    exit(false)
}

/// Leaves word that a mirror is damaged: the next fetch makes it afresh.
fn suspect(tree: &TreeRequest, failure: &Failure) {
    if failure.kind == FailureKind::Corrupt {
        for part in &tree.parts {
            let _ = fs::write(part.mirror.join(SUSPECT), b"");
        }
    }
}

fn exit(fine: bool) -> ExitCode {
    if fine { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) }
}
