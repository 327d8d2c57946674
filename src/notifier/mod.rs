//! Tells forges and other people how builds go: commit statuses, one for each toolchain of a commit, and
//! signed webhooks when a build has ended.
//!
//! What is to be told is found by reading the events, one server at a time, and written down in the
//! transaction that notes how far was read: nothing is forgotten, whatever is cut off. What is said is
//! how things are when it is sent, so that what could not be said for an hour is not told step by step.

mod collect;
mod message;
mod send;
mod subject;
mod turns;

pub use turns::{Notifier, NotifyError};
