//! The client commands, each a function of its arguments, the server and the console.

mod agents;
mod artifacts;
mod build;
mod cancel;
mod diagnostics;
mod exec;
mod hook;
mod init;
mod list;
mod log;
mod project;
mod queue;
mod retention;
mod say;
mod sealed;
mod secret;
mod shell;
mod show;
mod source;
mod token;
mod watch;

pub(super) use agents::agents;
pub(super) use artifacts::artifacts;
pub(super) use build::{build, retry};
pub(super) use cancel::cancel;
pub(super) use exec::exec;
pub(super) use hook::{credential, hook, notify};
pub(super) use init::init;
pub(super) use list::{builds, toolchains};
pub(super) use log::log;
pub(super) use project::project;
pub(super) use queue::queue;
pub(super) use retention::{delete, pin, retention, unpin, usage};
pub(super) use secret::secret;
pub(super) use shell::{completions, man};
pub(super) use show::show;
#[cfg(test)]
pub(super) use source::Found;
pub(super) use source::Place;
pub(super) use token::{audit, token, whoami};
pub(super) use watch::{rebuild, refs, unwatch, watch};
