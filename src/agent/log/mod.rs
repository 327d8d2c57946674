//! One attempt's log on its way to the server: nothing lost, nothing twice, whatever the network
//! does.
//!
//! What the build writes goes through a bounded channel to the `writer`, which cuts it into frames
//! (`framer`) and puts them into the `spool`, in memory first, then on disk; the `sender` posts what
//! the spool holds and forgets it only when the server has it. When the spool is full the writer
//! waits, then the channel is full, then the build itself is held up: no line is ever dropped.

mod framer;
mod sender;
mod spool;
mod writer;

pub(super) use spool::SpoolSettings;
pub(super) use writer::{Log, LogClosed};
