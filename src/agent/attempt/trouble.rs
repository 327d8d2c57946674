//! What can end an attempt before its build does, and how that is judged.

use super::context::Context;
use crate::{
    agent::{ports::PortError, verdict::Judged},
    client::ClientError,
    model::Cause,
    sandbox::SandboxError,
};

/// Does `work` unless the attempt is stopped: then it is dropped where it stands.
pub(super) async fn unless_stopped<T>(
    cx: &Context,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    tokio::select! {
        biased;
        () = cx.ending.stopped().cancelled() => Err(Trouble::Stopped),
        result = work => result,
    }
}

/// An attempt cannot go on.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It was told to stop: the ending knows why.
    Stopped,
    /// It ends like this.
    Ends(Judged),
}

impl Trouble {
    /// It ends for this reason.
    pub(super) fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self::Ends(Judged::failed(cause, message))
    }

    fn of(cause: Option<Cause>, message: String) -> Self {
        cause.map_or(Self::Stopped, |cause| Self::new(cause, message))
    }
}

impl From<PortError> for Trouble {
    fn from(error: PortError) -> Self {
        Self::of(error.cause, error.message)
    }
}

impl From<SandboxError> for Trouble {
    fn from(error: SandboxError) -> Self {
        Self::of(error.cause(), error.to_string())
    }
}

/// The server refuses what was reported, or does not answer in time.
impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        if error.is_stale_attempt() {
            return Self::Stopped;
        }
        Self::new(Cause::Store, format!("the server did not take it: {error}"))
    }
}
