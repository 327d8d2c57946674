//! Typed HTTP clients of kiln's own APIs.

mod accounts;
mod agent;
mod agents;
mod http;

mod backoff;
mod bytes;
mod cursor;
mod download;
mod follow;
mod hooks;
mod paths;
mod projects;
mod queues;
mod rest;
mod retention;
mod secrets;
mod sse;
mod watch;
mod watch_rules;

pub use agent::{AgentClient, AttemptClient};
pub use bytes::event_bytes;
pub use download::DownloadError;
pub use follow::LogFollow;
pub use http::{ClientError, Http};
pub use rest::{Paths, Rest};
pub use watch::{BuildWatch, WatchUpdate};
