//! The server put together: database, queue, logs, artifacts, API, and its end.
//!
//! Stopping is soft first: streams end, requests that run get a few seconds; then it is hard. What
//! is cut off then is nothing that was promised: every promise is in the database before it is made.

mod forget;
mod http;
mod listen;
mod lock;
mod sweep;
mod tls;
mod wire;

pub use http::{ListenError, listen};
pub use lock::lock;
pub use tls::TlsError;
pub use wire::{ServeError, Server};
