//! The artifact repository on every kind of store, and what it does when a store fails: a folder, an
//! S3 server over HTTP, Azure's own emulator.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "../support/azurite.rs"]
mod azurite;
#[path = "../support/fault_proxy.rs"]
mod fault_proxy;
#[path = "../support/s3.rs"]
mod s3;

mod conformance;
mod faults;
mod place;
mod refused;
