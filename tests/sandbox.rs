//! The sandbox: one suite for both implementations, and what only real containers can show.
//!
//! The tests with containers need an engine and two images; `harness::image` says which. Every one
//! of them ends with a count of what is left: nothing may be.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "sandbox/configuration.rs"]
mod configuration;
#[path = "sandbox/conformance.rs"]
mod conformance;
#[path = "sandbox/ends.rs"]
mod ends;
#[path = "sandbox/harness.rs"]
mod harness;
#[path = "sandbox/hostile.rs"]
mod hostile;
#[path = "sandbox/isolation.rs"]
mod isolation;
#[path = "sandbox/lifetime.rs"]
mod lifetime;
#[path = "sandbox/output.rs"]
mod output;
#[path = "sandbox/phases.rs"]
mod phases;
