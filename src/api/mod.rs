//! The HTTP API: REST for people and programs, and the agents' own.
//!
//! One resource a file. Status codes are known in `error` only; each handler names the principal it
//! wants and thereby the permission it needs; `guard` stands before all of them.

mod agents;
mod artifacts;
mod audit;
mod bounds;
mod builds;
mod diagnostics;
mod disposition;
mod docs;
mod enrollments;
mod error;
mod events;
mod extract;
mod farm;
mod feed;
mod guard;
mod health;
mod hooks;
mod job_log;
mod jobs;
mod latest;
mod logins;
mod metrics;
mod principal;
mod projects;
mod queues;
mod ranged;
mod rebuild;
mod retention;
mod router;
mod secrets;
mod session;
mod sse;
mod state;
mod targets;
mod tokens;
mod uploads;
mod watch;
mod web;

pub use audit::ClientAddress;
pub use bounds::Bounds;
pub use docs::openapi;
pub use error::ApiError;
pub use feed::Feed;
pub use health::Readiness;
pub use metrics::metrics_router;
pub use router::router;
pub use state::AppState;
