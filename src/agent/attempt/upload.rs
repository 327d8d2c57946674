//! Sends the archive and its manifest; again if the server was away.

use std::fs::File;

use super::{context::Context, retry::until_heard, said, trouble::Trouble};
use crate::{archive::Manifest, client::ClientError, model::Cause, protocol::DiagnosticsReport};

/// Sends the archive.
pub(super) async fn archive(cx: &Context, file: File, bytes: u64) -> Result<(), Trouble> {
    heard(until_heard(&cx.ending, || cx.client.put_archive(&file, bytes)).await)
}

/// Sends the manifest.
pub(super) async fn manifest(cx: &Context, manifest: &Manifest) -> Result<(), Trouble> {
    let text = serde_json::to_vec(manifest)
        .map_err(|error| Trouble::new(Cause::Engine, format!("the manifest: {error}")))?;
    heard(until_heard(&cx.ending, || cx.client.put_manifest(text.clone())).await)
}

/// Sends what was said. An attempt ends as it does without it, too.
pub(super) async fn diagnostics(cx: &Context, report: &DiagnosticsReport) {
    let Some(packed) = said::packed(report) else { return };
    let sent = until_heard(&cx.ending, || cx.client.put_diagnostics(packed.clone())).await;
    if let Some(Err(error)) = sent {
        cx.log.say(format!("Diagnostics: the server did not take them: {error}")).await;
    }
}

fn heard(answer: Option<Result<(), ClientError>>) -> Result<(), Trouble> {
    match answer {
        None => Err(Trouble::Stopped),
        Some(answer) => Ok(answer?),
    }
}
