//! Everything dies at random: servers, agents, the database, the object store. At the end every job
//! has finished exactly once, with its artifact and its whole log, and nothing is left over.
//!
//! Real processes, a real PostgreSQL, an S3 server over HTTP; only the builds are scripted. What
//! happens when follows from a number that the test prints and that `KILN_TEST_CHAOS` sets.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "../support/fault_proxy.rs"]
mod fault_proxy;
#[path = "../support/s3.rs"]
mod s3;
#[path = "../support/mod.rs"]
mod support;

mod farm;
mod storm;
